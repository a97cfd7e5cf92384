/* Along lists, arrays and parts. A list that leads back into itself, out of memory, or on and on is
 * left where that shows. */
#include "modules/script_internal.h"

/* Elements that are gone through unless more are asked for. */
#define CSN_WALK_ELEMENTS 10000

/* How a walk ended, or that it did not. */
enum step { STEP_ON, STEP_END, STEP_CYCLE, STEP_UNREADABLE, STEP_LIMIT };

static const char *const step_names[] = { "on", "end", "cycle", "unreadable", "limit" };

static lua_Integer check_max(lua_State *L, int index)
{
	lua_Integer max = luaL_optinteger(L, index, CSN_WALK_ELEMENTS);

	luaL_argcheck(L, max >= 0 && max <= (lua_Integer)CSN_MAX_SCRIPT_WALK, index,
		      "more elements than are gone through");
	return max;
}

/* The element that a pointer leads to; nothing is behind NULL. */
static enum step follow(struct csn_values *values, const struct csn_handle *pointer,
			struct csn_handle *ret_element)
{
	uint64_t address;

	if (!csn_handle_number(values, pointer, &address))
		return STEP_UNREADABLE;
	if (!address)
		return STEP_END;
	return csn_handle_deref(values, pointer, ret_element) ? STEP_ON : STEP_UNREADABLE;
}

static bool is_pointer(const struct csn_handle *handle)
{
	const struct csn_type *type = csn_type_strip(handle->type);

	return type && type->kind == CSN_TYPE_POINTER;
}

/* Goes on from an element, whose address is noted in the table at seen. The element counts only
 * when it could be read. */
static enum step step(lua_State *L, const struct csn_handle *element, const char *path, int seen,
		      lua_Integer number, struct csn_handle *ret_next)
{
	struct csn_values *values = csn_script_of(L)->all->values;
	struct csn_handle link;

	csn_script_check_time(L);
	lua_pushinteger(L, number);
	lua_rawseti(L, seen, (lua_Integer)element->address);
	if (!csn_handle_member(values, element, path, &link))
		return STEP_UNREADABLE;
	return follow(values, &link, ret_next);
}

/* The number of an element that was there before; 0 none. */
static lua_Integer number_of(lua_State *L, int seen, const struct csn_handle *element)
{
	lua_Integer number;

	lua_rawgeti(L, seen, (lua_Integer)element->address);
	number = lua_tointeger(L, -1);
	lua_pop(L, 1);
	return number;
}

static void push_element(lua_State *L, int from, lua_Integer number,
			 const struct csn_handle *element)
{
	lua_pushfstring(L, "{%I}", (LUAI_UACINT)number);
	csn_variable_push_step(L, from, lua_tostring(L, -1), element);
	lua_remove(L, -2);
}

/* variable:walk(path [, max]): the elements of a list, from the variable on, that the pointer at
 * path of each leads to; how it ended ("end", "cycle", "unreadable", "limit"), and for a cycle the
 * number of the element that it led back to. */
static int walk(lua_State *L)
{
	struct csn_script_variable *first = csn_variable_check(L, 1);
	struct csn_values *values = csn_script_of(L)->all->values;
	const char *path = luaL_checkstring(L, 2);
	lua_Integer max = check_max(L, 3), number = 0, back = 0;
	struct csn_handle element = first->handle, next;
	enum step how = STEP_ON;

	lua_settop(L, 3);
	lua_newtable(L); /* 4: the elements */
	lua_newtable(L); /* 5: numbers by address */
	if (is_pointer(&element))
		how = follow(values, &element, &element);
	while (how == STEP_ON) {
		if (number >= max) {
			how = STEP_LIMIT;
			break;
		}
		how = step(L, &element, path, 5, number + 1, &next);
		if (how == STEP_UNREADABLE)
			break;
		push_element(L, 1, number, &element);
		lua_rawseti(L, 4, ++number);
		if (how != STEP_ON)
			break;
		element = next;
		back = number_of(L, 5, &element);
		if (back)
			how = STEP_CYCLE;
	}
	lua_pop(L, 1);
	lua_pushstring(L, step_names[how]);
	if (how != STEP_CYCLE)
		return 2;
	lua_pushinteger(L, back);
	return 3;
}

/* Up-values of a walk that goes on when it is asked: the variable that it began at, the table of
 * numbers by address, the path, how many may come, how many came, and the element that is next. */
enum { UP_FIRST = 1, UP_SEEN, UP_PATH, UP_MAX, UP_NUMBER, UP_NEXT };

