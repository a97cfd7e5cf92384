/* The backtrace: all of the process that is stored, and the way to what is not. */
#include <string.h>

#include "dwarf/named.h"
#include "modules/script_internal.h"
#include "symbols/lookup.h"

static const char class_name[] = "pmodule.backtrace";

void csn_bt_push(lua_State *L)
{
	lua_newuserdatauv(L, 1, 0);
	luaL_setmetatable(L, class_name);
}

static struct csn_scripts *check(lua_State *L)
{
	struct csn_scripts *all = csn_script_of(L)->all;

	luaL_checkudata(L, 1, class_name);
	if (!all->scene)
		luaL_error(L, "there is nothing to look at before attach");
	csn_script_check_time(L);
	return all;
}

/* --- threads --- */

/* for thread in bt do: (bt, nil, the thread before). */
static int next_thread(lua_State *L)
{
	struct csn_scripts *all = check(L);
	size_t next = 0;

	if (!lua_isnoneornil(L, 3)) {
		lua_getfield(L, 3, "index");
		next = (size_t)luaL_checkinteger(L, -1);
	}
	if (next >= all->snapshot->n_threads)
		return 0;
	csn_thread_push(L, next);
	return 1;
}

static int threads(lua_State *L)
{
	check(L);
	lua_settop(L, 1);
	return 1;
}

/* bt:thread([tid]): by its number, or the one that faulted. */
static int find_thread(lua_State *L)
{
	struct csn_scripts *all = check(L);
	lua_Integer tid = luaL_optinteger(L, 2, -1);

	for (size_t i = 0; i < all->snapshot->n_threads; i++) {
		const struct csn_snapshot_thread *thread = &all->snapshot->threads[i];

		if (lua_isnoneornil(L, 2) ? !thread->fault : thread->tid != tid)
			continue;
		csn_thread_push(L, i);
		return 1;
	}
	return 0;
}

/* --- variables --- */

/* A match of what a table asks for: object, cu, name. Pushes it. */
static void push_filter(lua_State *L, int index)
{
	static const struct {
		const char *field, *adder;
	} rows[] = {
		{ "object", "add_object" },
		{ "cu", "add_file" },
		{ "name", "add_variable_name" },
	};
	bool given = !lua_isnoneornil(L, index);

	if (given)
		luaL_checktype(L, index, LUA_TTABLE);
	csn_match_new(L);
	for (size_t i = 0; given && i < csn_countof(rows); i++) {
		if (lua_getfield(L, index, rows[i].field) == LUA_TNIL) {
			lua_pop(L, 1);
			continue;
		}
		lua_getfield(L, -2, rows[i].adder);
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -3);
		lua_call(L, 2, 0);
		lua_pop(L, 1);
	}
}

/* The next variable of frames that matches; up-values: match, frame, variable, last frame. */
static int next_variable(lua_State *L)
{
	struct csn_scripts *all = csn_script_of(L)->all;
	const struct csn_script_match *match = csn_match_check(L, lua_upvalueindex(1));
	size_t frame = (size_t)lua_tointeger(L, lua_upvalueindex(2));
	size_t variable = (size_t)lua_tointeger(L, lua_upvalueindex(3));
	size_t end = (size_t)lua_tointeger(L, lua_upvalueindex(4));

	csn_script_check_time(L);
	for (; frame < end; frame++, variable = 0) {
		const struct csn_scene_frame *at = &all->scene->frames[frame];

		for (; variable < at->n_values; variable++) {
			struct csn_scene_spot spot = { .frame = at,
						       .values = { &at->values[variable] },
						       .numbers = { variable },
						       .n_values = 1 };
			struct csn_match_subject subject = { at->thread, at->stored,
							     spot.values[0] };

			if (!csn_match_holds(match, &subject))
				continue;
			lua_pushinteger(L, (lua_Integer)frame);
			lua_replace(L, lua_upvalueindex(2));
			lua_pushinteger(L, (lua_Integer)variable + 1);
			lua_replace(L, lua_upvalueindex(3));
			csn_variable_push_spot(L, &spot);
			return 1;
		}
	}
	return 0;
}

