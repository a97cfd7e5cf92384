/* Match objects: so that a module is called for what concerns it and for nothing else. */
#include <string.h>

#include "base/text.h"
#include "modules/script_internal.h"

static const char class_name[] = "pmodule.match";

static bool text_matches(const struct csn_match_pattern *pattern, const char *text)
{
	if (!text)
		return false;
	return pattern->is_part ? strstr(text, pattern->text) != NULL
				: strcmp(text, pattern->text) == 0;
}

static bool path_matches(const struct csn_match_pattern *pattern, const char *path)
{
	return text_matches(pattern, path) || text_matches(pattern, csn_last_part(path));
}

/* The type without pointers, arrays and qualifiers around it, by any of its names. */
static bool base_type_matches(const struct csn_match_pattern *pattern, struct csn_type *type)
{
	for (unsigned hops = 0; type && hops < CSN_MAX_TYPE_HOPS; hops++) {
		if (type->name && (type->kind == CSN_TYPE_TYPEDEF || !type->target.unit) &&
		    (text_matches(pattern, type->name) ||
		     text_matches(pattern, csn_type_text(type))))
			return true;
		if (type->kind == CSN_TYPE_FUNCTION || !type->target.unit)
			return false;
		type = csn_type_target(type);
	}
	return false;
}

static bool pattern_matches(const struct csn_match_pattern *pattern,
			    const struct csn_match_subject *subject)
{
	const struct csn_snapshot_frame *frame = subject->frame;
	const struct csn_value_node *variable = subject->variable;

	switch (pattern->kind) {
	case CSN_MATCH_OBJECT:
		return frame && path_matches(pattern, frame->library);
	case CSN_MATCH_FILE:
		return frame && path_matches(pattern, frame->source_path);
	case CSN_MATCH_FUNCTION:
		return frame && text_matches(pattern, frame->function);
	case CSN_MATCH_BASE_TYPE:
		return variable && base_type_matches(pattern, variable->declared);
	case CSN_MATCH_TYPE:
		return variable && text_matches(pattern, variable->type);
	case CSN_MATCH_NAME:
		return variable && text_matches(pattern, variable->name);
	default:
		return false;
	}
}

bool csn_match_holds(const struct csn_script_match *match, const struct csn_match_subject *subject)
{
	bool asked[CSN_N_MATCH_KINDS] = { false }, found[CSN_N_MATCH_KINDS] = { false };

	if (!match)
		return true;
	if (match->fault_only && !(subject->thread && subject->thread->fault))
		return false;
	for (size_t i = 0; i < match->n; i++) {
		const struct csn_match_pattern *pattern = &match->patterns[i];

		asked[pattern->kind] = true;
		if (!found[pattern->kind])
			found[pattern->kind] = pattern_matches(pattern, subject);
	}
	return memcmp(asked, found, sizeof(asked)) == 0;
}

bool csn_match_asks_parts(const struct csn_script_match *match)
{
	for (size_t i = 0; match && i < match->n; i++)
		if (match->patterns[i].kind >= CSN_MATCH_BASE_TYPE)
			return true;
	return false;
}

/* --- for Lua --- */

static struct csn_script_match *check(lua_State *L, int index)
{
	return luaL_checkudata(L, index, class_name);
}

const struct csn_script_match *csn_match_check(lua_State *L, int index)
{
	return check(L, index);
}

int csn_match_new(lua_State *L)
{
	struct csn_script_match *match = lua_newuserdatauv(L, sizeof(*match), 1);

	*match = (struct csn_script_match){ 0 };
	/* Texts of patterns are kept here. */
	lua_newtable(L);
	lua_setiuservalue(L, -2, 1);
	luaL_setmetatable(L, class_name);
	return 1;
}

/* match:add_...(text [, "exact" | "substr"]); the kind is the upvalue. Returns the match. */
static int add(lua_State *L)
{
	static const char *const ways[] = { "exact", "substr", NULL };
	struct csn_script_match *match = check(L, 1);
	const char *text = luaL_checkstring(L, 2);
	bool is_part = luaL_checkoption(L, 3, "exact", ways) == 1;

	if (match->n >= CSN_MAX_SCRIPT_PATTERNS)
		return luaL_error(L, "more than %d patterns", (int)CSN_MAX_SCRIPT_PATTERNS);
	lua_getiuservalue(L, 1, 1);
	lua_pushvalue(L, 2);
	lua_rawseti(L, -2, (lua_Integer)match->n + 1);
	match->patterns[match->n++] = (struct csn_match_pattern){
		.kind = (enum csn_match_kind)lua_tointeger(L, lua_upvalueindex(1)),
		.is_part = is_part,
		.text = text,
	};
	lua_settop(L, 1);
	return 1;
}

static int set_fault(lua_State *L)
{
	check(L, 1)->fault_only = lua_isnone(L, 2) || lua_toboolean(L, 2);
	lua_settop(L, 1);
	return 1;
}

static int reset(lua_State *L)
{
	*check(L, 1) = (struct csn_script_match){ 0 };
	lua_settop(L, 1);
	return 1;
}

void csn_match_install(lua_State *L)
{
	static const char *const adders[CSN_N_MATCH_KINDS] = {
		[CSN_MATCH_OBJECT] = "add_object",
		[CSN_MATCH_FILE] = "add_file",
		[CSN_MATCH_FUNCTION] = "add_frame_symbol",
		[CSN_MATCH_BASE_TYPE] = "add_variable_base_type",
		[CSN_MATCH_TYPE] = "add_variable_ptrace_type",
		[CSN_MATCH_NAME] = "add_variable_name",
	};
	static const luaL_Reg methods[] = { { "set_fault", set_fault },
					    { "reset", reset },
					    { NULL, NULL } };

	luaL_newmetatable(L, class_name);
	luaL_newlib(L, methods);
	for (int kind = 0; kind < CSN_N_MATCH_KINDS; kind++) {
		lua_pushinteger(L, kind);
		lua_pushcclosure(L, add, 1);
		lua_setfield(L, -2, adders[kind]);
	}
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}
