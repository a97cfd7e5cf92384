/* Variables, as Lua has them: handles with a path.
 *
 * What follows a dot is a method, else a member of the structure (or of the one that the variable
 * points to), else a property; so that a member may be called "value" or "type" and be found.
 * variable:get("type") is the property in any case, variable:member("get") the member. */
#include <string.h>

#include "modules/script_internal.h"

static const char class_name[] = "pmodule.variable";

struct csn_script_variable *csn_variable_check(lua_State *L, int index)
{
	csn_script_check_time(L);
	return luaL_checkudata(L, index, class_name);
}

void csn_variable_push(lua_State *L, const struct csn_scene_frame *frame,
		       const struct csn_handle *handle)
{
	struct csn_script_variable *variable = lua_newuserdatauv(L, sizeof(*variable), 1);

	*variable = (struct csn_script_variable){ frame, *handle };
	lua_insert(L, -2);
	lua_setiuservalue(L, -2, 1);
	luaL_setmetatable(L, class_name);
}

void csn_variable_push_spot(lua_State *L, const struct csn_scene_spot *spot)
{
	struct csn_handle handle = csn_handle_of(spot->frame->frame, csn_scene_spot_value(spot));
	const struct csn_scripts *all = csn_script_of(L)->all;
	struct csn_snapshot in_ours = { .arena = all->arena };
	const struct csn_scene scene = { .snapshot = &in_ours };
	const char *path = csn_scene_path(&scene, spot);

	lua_pushstring(L, path ? path : "");
	csn_variable_push(L, spot->frame, &handle);
}

static const char *path_of(lua_State *L, int index)
{
	lua_getiuservalue(L, index, 1);
	return lua_tostring(L, -1);
}

void csn_variable_push_step(lua_State *L, int index, const char *step,
			    const struct csn_handle *handle)
{
	struct csn_script_variable *from = luaL_checkudata(L, index, class_name);
	const char *path = path_of(L, index);
	struct csn_type *type = csn_type_strip(from->handle.type);
	bool arrow = *step == '.' && (*path == '*' || (type && type->kind == CSN_TYPE_POINTER));

	lua_pushfstring(L, "%s%s%s", path + (*path == '*' && *step != '*'), arrow ? "->" : "",
			step + arrow);
	lua_remove(L, -2);
	csn_variable_push(L, from->frame, handle);
}

const struct csn_value_node *csn_variable_node(lua_State *L, struct csn_script_variable *variable)
{
	struct csn_scripts *all = csn_script_of(L)->all;
	struct csn_value_node *node;

	if (variable->handle.node)
		return variable->handle.node;
	node = csn_arena_alloc(all->arena, sizeof(*node));
	if (!node)
		luaL_error(L, "out of memory");
	csn_handle_show(all->values, &variable->handle, node);
	variable->handle.node = node;
	return node;
}

/* --- properties --- */

static bool is_character_array(struct csn_type *type)
{
	return type && type->kind == CSN_TYPE_ARRAY && csn_type_is_character(csn_type_target(type));
}

/* Pushes up to max bytes of text at an address; nil when there is none. */
static int push_text_at(lua_State *L, csn_addr address, uint64_t max)
{
	struct csn_target *target = csn_script_of(L)->all->scene->target;
	luaL_Buffer buffer;
	size_t there;
	char *bytes = luaL_buffinitsize(L, &buffer, max);

	there = csn_target_read_some(target, address, bytes, max);
	luaL_pushresultsize(&buffer, strnlen(bytes, there));
	if (!there && max)
		lua_pushnil(L);
	return 1;
}

/* The text that an array of characters holds, or a pointer to characters leads to. */
static int push_string(lua_State *L, const struct csn_script_variable *variable, uint64_t max)
{
	struct csn_type *type = csn_type_strip(variable->handle.type);
	uint64_t count, address;

	if (is_character_array(type) && variable->handle.has_address) {
		if (csn_handle_count(&variable->handle, &count))
			max = csn_min_u64(max, count);
		return push_text_at(L, variable->handle.address, max);
	}
	if (!type || type->kind != CSN_TYPE_POINTER ||
	    !csn_type_is_character(csn_type_target(type)) ||
	    !csn_handle_number(csn_script_of(L)->all->values, &variable->handle, &address))
		return 0;
	return push_text_at(L, address, max);
}

