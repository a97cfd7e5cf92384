/* Threads and frames, as Lua has them: numbers of what the snapshot stores. */
#include <string.h>

#include "modules/script_internal.h"

static const char thread_class[] = "pmodule.thread";
static const char frame_class[] = "pmodule.frame";

struct place {
	size_t thread, frame;
};

static void push(lua_State *L, const char *class_name, size_t thread, size_t frame)
{
	struct place *place = lua_newuserdatauv(L, sizeof(*place), 0);

	*place = (struct place){ thread, frame };
	luaL_setmetatable(L, class_name);
}

void csn_thread_push(lua_State *L, size_t thread)
{
	push(L, thread_class, thread, 0);
}

void csn_frame_push(lua_State *L, size_t thread, size_t frame)
{
	push(L, frame_class, thread, frame);
}

static const struct csn_snapshot_thread *check_thread(lua_State *L, size_t *ret_number)
{
	const struct place *place = luaL_checkudata(L, 1, thread_class);

	csn_script_check_time(L);
	*ret_number = place->thread;
	return &csn_script_of(L)->all->snapshot->threads[place->thread];
}

static const struct csn_snapshot_frame *check_frame(lua_State *L, struct place *ret_place)
{
	const struct place *place = luaL_checkudata(L, 1, frame_class);

	csn_script_check_time(L);
	*ret_place = *place;
	return &csn_script_of(L)->all->snapshot->threads[place->thread].frames[place->frame];
}

const struct csn_scene_frame *csn_frame_scene(const struct csn_scripts *scripts, size_t thread,
					      size_t frame)
{
	const struct csn_script_span *span = &scripts->spans[thread];

	for (size_t i = 0; i < span->n; i++) {
		const struct csn_scene_frame *at = &scripts->scene->frames[span->first + i];

		if (csn_scene_frame_number(at) == frame)
			return at;
	}
	return NULL;
}

/* --- threads --- */

/* for frame in thread do: (thread, nil, the frame before). */
static int next_frame(lua_State *L)
{
	size_t number, next = 0;
	const struct csn_snapshot_thread *thread = check_thread(L, &number);

	if (!lua_isnoneornil(L, 3))
		next = ((struct place *)luaL_checkudata(L, 3, frame_class))->frame + 1;
	if (next >= thread->n_frames)
		return 0;
	csn_frame_push(L, number, next);
	return 1;
}

static int frames(lua_State *L)
{
	size_t number;

	check_thread(L, &number);
	lua_settop(L, 1);
	return 1;
}

/* thread:frame(number), the innermost is 0. */
static int find_frame(lua_State *L)
{
	size_t number;
	const struct csn_snapshot_thread *thread = check_thread(L, &number);
	lua_Integer wanted = luaL_checkinteger(L, 2);

	if (wanted < 0 || (uint64_t)wanted >= thread->n_frames)
		return 0;
	csn_frame_push(L, number, (size_t)wanted);
	return 1;
}

static int thread_variables(lua_State *L)
{
	size_t number;
	const struct csn_script_span *span;

	check_thread(L, &number);
	span = &csn_script_of(L)->all->spans[number];
	csn_variables_push(L, 2, span->first, span->n);
	return 1;
}

static int annotate_thread(lua_State *L)
{
	struct csn_annotation_owner owner = { 0 };
	size_t number;

	owner.thread = check_thread(L, &number);
	return csn_script_annotate(L, 2, &owner);
}

static int thread_siginfo(lua_State *L)
{
	size_t number;

	return check_thread(L, &number)->fault ? csn_siginfo_push(L) : 0;
}

static int thread_index(lua_State *L)
{
	static const char *const names[] = { "tid", "name", "fault", "state", "index", NULL };
	const struct csn_snapshot_thread *thread;
	const char *name = luaL_checkstring(L, 2);
	size_t number;

	if (csn_script_method(L, name))
		return 1;
	thread = check_thread(L, &number);
	switch (luaL_checkoption(L, 2, NULL, names)) {
	case 0:
		lua_pushinteger(L, thread->tid);
		return 1;
	case 1:
		lua_pushstring(L, thread->name);
		return 1;
	case 2:
		lua_pushboolean(L, thread->fault);
		return 1;
	case 3:
		lua_pushstring(L, thread->state);
		return 1;
	default:
		lua_pushinteger(L, (lua_Integer)number + 1);
		return 1;
	}
}

/* --- frames --- */

static void push_frame_variables(lua_State *L, const struct place *place)
{
	const struct csn_scripts *all = csn_script_of(L)->all;
	const struct csn_scene_frame *frame = csn_frame_scene(all, place->thread, place->frame);
	size_t first = frame ? (size_t)(frame - all->scene->frames) : 0;

	csn_variables_push(L, 2, first, frame ? 1 : 0);
}

