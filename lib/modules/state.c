#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "modules/script_internal.h"

/* Instructions between two looks at the clock. */
#define CSN_HOOK_INSTRUCTIONS 100

static void *allocate(void *context, void *block, size_t old_size, size_t size)
{
	struct csn_script *script = context;
	size_t before = block ? old_size : 0;
	void *moved;

	if (!size) {
		free(block);
		script->memory_bytes -= before;
		return NULL;
	}
	if (size > before && size - before > CSN_MAX_SCRIPT_MEMORY - script->memory_bytes)
		return NULL;
	moved = realloc(block, size);
	if (moved)
		script->memory_bytes = script->memory_bytes - before + size;
	return moved;
}

/* When time is over every instruction fails, so that whoever catches the error gets the next one.
 */
static void look_at_clock(lua_State *L, lua_Debug *debug)
{
	(void)debug;
	csn_script_check_time(L);
}

void csn_script_check_time(lua_State *L)
{
	struct csn_script *script = csn_script_of(L);

	if (!script->expired && csn_monotonic_ns() < script->deadline_ns)
		return;
	script->expired = true;
	lua_sethook(L, look_at_clock, LUA_MASKCOUNT, 1);
	luaL_error(L, "its time is over");
}

static int open_libraries(lua_State *L)
{
	static const luaL_Reg libraries[] = {
		{ LUA_GNAME, luaopen_base },        { LUA_TABLIBNAME, luaopen_table },
		{ LUA_STRLIBNAME, luaopen_string }, { LUA_MATHLIBNAME, luaopen_math },
		{ LUA_UTF8LIBNAME, luaopen_utf8 },
	};

	for (size_t i = 0; i < csn_countof(libraries); i++) {
		luaL_requiref(L, libraries[i].name, libraries[i].func, 1);
		lua_pop(L, 1);
	}
	csn_guard_install(L);
	csn_match_install(L);
	csn_type_install(L);
	csn_variable_install(L);
	csn_frame_install(L);
	csn_bt_install(L);
	csn_pmodule_install(L);
	return 0;
}

void csn_script_push_options(lua_State *L)
{
	const struct csn_script *script = csn_script_of(L);
	const struct csn_script_sources *sources = script->all->sources;
	size_t length = strlen(script->id);

	lua_newtable(L);
	for (size_t i = 0; i < sources->n_options; i++) {
		const char *at = sources->options[i], *comma, *end;

		if (strncmp(at, script->id, length) != 0 || at[length] != ':')
			continue;
		for (at += length + 1; *at; at = *end ? end + 1 : end) {
			comma = strchrnul(at, ',');
			end = *comma ? strchrnul(comma + 1, ',') : comma;
			lua_pushlstring(L, at, (size_t)(comma - at));
			lua_pushlstring(L, *comma ? comma + 1 : comma,
					*comma ? (size_t)(end - comma - 1) : 0);
			lua_rawset(L, -3);
		}
	}
}

static int run_file(lua_State *L)
{
	const struct csn_script_source *source = lua_touserdata(L, 1);
	const struct csn_script *script = csn_script_of(L);

	lua_pushfstring(L, "@%s", source->file);
	/* Text only: what is compiled already could do anything to us. */
	if (luaL_loadbufferx(L, source->text, source->size, lua_tostring(L, -1), "t") != LUA_OK)
		return lua_error(L);
	lua_call(L, 0, 0);
	if (script->load == LUA_NOREF)
		return 0;
	lua_rawgeti(L, LUA_REGISTRYINDEX, script->load);
	csn_script_push_options(L);
	lua_call(L, 1, 0);
	return 0;
}

void csn_script_start(struct csn_script *script, const struct csn_script_source *source)
{
	struct csn_script_source copy = *source;

	script->load = script->unload = LUA_NOREF;
	script->state = lua_newstate(allocate, script);
	if (!script->state) {
		script->failed = true;
		csn_script_warn(script, "out of memory");
		return;
	}
	*(struct csn_script **)lua_getextraspace(script->state) = script;
	if (csn_script_run(script, open_libraries, NULL, "its start"))
		(void)csn_script_run(script, run_file, &copy, "its start");
}

/* Says why. The message is a text, or nobody knows what it is. */
static void tell_failure(struct csn_script *script, const char *doing)
{
	lua_State *L = script->state;
	const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;

	script->failed = true;
	if (script->expired)
		csn_script_warn(script, "stopped: its time is over (in %s)", doing);
	else if (message)
		csn_script_warn(script, "failed in %s: %.512s", doing, message);
	else
		csn_script_warn(script, "failed in %s: the error is a %s", doing,
				luaL_typename(L, -1));
}

bool csn_script_run(struct csn_script *script, lua_CFunction function, void *context,
		    const char *doing)
{
	lua_State *L = script->state;
	int64_t began = csn_monotonic_ns(), spent;
	int status;

	if (script->failed)
		return false;
	script->deadline_ns =
		began +
		(script->left_ns < script->all->left_ns ? script->left_ns : script->all->left_ns);
	lua_sethook(L, look_at_clock, LUA_MASKCOUNT, CSN_HOOK_INSTRUCTIONS);
	lua_settop(L, 0);
	lua_pushcfunction(L, function);
	lua_pushlightuserdata(L, context);
	status = lua_pcall(L, 1, 1, 0);
	spent = csn_monotonic_ns() - began;
	script->left_ns -= spent;
	script->all->left_ns -= spent;
	if (status != LUA_OK)
		tell_failure(script, doing);
	return status == LUA_OK;
}