static int push_value(lua_State *L, const struct csn_script_variable *variable)
{
	struct csn_values *values = csn_script_of(L)->all->values;
	struct csn_type *type = csn_type_strip(variable->handle.type);
	uint64_t number;
	double fraction;

	if (is_character_array(type))
		return push_string(L, variable, CSN_MAX_SCRIPT_READ);
	if (csn_handle_float(values, &variable->handle, &fraction)) {
		lua_pushnumber(L, fraction);
		return 1;
	}
	if (!csn_handle_number(values, &variable->handle, &number))
		return 0;
	if (type && type->kind == CSN_TYPE_BASE && type->encoding == CSN_ENCODING_BOOL)
		lua_pushboolean(L, number != 0);
	else
		lua_pushinteger(L, (lua_Integer)number);
	return 1;
}

static int push_text(lua_State *L, struct csn_script_variable *variable)
{
	const struct csn_value_node *node = csn_variable_node(L, variable);
	luaL_Buffer buffer;
	char *text;

	if (!node->text)
		return 0;
	text = luaL_buffinitsize(L, &buffer, strlen(node->text) + 1);
	memcpy(text, node->text, strlen(node->text) + 1);
	csn_text_drop_marks(text);
	luaL_pushresultsize(&buffer, strlen(text));
	return 1;
}

enum property {
	PROPERTY_NAME,
	PROPERTY_TYPE,
	PROPERTY_ADDRESS,
	PROPERTY_VALUE,
	PROPERTY_TEXT,
	PROPERTY_SIZE,
	PROPERTY_PATH,
	PROPERTY_MISSING,
	PROPERTY_IS_POINTER,
	N_PROPERTIES,
};

static const char *const property_names[] = {
	[PROPERTY_NAME] = "name",
	[PROPERTY_TYPE] = "type",
	[PROPERTY_ADDRESS] = "address",
	[PROPERTY_VALUE] = "value",
	[PROPERTY_TEXT] = "text",
	[PROPERTY_SIZE] = "size",
	[PROPERTY_PATH] = "path",
	[PROPERTY_MISSING] = "missing",
	[PROPERTY_IS_POINTER] = "is_pointer",
};

static int push_name(lua_State *L, const struct csn_script_variable *variable)
{
	const char *path, *at;

	if (variable->handle.node && variable->handle.node->name) {
		lua_pushstring(L, variable->handle.node->name);
		return 1;
	}
	path = path_of(L, 1);
	for (at = path + strlen(path); at > path && !strchr(".>", at[-1]); at--)
		;
	lua_pushstring(L, at);
	return 1;
}

static int push_property(lua_State *L, enum property property)
{
	struct csn_script_variable *variable = csn_variable_check(L, 1);
	const struct csn_handle *handle = &variable->handle;
	struct csn_type *type = csn_type_strip(handle->type);
	const struct csn_value_node *node;
	uint64_t size_bytes;

	switch (property) {
	case PROPERTY_NAME:
		return push_name(L, variable);
	case PROPERTY_TYPE:
		lua_pushstring(L, csn_type_text(handle->type));
		return 1;
	case PROPERTY_ADDRESS:
		lua_pushinteger(L, (lua_Integer)handle->address);
		return handle->has_address;
	case PROPERTY_VALUE:
		return push_value(L, variable);
	case PROPERTY_TEXT:
		return push_text(L, variable);
	case PROPERTY_SIZE:
		if (!handle->type || !csn_type_size(handle->type, &size_bytes))
			return 0;
		lua_pushinteger(L, (lua_Integer)size_bytes);
		return 1;
	case PROPERTY_PATH:
		path_of(L, 1);
		return 1;
	case PROPERTY_MISSING:
		node = csn_variable_node(L, variable);
		lua_pushstring(L, csn_value_state_name(node->state));
		return node->state != CSN_VALUE_OK;
	default:
		lua_pushboolean(L, type && type->kind == CSN_TYPE_POINTER);
		return 1;
	}
}