void csn_variables_push(lua_State *L, int filter, size_t first, size_t n)
{
	push_filter(L, filter);
	lua_pushinteger(L, (lua_Integer)first);
	lua_pushinteger(L, 0);
	lua_pushinteger(L, (lua_Integer)first + (lua_Integer)n);
	lua_pushcclosure(L, next_variable, 4);
}

static int variables(lua_State *L)
{
	csn_variables_push(L, 2, 0, check(L)->scene->n_frames);
	return 1;
}

/* --- symbols, globals, types --- */

/* bt:symbol(name): its address and size. */
static int symbol(lua_State *L)
{
	struct csn_scripts *all = check(L);
	const char *name = luaL_checkstring(L, 2);
	csn_addr address;
	uint64_t size_bytes;

	if (!all->scene->modules ||
	    !csn_lookup_address(all->scene->modules, NULL, name, &address, &size_bytes))
		return 0;
	lua_pushinteger(L, (lua_Integer)address);
	lua_pushinteger(L, (lua_Integer)size_bytes);
	return 2;
}

/* bt:symbol_at(address): the name of what is there, how far behind its start, and its object. */
static int symbol_at(lua_State *L)
{
	struct csn_scripts *all = check(L);
	struct csn_lookup lookup = { .pc = csn_check_u64(L, 2) };

	if (!all->scene->modules ||
	    csn_lookup_symbols(all->arena, all->scene->modules, &lookup, 1, NULL) < 0 ||
	    !lookup.symbol)
		return 0;
	lua_pushstring(L, lookup.symbol->name);
	lua_pushinteger(L, (lua_Integer)(lookup.pc - lookup.symbol->start));
	lua_pushstring(L, lookup.module ? lookup.module->path : NULL);
	return 3;
}

/* A place in the program whose unit is looked into: that of a function, by its symbol. NULL: there
 * is no such, or nothing is known about it. */
static struct csn_value_frame *place_of(struct csn_scripts *all, const char *function)
{
	struct csn_value_frame *frame = csn_arena_alloc(all->arena, sizeof(*frame));
	struct csn_modules *modules = all->scene->modules;
	struct csn_dwarf *dwarf;
	uint64_t size_bytes;

	if (!frame || !modules ||
	    !csn_lookup_address(modules, NULL, function, &frame->pc, &size_bytes))
		return NULL;
	frame->thread = &all->nobody;
	frame->exact = true;
	frame->module = csn_modules_find(modules, frame->pc);
	dwarf = frame->module ? csn_module_dwarf(frame->module) : NULL;
	if (!dwarf)
		return NULL;
	frame->scope.address = frame->pc - frame->module->bias;
	if (csn_dwarf_find_scopes(all->arena, dwarf, &frame->scope, 1, NULL) < 0)
		return NULL;
	return frame->scope.unit ? frame : NULL;
}

/* Places of which each has another unit: that of one function, or those of all frames. */
struct places {
	struct csn_scripts *all;
	struct csn_value_frame *only;
	size_t next;
	const struct csn_unit *before; /* frames of one unit mostly stand together */
};

static struct csn_value_frame *next_place(struct places *places)
{
	const struct csn_scene *scene = places->all->scene;
	struct csn_value_frame *frame = places->only;

	places->only = NULL;
	while (!frame && places->next < scene->n_frames) {
		frame = scene->frames[places->next++].frame;
		if (!frame->scope.unit || frame->scope.unit == places->before)
			frame = NULL;
	}
	places->before = frame ? frame->scope.unit : NULL;
	return frame;
}

/* Arguments: name and, if given, a function whose unit it is in. False: there is no such function.
 */
static bool begin_places(lua_State *L, struct csn_scripts *all, struct places *ret_places)
{
	*ret_places = (struct places){ .all = all };
	if (lua_isnoneornil(L, 3))
		return true;
	ret_places->only = place_of(all, luaL_checkstring(L, 3));
	ret_places->next = all->scene->n_frames;
	return ret_places->only != NULL;
}

