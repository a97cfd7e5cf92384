/* The table pmodule, which modules begin with; and what all classes share. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "modules/script_internal.h"

static const char *const event_names[] = {
	[CSN_EVENT_PREATTACH] = "preattach",
	[CSN_EVENT_ATTACH] = "attach",
	[CSN_EVENT_THREAD] = "thread",
	[CSN_EVENT_FRAME] = "frame",
	[CSN_EVENT_VARIABLE] = "variable",
	[CSN_EVENT_POSTATTACH] = "postattach",
	[CSN_N_EVENTS] = NULL,
};

void csn_script_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction index)
{
	luaL_newmetatable(L, name);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "methods");
	lua_pushcfunction(L, index);
	lua_setfield(L, -2, "__index");
	/* What getmetatable answers: nobody may change how our objects behave. */
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
}

bool csn_script_method(lua_State *L, const char *name)
{
	luaL_getmetafield(L, 1, "methods");
	lua_getfield(L, -1, name);
	lua_remove(L, -2);
	if (!lua_isnil(L, -1))
		return true;
	lua_pop(L, 1);
	return false;
}

/* The function at a field of the table at 1, as a reference. */
static int reference_of(lua_State *L, const char *field)
{
	if (lua_getfield(L, 1, field) == LUA_TNIL) {
		lua_pop(L, 1);
		return LUA_NOREF;
	}
	luaL_checktype(L, -1, LUA_TFUNCTION);
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* pmodule.define{ id = "...", load = function(options) end, unload = function() end } */
static int define(lua_State *L)
{
	struct csn_script *script = csn_script_of(L);
	const char *id;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "id");
	id = luaL_checkstring(L, -1);
	if (!*id || strlen(id) > 64 ||
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
		    strlen(id))
		return luaL_error(L, "an id is 1 to 64 letters, digits, '.', '_' and '-'");
	id = csn_arena_strdup(script->all->arena, id);
	if (!id)
		return luaL_error(L, "out of memory");
	script->id = id;
	script->load = reference_of(L, "load");
	script->unload = reference_of(L, "unload");
	return 0;
}

/* pmodule.register(event [, match], function) */
static int add_handler(lua_State *L)
{
	struct csn_script *script = csn_script_of(L);
	int event = luaL_checkoption(L, 1, NULL, event_names);
	struct csn_script_handler *handler;
	bool has_match = lua_gettop(L) > 2 && !lua_isnil(L, 2);

	if (lua_gettop(L) == 2)
		lua_pushvalue(L, 2);
	luaL_checktype(L, 3, LUA_TFUNCTION);
	if (script->n_handlers >= CSN_MAX_SCRIPT_HANDLERS)
		return luaL_error(L, "more than %d handlers", (int)CSN_MAX_SCRIPT_HANDLERS);
	handler = &script->handlers[script->n_handlers];
	*handler = (struct csn_script_handler){ .event = (enum csn_script_event)event,
						.match_reference = LUA_NOREF };
	if (has_match) {
		handler->match = csn_match_check(L, 2);
		lua_pushvalue(L, 2);
		handler->match_reference = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	lua_settop(L, 3);
	handler->function = luaL_ref(L, LUA_REGISTRYINDEX);
	script->n_handlers++;
	return 0;
}

/* print(...): as in Lua, to the log. */
static int print(lua_State *L)
{
	int n = lua_gettop(L);

	lua_pushcfunction(L, csn_script_log);
	lua_pushliteral(L, "info");
	lua_pushliteral(L, "%s");
	lua_pushliteral(L, "");
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			lua_pushliteral(L, "\t");
		luaL_tolstring(L, i, NULL);
		lua_concat(L, i > 1 ? 3 : 2);
	}
	lua_call(L, 3, 0);
	return 0;
}

/* --- memory --- */

static const struct csn_scene *check_scene(lua_State *L)
{
	const struct csn_scene *scene = csn_script_of(L)->all->scene;

	if (!scene)
		luaL_error(L, "there is nothing to look at before attach");
	csn_script_check_time(L);
	return scene;
}