/* variable:get(property) */
static int get(lua_State *L)
{
	return push_property(L, (enum property)luaL_checkoption(L, 2, NULL, property_names));
}

/* --- steps --- */

static int push_member(lua_State *L, const char *path)
{
	struct csn_script_variable *variable = csn_variable_check(L, 1);
	struct csn_handle member;

	if (!csn_handle_member(csn_script_of(L)->all->values, &variable->handle, path, &member))
		return 0;
	lua_pushfstring(L, ".%s", path);
	csn_variable_push_step(L, 1, lua_tostring(L, -1), &member);
	return 1;
}

/* variable:member(path) */
static int member(lua_State *L)
{
	return push_member(L, luaL_checkstring(L, 2));
}

static int deref(lua_State *L)
{
	struct csn_script_variable *variable = csn_variable_check(L, 1);
	struct csn_handle target;

	if (!csn_handle_deref(csn_script_of(L)->all->values, &variable->handle, &target))
		return 0;
	lua_pushfstring(L, "*%s", path_of(L, 1));
	csn_variable_push(L, variable->frame, &target);
	return 1;
}

/* variable[n]: elements are counted from 0, as the process does. */
static int push_element(lua_State *L, lua_Integer number)
{
	struct csn_script_variable *variable = csn_variable_check(L, 1);
	struct csn_handle element;

	if (number < 0 || !csn_handle_element(csn_script_of(L)->all->values, &variable->handle,
					      (uint64_t)number, &element))
		return 0;
	lua_pushfstring(L, "[%I]", (LUAI_UACINT)number);
	csn_variable_push_step(L, 1, lua_tostring(L, -1), &element);
	return 1;
}

static int type_of(lua_State *L)
{
	csn_type_push(L, csn_variable_check(L, 1)->handle.type);
	return 1;
}

/* variable:cast(type or variable): the same place, seen as another type. */
static int cast(lua_State *L)
{
	struct csn_script_variable *variable = csn_variable_check(L, 1);
	struct csn_handle handle = variable->handle;

	handle.type = csn_type_check(L, 2);
	handle.node = NULL;
	path_of(L, 1);
	csn_variable_push(L, variable->frame, &handle);
	return 1;
}

/* variable:container(type, member): the structure whose member it is. */
static int container(lua_State *L)
{
	struct csn_script_variable *variable = csn_variable_check(L, 1);
	struct csn_values *values = csn_script_of(L)->all->values;
	struct csn_handle at = variable->handle, member_at;

	at = csn_handle_at(at.frame, 0, csn_type_check(L, 2));
	if (!variable->handle.has_address ||
	    !csn_handle_member(values, &at, luaL_checkstring(L, 3), &member_at))
		return 0;
	at.address = variable->handle.address - member_at.address;
	path_of(L, 1);
	csn_variable_push(L, variable->frame, &at);
	return 1;
}

/* --- what is done with one --- */

/* variable:string([max]) */
static int string(lua_State *L)
{
	struct csn_script_variable *variable = csn_variable_check(L, 1);
	lua_Integer max = luaL_optinteger(L, 2, 4096);

	luaL_argcheck(L, max >= 0 && (uint64_t)max <= CSN_MAX_SCRIPT_READ, 2, "too much at a time");
	return push_string(L, variable, (uint64_t)max);
}

static int annotate(lua_State *L)
{
	struct csn_script_variable *variable = csn_variable_check(L, 1);
	struct csn_annotation_owner owner = { 0 };

	owner.variable = path_of(L, 1);
	lua_pop(L, 1);
	if (variable->frame) {
		owner.thread = variable->frame->thread;
		owner.has_frame = true;
		owner.frame = csn_scene_frame_number(variable->frame);
	}
	return csn_script_annotate(L, 2, &owner);
}