static int next_of_list(lua_State *L)
{
	lua_Integer number = lua_tointeger(L, lua_upvalueindex(UP_NUMBER));
	struct csn_handle element, next;
	enum step how;

	if (lua_isnil(L, lua_upvalueindex(UP_NEXT)) ||
	    number >= lua_tointeger(L, lua_upvalueindex(UP_MAX)))
		return 0;
	element = csn_variable_check(L, lua_upvalueindex(UP_NEXT))->handle;
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(UP_SEEN));
	lua_pushvalue(L, lua_upvalueindex(UP_FIRST));
	how = step(L, &element, lua_tostring(L, lua_upvalueindex(UP_PATH)), 1, number + 1, &next);
	if (how == STEP_UNREADABLE)
		return 0;
	lua_pushinteger(L, number + 1);
	lua_replace(L, lua_upvalueindex(UP_NUMBER));
	if (how == STEP_ON && !number_of(L, 1, &next))
		push_element(L, 2, number + 1, &next);
	else
		lua_pushnil(L);
	lua_replace(L, lua_upvalueindex(UP_NEXT));
	push_element(L, 2, number, &element);
	lua_pushinteger(L, number + 1);
	return 2;
}

/* for element, number in variable:list(path [, max]) do: the same one by one. */
static int list(lua_State *L)
{
	struct csn_script_variable *first = csn_variable_check(L, 1);
	struct csn_handle element = first->handle;
	enum step how = STEP_ON;

	luaL_checkstring(L, 2);
	check_max(L, 3);
	lua_settop(L, 3);
	if (is_pointer(&element))
		how = follow(csn_script_of(L)->all->values, &element, &element);
	lua_pushvalue(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, 2);
	lua_pushinteger(L, check_max(L, 3));
	lua_pushinteger(L, 0);
	if (how == STEP_ON)
		push_element(L, 1, 0, &element);
	else
		lua_pushnil(L);
	lua_pushcclosure(L, next_of_list, UP_NEXT);
	return 1;
}

/* The next element of an array; up-values: the array, how many there are, how many came. */
static int next_of_array(lua_State *L)
{
	struct csn_script_variable *array = csn_variable_check(L, lua_upvalueindex(1));
	lua_Integer number = lua_tointeger(L, lua_upvalueindex(3));
	struct csn_handle element;

	if (number >= lua_tointeger(L, lua_upvalueindex(2)) ||
	    !csn_handle_element(csn_script_of(L)->all->values, &array->handle, (uint64_t)number,
				&element))
		return 0;
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushinteger(L, number + 1);
	lua_replace(L, lua_upvalueindex(3));
	lua_pushfstring(L, "[%I]", (LUAI_UACINT)number);
	csn_variable_push_step(L, 1, lua_tostring(L, -1), &element);
	lua_pushinteger(L, number);
	return 2;
}

/* for element, number in variable:elements([count]) do: of an array, or of count behind a pointer.
 */
static int elements(lua_State *L)
{
	const struct csn_script_variable *array = csn_variable_check(L, 1);
	uint64_t count = 0;

	if (!csn_handle_count(&array->handle, &count) && lua_isnoneornil(L, 2))
		return luaL_error(L, "how many elements there are is not known; say how many");
	if (!lua_isnoneornil(L, 2))
		count = csn_min_u64(count ? count : UINT64_MAX, (uint64_t)check_max(L, 2));
	lua_pushvalue(L, 1);
	lua_pushinteger(L, (lua_Integer)csn_min_u64(count, INT64_MAX));
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_of_array, 3);
	return 1;
}

/* The next part; up-values: the whole, how many came. */
static int next_part(lua_State *L)
{
	struct csn_script_variable *whole = csn_variable_check(L, lua_upvalueindex(1));
	size_t number = (size_t)lua_tointeger(L, lua_upvalueindex(2));
	const struct csn_value_node *node = whole->handle.node, *part;
	struct csn_handle handle;

	if (number >= node->n_parts)
		return 0;
	part = &node->parts[number];
	handle = csn_handle_of(whole->handle.frame, part);
	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushinteger(L, (lua_Integer)number + 1);
	lua_replace(L, lua_upvalueindex(2));
	if (part->name)
		lua_pushfstring(L, ".%s", part->name);
	else
		lua_pushfstring(L, "[%I]", (LUAI_UACINT)number);
	csn_variable_push_step(L, 1, lua_tostring(L, -1), &handle);
	return 1;
}

/* for part in variable:parts() do: what it is shown with: members, elements of containers. */
static int parts(lua_State *L)
{
	csn_variable_node(L, csn_variable_check(L, 1));
	lua_pushvalue(L, 1);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_part, 2);
	return 1;
}

/* variable:count(): elements of an array. */
static int count(lua_State *L)
{
	uint64_t n;

	if (!csn_handle_count(&csn_variable_check(L, 1)->handle, &n))
		return 0;
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

const luaL_Reg csn_walk_methods[] = {
	{ "walk", walk },   { "list", list },   { "elements", elements },
	{ "parts", parts }, { "count", count }, { NULL, NULL },
};