/* address_read_raw(address, size): the bytes; fewer where memory ends; nil where there is none. */
static int read_raw(lua_State *L)
{
	const struct csn_scene *scene = check_scene(L);
	csn_addr address = csn_check_u64(L, 1);
	lua_Integer size = luaL_checkinteger(L, 2);
	luaL_Buffer buffer;
	size_t there;
	char *bytes;

	luaL_argcheck(L, size >= 0 && (uint64_t)size <= CSN_MAX_SCRIPT_READ, 2,
		      "too much at a time");
	bytes = luaL_buffinitsize(L, &buffer, (size_t)size);
	there = csn_target_read_some(scene->target, address, bytes, (size_t)size);
	luaL_pushresultsize(&buffer, there);
	if (!there && size)
		lua_pushnil(L);
	return 1;
}

/* address_read_string(address [, max]): up to the NUL; nil when it cannot be read. */
static int read_string(lua_State *L)
{
	const struct csn_scene *scene = check_scene(L);
	csn_addr address = csn_check_u64(L, 1);
	lua_Integer max = luaL_optinteger(L, 2, 4096);
	luaL_Buffer buffer;
	size_t there;
	char *bytes;

	luaL_argcheck(L, max >= 0 && (uint64_t)max <= CSN_MAX_SCRIPT_READ, 2, "too much at a time");
	bytes = luaL_buffinitsize(L, &buffer, (size_t)max);
	there = csn_target_read_some(scene->target, address, bytes, (size_t)max);
	luaL_pushresultsize(&buffer, strnlen(bytes, there));
	if (!there && max)
		lua_pushnil(L);
	return 1;
}

/* address_read_uint(address [, size]): a number of the process, of a word by itself. */
static int read_uint(lua_State *L)
{
	const struct csn_scene *scene = check_scene(L);
	csn_addr address = csn_check_u64(L, 1);
	lua_Integer size = luaL_optinteger(L, 2, scene->target->arch->word_bytes);
	uint8_t bytes[8];
	uint64_t number = 0;

	luaL_argcheck(L, size >= 1 && size <= 8, 2, "1 to 8 bytes");
	if (csn_target_read_some(scene->target, address, bytes, (size_t)size) != (size_t)size)
		return 0;
	for (lua_Integer i = 0; i < size; i++)
		number |= (uint64_t)bytes[i] << (8 * i);
	lua_pushinteger(L, (lua_Integer)number);
	return 1;
}

/* pmodule.sizeof(variable or type) */
static int size_of(lua_State *L)
{
	struct csn_type *type = csn_type_check(L, 1);
	uint64_t size_bytes;

	if (!type || !csn_type_size(type, &size_bytes))
		return 0;
	lua_pushinteger(L, (lua_Integer)size_bytes);
	return 1;
}

/* pmodule.create_variable(type, address [, name]): something of a type in memory. */
static int create_variable(lua_State *L)
{
	struct csn_scripts *all = csn_script_of(L)->all;
	struct csn_handle handle;
	char name[32];

	check_scene(L);
	handle = csn_handle_at(&all->nowhere, csn_check_u64(L, 2), csn_type_check(L, 1));
	snprintf(name, sizeof(name), "*0x%" PRIx64, handle.address);
	lua_pushstring(L, luaL_optstring(L, 3, name));
	csn_variable_push(L, NULL, &handle);
	return 1;
}

void csn_pmodule_install(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "define", define },
		{ "register", add_handler },
		{ "match", csn_match_new },
		{ "log", csn_script_log },
		{ "address_read_raw", read_raw },
		{ "address_read_string", read_string },
		{ "address_read_uint", read_uint },
		{ "sizeof", size_of },
		{ "create_variable", create_variable },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	lua_setglobal(L, "pmodule");
	lua_pushcfunction(L, print);
	lua_setglobal(L, "print");
}