static int frame(lua_State *L)
{
	const struct csn_script_variable *variable = csn_variable_check(L, 1);
	const struct csn_snapshot *snapshot = csn_script_of(L)->all->snapshot;

	if (!variable->frame)
		return 0;
	csn_frame_push(L, (size_t)(variable->frame->thread - snapshot->threads),
		       csn_scene_frame_number(variable->frame));
	return 1;
}

/* A value of a frame, looked for by its place in the tree. */
struct search {
	const struct csn_value_node *wanted;
	struct csn_scene_spot found; /* n_values 0: not yet */
};

static bool match_spot(void *context, const struct csn_scene_spot *spot)
{
	struct search *search = context;

	if (!search->found.n_values && csn_scene_spot_value(spot) == search->wanted)
		search->found = *spot;
	return !search->found.n_values;
}

/* What the snapshot stores of a value; NULL: nothing. */
static struct csn_snapshot_variable *find_stored(const struct csn_script_variable *variable)
{
	struct search search = { .wanted = variable->handle.node };
	struct csn_snapshot_variable *at;
	size_t n;

	if (!variable->frame || !search.wanted)
		return NULL;
	csn_scene_walk(variable->frame, match_spot, &search);
	at = variable->frame->stored->variables;
	n = variable->frame->stored->n_variables;
	for (size_t i = 0; i < search.found.n_values; i++) {
		if (search.found.numbers[i] >= n)
			return NULL;
		if (i + 1 == search.found.n_values)
			return &at[search.found.numbers[i]];
		n = at[search.found.numbers[i]].n_parts;
		at = at[search.found.numbers[i]].parts;
	}
	return NULL;
}

/* variable:set_string(text): what the snapshot shows as its value. False for what is not stored. */
static int set_string(lua_State *L)
{
	struct csn_script *script = csn_script_of(L);
	struct csn_snapshot_variable *stored = find_stored(csn_variable_check(L, 1));
	const char *text = luaL_checkstring(L, 2);

	lua_pushboolean(L, stored != NULL);
	if (!stored)
		return 1;
	if (script->n_notes++ >= CSN_MAX_SCRIPT_NOTES)
		return luaL_error(L, "more than %d texts", (int)CSN_MAX_SCRIPT_NOTES);
	text = csn_arena_strndup(script->all->snapshot->arena, text,
				 strnlen(text, CSN_MAX_SCRIPT_TEXT));
	if (text)
		stored->value = text;
	else
		script->all->no_memory = true;
	return 1;
}

static int find_field(lua_State *L)
{
	const char *name;
	int property;

	if (lua_type(L, 2) == LUA_TNUMBER)
		return push_element(L, luaL_checkinteger(L, 2));
	name = luaL_checkstring(L, 2);
	if (csn_script_method(L, name) || push_member(L, name))
		return 1;
	for (property = 0; property < N_PROPERTIES; property++)
		if (strcmp(property_names[property], name) == 0)
			return push_property(L, (enum property)property);
	return 0;
}

/* The value as it is shown, for those who put it into a text. */
static int to_text(lua_State *L)
{
	struct csn_script_variable *variable = csn_variable_check(L, 1);

	if (!push_text(L, variable))
		path_of(L, 1);
	return 1;
}

void csn_variable_install(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "get", get },       { "member", member },
		{ "deref", deref },   { "typeof", type_of },
		{ "cast", cast },     { "container", container },
		{ "string", string }, { "annotate", annotate },
		{ "frame", frame },   { "set_string", set_string },
		{ NULL, NULL },
	};

	csn_script_class(L, class_name, methods, find_field);
	lua_getfield(L, -1, "methods");
	luaL_setfuncs(L, csn_walk_methods, 0);
	lua_pop(L, 1);
	lua_pushcfunction(L, to_text);
	lua_setfield(L, -2, "__tostring");
	lua_pop(L, 1);
}