static int frame_variables(lua_State *L)
{
	struct place place;

	check_frame(L, &place);
	push_frame_variables(L, &place);
	return 1;
}

/* frame:fprm(): its parameters, in an array. */
static int parameters(lua_State *L)
{
	struct place place;
	const struct csn_scene_frame *frame;
	lua_Integer n = 0;

	check_frame(L, &place);
	frame = csn_frame_scene(csn_script_of(L)->all, place.thread, place.frame);
	lua_newtable(L);
	for (size_t i = 0; frame && i < frame->n_values; i++) {
		struct csn_scene_spot spot = { .frame = frame,
					       .values = { &frame->values[i] },
					       .numbers = { i },
					       .n_values = 1 };

		if (frame->values[i].role != CSN_ROLE_PARAMETER)
			continue;
		csn_variable_push_spot(L, &spot);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

/* frame:variable(name) */
static int find_variable(lua_State *L)
{
	struct place place;

	check_frame(L, &place);
	luaL_checkstring(L, 2);
	lua_createtable(L, 0, 1);
	lua_pushvalue(L, 2);
	lua_setfield(L, -2, "name");
	lua_replace(L, 2);
	push_frame_variables(L, &place);
	lua_call(L, 0, 1);
	return 1;
}

/* frame:register(name): what it held in this frame. */
static int find_register(lua_State *L)
{
	const struct csn_scripts *all = csn_script_of(L)->all;
	const char *name = luaL_checkstring(L, 2);
	const struct csn_arch *arch = all->scene->target->arch;
	const struct csn_scene_frame *frame;
	struct place place;

	check_frame(L, &place);
	frame = csn_frame_scene(all, place.thread, place.frame);
	for (unsigned i = 0; frame && i < arch->n_registers; i++) {
		if (strcmp(arch->registers[i].name, name) != 0 ||
		    !csn_register_known(&frame->frame->registers, i))
			continue;
		lua_pushinteger(L, (lua_Integer)frame->frame->registers.value[i]);
		return 1;
	}
	return 0;
}

static int annotate_frame(lua_State *L)
{
	struct place place;
	struct csn_annotation_owner owner = { .has_frame = true };

	check_frame(L, &place);
	owner.thread = &csn_script_of(L)->all->snapshot->threads[place.thread];
	owner.frame = place.frame;
	return csn_script_annotate(L, 2, &owner);
}

static int frame_siginfo(lua_State *L)
{
	struct place place;

	return check_frame(L, &place)->faulted ? csn_siginfo_push(L) : 0;
}

static int frame_thread(lua_State *L)
{
	struct place place;

	check_frame(L, &place);
	csn_thread_push(L, place.thread);
	return 1;
}

static int frame_index(lua_State *L)
{
	static const char *const names[] = { "func",    "object",  "file",   "line",
					     "address", "offset",  "number", "kind",
					     "faulted", "inlined", NULL };
	const struct csn_snapshot_frame *frame;
	const char *name = luaL_checkstring(L, 2);
	struct place place;

	if (csn_script_method(L, name))
		return 1;
	frame = check_frame(L, &place);
	switch (luaL_checkoption(L, 2, NULL, names)) {
	case 0:
		lua_pushstring(L, frame->function);
		return 1;
	case 1:
		lua_pushstring(L, frame->library);
		return 1;
	case 2:
		lua_pushstring(L, frame->source_path);
		return 1;
	case 3:
		lua_pushinteger(L, frame->line);
		return 1;
	case 4:
		lua_pushinteger(L, (lua_Integer)frame->address);
		return 1;
	case 5:
		lua_pushinteger(L, (lua_Integer)frame->offset);
		return 1;
	case 6:
		lua_pushinteger(L, (lua_Integer)place.frame);
		return 1;
	case 7:
		lua_pushstring(L, csn_frame_kind_name(frame->kind));
		return 1;
	case 8:
		lua_pushboolean(L, frame->faulted);
		return 1;
	default:
		lua_pushboolean(L, frame->inlined);
		return 1;
	}
}

void csn_frame_install(lua_State *L)
{
	static const luaL_Reg thread_methods[] = {
		{ "frames", frames },
		{ "frame", find_frame },
		{ "variables", thread_variables },
		{ "annotate", annotate_thread },
		{ "siginfo", thread_siginfo },
		{ NULL, NULL },
	};
	static const luaL_Reg frame_methods[] = {
		{ "variables", frame_variables }, { "variable", find_variable },
		{ "fprm", parameters },           { "register", find_register },
		{ "annotate", annotate_frame },   { "siginfo", frame_siginfo },
		{ "thread", frame_thread },       { NULL, NULL },
	};

	csn_script_class(L, thread_class, thread_methods, thread_index);
	lua_pushcfunction(L, next_frame);
	lua_setfield(L, -2, "__call");
	csn_script_class(L, frame_class, frame_methods, frame_index);
	lua_pop(L, 2);
}
