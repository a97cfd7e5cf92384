/* Lua's own functions, kept within bounds.
 *
 * Time is looked at between instructions of Lua; a function of its libraries that runs long in one
 * call is out of reach of that. So those that can are replaced: searches by pattern may not need
 * more steps than a second has, repetitions of nothing end at once, and functions that go along
 * tables as long as these say they are, are written in Lua. Metatables are copied when they are
 * set, without what would run while garbage is collected, where nothing is looked at; and handlers
 * of errors are called when an error has ended what it ends, not in the midst of it. What reads
 * files, loads code or changes what the others depend on is not there. */
#include <string.h>

#include "modules/script_internal.h"

static const char prelude[] =
	"local select, error, sort = select, error, table.sort\n"
	"function table.insert(list, ...)\n"
	"  local n, count, at, value = #list, select('#', ...), ...\n"
	"  if count == 1 then list[n + 1] = at return end\n"
	"  if count ~= 2 then error(\"wrong number of arguments to 'insert'\", 2) end\n"
	"  if at < 1 or at > n + 1 then error('position out of bounds', 2) end\n"
	"  for i = n, at, -1 do list[i + 1] = list[i] end\n"
	"  list[at] = value\n"
	"end\n"
	"function table.remove(list, at)\n"
	"  local n = #list\n"
	"  at = at or n\n"
	"  if n > 0 and (at < 1 or at > n + 1) then error('position out of bounds', 2) end\n"
	"  local value = list[at]\n"
	"  for i = at, n - 1 do list[i] = list[i + 1] end\n"
	"  list[at > n and at or n] = nil\n"
	"  return value\n"
	"end\n"
	"function table.move(from, first, last, at, to)\n"
	"  to = to or from\n"
	"  if at > last or at <= first or to ~= from then\n"
	"    for i = first, last do to[at + i - first] = from[i] end\n"
	"  else\n"
	"    for i = last, first, -1 do to[at + i - first] = from[i] end\n"
	"  end\n"
	"  return to\n"
	"end\n"
	"local pcall = pcall\n"
	"local function finish(handler, ok, ...)\n"
	"  if ok then return true, ... end\n"
	"  return false, handler(...)\n"
	"end\n"
	"function xpcall(f, handler, ...)\n"
	"  return finish(handler, pcall(f, ...))\n"
	"end\n"
	"function table.sort(list, less)\n"
	"  sort(list, less or function(a, b) return a < b end)\n"
	"end\n";

/* Steps that a search may need: the places where it begins and where each repetition ends. */
static double worst_steps(const char *pattern, size_t length, size_t text_bytes)
{
	size_t repetitions = length && pattern[0] == '^' ? 0 : 1;
	double steps = (double)length + 1;

	for (size_t i = 0; i < length; i++) {
		if (pattern[i] == '%') {
			/* A balanced pair, a text found before: as long as may be. */
			i++;
			repetitions += i < length && strchr("b123456789", pattern[i]) != NULL;
		} else if (pattern[i] == '[') {
			for (i += 2; i < length && pattern[i] != ']'; i++)
				i += pattern[i] == '%';
		} else if (strchr("*+-", pattern[i])) {
			repetitions++;
		} else if (pattern[i] == '?') {
			steps *= 2;
		}
		if (steps > (double)CSN_MAX_SCRIPT_STEPS)
			return steps;
	}
	for (size_t i = 1; i <= repetitions && steps <= (double)CSN_MAX_SCRIPT_STEPS; i++)
		steps = steps * (double)(text_bytes + i) / (double)i;
	return steps;
}

/* string.find, match, gmatch and gsub; the function itself is the upvalue. */
static int search(lua_State *L)
{
	size_t text_bytes, length;
	const char *pattern;

	luaL_checklstring(L, 1, &text_bytes);
	pattern = luaL_checklstring(L, 2, &length);
	csn_script_check_time(L);
	if (worst_steps(pattern, length, text_bytes) > (double)CSN_MAX_SCRIPT_STEPS)
		return luaL_error(L, "this pattern could take too long on a text of %d bytes",
				  (int)text_bytes);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

static int repeat(lua_State *L)
{
	size_t text_bytes, separator_bytes = 0;

	luaL_checklstring(L, 1, &text_bytes);
	luaL_checkinteger(L, 2);
	luaL_optlstring(L, 3, "", &separator_bytes);
	if (!text_bytes && !separator_bytes) {
		lua_pushliteral(L, "");
		return 1;
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

/* The copy hides behind the table that it was made of, and cannot be changed. */
static int set_metatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
	lua_settop(L, 2);
	if (lua_isnil(L, 2)) {
		lua_setmetatable(L, 1);
		return 1;
	}
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, 2);) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";

		if (strcmp(key, "__gc") == 0 || strcmp(key, "__mode") == 0)
			return luaL_error(L, "%s is not there for modules", key);
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, 3);
	}
	lua_pushvalue(L, 2);
	lua_setfield(L, 3, "__metatable");
	lua_setmetatable(L, 1);
	lua_settop(L, 1);
	return 1;
}

/* Replaces a function of the table on top, which the new one may call. */
static void replace(lua_State *L, const char *name, lua_CFunction function)
{
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, function, 1);
	lua_setfield(L, -2, name);
}

void csn_guard_install(lua_State *L)
{
	static const char *const removed[] = { "collectgarbage", "dofile", "load", "loadfile",
					       "warn" };

	lua_pushglobaltable(L);
	for (size_t i = 0; i < csn_countof(removed); i++) {
		lua_pushnil(L);
		lua_setfield(L, -2, removed[i]);
	}
	replace(L, "setmetatable", set_metatable);
	lua_getfield(L, -1, LUA_STRLIBNAME);
	lua_pushnil(L);
	lua_setfield(L, -2, "dump");
	replace(L, "find", search);
	replace(L, "match", search);
	replace(L, "gmatch", search);
	replace(L, "gsub", search);
	replace(L, "rep", repeat);
	lua_pop(L, 2);
	if (luaL_loadbufferx(L, prelude, sizeof(prelude) - 1, "=guard", "t") != LUA_OK)
		lua_error(L);
	lua_call(L, 0, 0);
}
