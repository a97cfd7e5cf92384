/* Types, as Lua has them. */
#include "modules/script_internal.h"

static const char class_name[] = "pmodule.type";

struct type_object {
	struct csn_type *type; /* NULL void */
};

void csn_type_push(lua_State *L, struct csn_type *type)
{
	struct type_object *object = lua_newuserdatauv(L, sizeof(*object), 0);

	object->type = type;
	luaL_setmetatable(L, class_name);
}

/* A variable stands for its type. */
struct csn_type *csn_type_check(lua_State *L, int index)
{
	struct type_object *object = luaL_testudata(L, index, class_name);

	return object ? object->type : csn_variable_check(L, index)->handle.type;
}

/* type:target(): what it points to or is an array of. */
static int target(lua_State *L)
{
	struct csn_type *type = csn_type_strip(csn_type_check(L, 1));

	if (!type || !type->target.unit)
		return 0;
	csn_type_push(L, csn_type_target(type));
	return 1;
}

/* type:fields(): an array of { name, offset, type } of the fields. */
static int fields(lua_State *L)
{
	struct csn_type *type = csn_type_strip(csn_type_check(L, 1));
	lua_Integer n = 0;

	csn_script_check_time(L);
	lua_newtable(L);
	if (!type)
		return 1;
	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_members; i++) {
		const struct csn_type_member *member = &type->members[i];

		if (member->kind != CSN_MEMBER_FIELD)
			continue;
		lua_newtable(L);
		lua_pushstring(L, member->name);
		lua_setfield(L, -2, "name");
		lua_pushinteger(L, (lua_Integer)member->offset_bytes);
		lua_setfield(L, -2, "offset");
		csn_type_push(L, member->type);
		lua_setfield(L, -2, "type");
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

/* type:enumerators(): a table from values to names. */
static int enumerators(lua_State *L)
{
	struct csn_type *type = csn_type_strip(csn_type_check(L, 1));

	csn_script_check_time(L);
	lua_newtable(L);
	if (!type)
		return 1;
	csn_type_read_parts(type);
	for (size_t i = 0; i < type->n_enumerators; i++) {
		lua_pushstring(L, type->enumerators[i].name);
		lua_rawseti(L, -2, type->enumerators[i].value);
	}
	return 1;
}

static int find_field(lua_State *L)
{
	struct csn_type *type = csn_type_check(L, 1);
	const char *name = luaL_checkstring(L, 2);
	uint64_t size_bytes;

	if (csn_script_method(L, name))
		return 1;
	switch (luaL_checkoption(L, 2, NULL, (const char *const[]){ "name", "size", NULL })) {
	case 0:
		lua_pushstring(L, csn_type_text(type));
		return 1;
	default:
		if (!type || !csn_type_size(type, &size_bytes))
			return 0;
		lua_pushinteger(L, (lua_Integer)size_bytes);
		return 1;
	}
}

void csn_type_install(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "target", target },
		{ "fields", fields },
		{ "enumerators", enumerators },
		{ NULL, NULL },
	};

	csn_script_class(L, class_name, methods, find_field);
	lua_pop(L, 1);
}