/* The main program's, for what no unit of a stack knows; NULL. */
static struct csn_dwarf *main_dwarf(struct csn_scripts *all, struct csn_module **ret_module)
{
	*ret_module = all->scene->modules ? csn_modules_main(all->scene->modules) : NULL;
	return *ret_module ? csn_module_dwarf(*ret_module) : NULL;
}

struct global_search {
	const char *name;
	struct csn_type_link found;
};

static bool is_wanted(void *context, const char *name)
{
	return strcmp(((struct global_search *)context)->name, name) == 0;
}

static bool take_global(void *context, const struct csn_global *found)
{
	((struct global_search *)context)->found = found->entry;
	return false;
}

static bool find_main_global(struct csn_scripts *all, const char *name,
			     struct csn_handle *ret_handle)
{
	struct csn_value_frame *frame = csn_arena_alloc(all->arena, sizeof(*frame));
	struct global_search search = { .name = name };
	const struct csn_globals_query globals = { is_wanted, take_global, &search };
	struct csn_variable variable;
	struct csn_dwarf *dwarf;

	if (!frame)
		return false;
	dwarf = main_dwarf(all, &frame->module);
	if (!dwarf)
		return false;
	frame->thread = &all->nobody;
	csn_dwarf_each_global(dwarf, &globals);
	return csn_variable_read(&search.found, 0, &variable) &&
	       csn_handle_of_variable(all->values, frame, &variable, ret_handle);
}

/* bt:global(name [, function]) */
static int global(lua_State *L)
{
	struct csn_scripts *all = check(L);
	const char *name = luaL_checkstring(L, 2);
	struct csn_value_frame *frame;
	struct csn_variable variable;
	struct csn_handle handle;
	struct places places;

	if (!begin_places(L, all, &places))
		return 0;
	while ((frame = next_place(&places))) {
		csn_script_check_time(L);
		if (!csn_unit_find_variable(frame->scope.unit, name, &variable) ||
		    !csn_handle_of_variable(all->values, frame, &variable, &handle))
			continue;
		lua_pushvalue(L, 2);
		csn_variable_push(L, NULL, &handle);
		return 1;
	}
	if (!lua_isnoneornil(L, 3) || !find_main_global(all, name, &handle))
		return 0;
	lua_pushvalue(L, 2);
	csn_variable_push(L, NULL, &handle);
	return 1;
}

/* bt:type(name [, function]) */
static int type(lua_State *L)
{
	struct csn_scripts *all = check(L);
	const char *name = luaL_checkstring(L, 2);
	struct csn_value_frame *frame;
	struct csn_module *module;
	struct csn_dwarf *dwarf;
	struct csn_type *found;
	struct places places;

	if (!begin_places(L, all, &places))
		return 0;
	while ((frame = next_place(&places))) {
		csn_script_check_time(L);
		found = csn_unit_find_type(frame->scope.unit, name);
		if (!found)
			continue;
		csn_type_push(L, found);
		return 1;
	}
	dwarf = lua_isnoneornil(L, 3) ? main_dwarf(all, &module) : NULL;
	found = dwarf ? csn_type_find_named(dwarf, NULL, name) : NULL;
	if (!found)
		return 0;
	csn_type_push(L, found);
	return 1;
}

/* bt:query(name [, object [, cu]]): a variable of the frames, else a global one. */
static int query(lua_State *L)
{
	check(L);
	luaL_checkstring(L, 2);
	lua_settop(L, 4);
	lua_createtable(L, 0, 3);
	for (int i = 2; i <= 4; i++) {
		lua_pushvalue(L, i);
		lua_setfield(L, 5, i == 2 ? "name" : i == 3 ? "object" : "cu");
	}
	csn_variables_push(L, 5, 0, csn_script_of(L)->all->scene->n_frames);
	lua_call(L, 0, 1);
	if (!lua_isnil(L, -1))
		return 1;
	lua_settop(L, 2);
	return global(L);
}

/* --- what there is to know and to say --- */

static int process_state(lua_State *L)
{
	struct csn_scripts *all = check(L);

	lua_pushstring(L, all->snapshot->fault.present ? "crashed"
			  : all->scene->target->live   ? "running"
						       : "stopped");
	return 1;
}

int csn_siginfo_push(lua_State *L)
{
	const struct csn_snapshot_fault *fault = &csn_script_of(L)->all->snapshot->fault;

	if (!fault->present)
		return 0;
	lua_newtable(L);
	lua_pushinteger(L, fault->signal);
	lua_setfield(L, -2, "num");
	lua_pushinteger(L, fault->code);
	lua_setfield(L, -2, "code");
	lua_pushstring(L, fault->code_name ? fault->code_name : fault->signal_name);
	lua_setfield(L, -2, "reason");
	lua_pushboolean(L, fault->has_address);
	lua_setfield(L, -2, "address_populated");
	lua_pushinteger(L, fault->has_address ? (lua_Integer)fault->address : 0);
	lua_setfield(L, -2, "address");
	return 1;
}

static int siginfo(lua_State *L)
{
	check(L);
	return csn_siginfo_push(L);
}

static int add_kv_int(lua_State *L)
{
	check(L);
	csn_script_set(L, &(struct csn_snapshot_attribute){ .name = luaL_checkstring(L, 2),
							    .kind = CSN_VALUE_INT,
							    .int_ = luaL_checkinteger(L, 3) });
	return 0;
}

static int add_kv_string(lua_State *L)
{
	check(L);
	csn_script_set(L, &(struct csn_snapshot_attribute){ .name = luaL_checkstring(L, 2),
							    .kind = CSN_VALUE_STRING,
							    .string = luaL_checkstring(L, 3) });
	return 0;
}

static int add_classifier(lua_State *L)
{
	check(L);
	csn_script_classify(L, luaL_checkstring(L, 2));
	return 0;
}

static int annotate(lua_State *L)
{
	check(L);
	return csn_script_annotate(L, 2, NULL);
}

/* bt:attribute(name): what is known already; all of it in postattach. */
static int attribute(lua_State *L)
{
	const struct csn_snapshot_attribute *found =
		csn_snapshot_find_attribute(check(L)->snapshot, luaL_checkstring(L, 2));

	if (!found)
		return 0;
	switch (found->kind) {
	case CSN_VALUE_STRING:
		lua_pushstring(L, found->string);
		return 1;
	case CSN_VALUE_DOUBLE:
		lua_pushnumber(L, found->double_);
		return 1;
	case CSN_VALUE_BOOL:
		lua_pushboolean(L, found->bool_);
		return 1;
	default:
		lua_pushinteger(L, found->int_);
		return 1;
	}
}

static int find_field(lua_State *L)
{
	struct csn_scripts *all;
	const char *name = luaL_checkstring(L, 2);

	if (csn_script_method(L, name))
		return 1;
	all = check(L);
	switch (luaL_checkoption(L, 2, NULL,
				 (const char *const[]){ "pid", "arch", "live", NULL })) {
	case 0:
		lua_pushinteger(L, all->scene->target->process.pid);
		return 1;
	case 1:
		lua_pushstring(L, all->scene->target->arch->name);
		return 1;
	default:
		lua_pushboolean(L, all->scene->target->live);
		return 1;
	}
}

void csn_bt_install(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "threads", threads },
		{ "thread", find_thread },
		{ "variables", variables },
		{ "query", query },
		{ "global", global },
		{ "type", type },
		{ "symbol", symbol },
		{ "symbol_at", symbol_at },
		{ "process_state", process_state },
		{ "siginfo", siginfo },
		{ "attribute", attribute },
		{ "add_kv_int", add_kv_int },
		{ "add_kv_string", add_kv_string },
		{ "add_classifier", add_classifier },
		{ "annotate", annotate },
		{ NULL, NULL },
	};

	csn_script_class(L, class_name, methods, find_field);
	lua_pushcfunction(L, next_thread);
	lua_setfield(L, -2, "__call");
	lua_pop(L, 1);
}
