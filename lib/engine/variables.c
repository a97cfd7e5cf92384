/* Values of variables, into the frames that were stored and the scene that analyses look at.
 *
 * The stacks are walked once more, which costs little: the unwinder keeps its rules. So the
 * registers of every frame are at hand without being kept for all frames of all threads. Frames of
 * the system's libraries have their variables left out. */
#include <string.h>

#include "base/clock.h"
#include "engine/engine_internal.h"
#include "values/values.h"

/* Innermost frames of a thread of which only the parameters are looked at. */
#define CSN_ARGUMENT_FRAMES 8u

static const struct csn_engine_values default_values = CSN_ENGINE_VALUES_DEFAULT;

/* A frame to be filled. */
struct csn_filled {
	struct csn_value_frame frame;
	struct csn_snapshot_thread *thread;
	struct csn_snapshot_frame *stored; /* its innermost inlined function, or itself */
	size_t n_stored;
	bool wanted, parameters_only;
};

struct csn_filling {
	struct csn_engine *engine;
	struct csn_values *values; /* the engine's */
	struct csn_filled **filled;
	struct csn_value_frame **frames; /* those that are wanted */
	size_t n_filled, capacity, n_frames;
	const struct csn_engine_values *limits;
	bool frames_cut; /* of a thread in full there were more */
};

/* Belongs to the system, not to the program. */
static bool csn_is_system(const struct csn_module *module)
{
	static const char *const folders[] = { "/lib/",       "/lib64/",     "/lib32/",
					       "/usr/lib/",   "/usr/lib64/", "/usr/lib32/",
					       "/usr/libx32/" };

	if (module->is_main)
		return false;
	for (size_t i = 0; i < csn_countof(folders); i++)
		if (strncmp(module->path, folders[i], strlen(folders[i])) == 0)
			return true;
	return module->is_vdso;
}

bool csn_engine_wants_values(const struct csn_engine_options *options,
			     const struct csn_module *module)
{
	for (size_t i = 0; i < options->n_load; i++) {
		size_t length = strlen(options->load[i]);

		if (length ? strncmp(module->path, options->load[i], length) == 0 ||
				     strncmp(module->name, options->load[i], length) == 0
			   : options->n_load == 1)
			return length > 0;
	}
	return !csn_is_system(module);
}

static struct csn_filled *csn_add_frame(struct csn_filling *filling)
{
	struct csn_arena *arena = filling->engine->snapshot->arena;
	struct csn_filled *frame = csn_arena_alloc(arena, sizeof(*frame)), **grown;

	grown = csn_arena_grow(arena, filling->filled, filling->n_filled, &filling->capacity,
			       sizeof(void *));
	if (!frame || !grown)
		return NULL;
	filling->filled = grown;
	grown[filling->n_filled++] = frame;
	return frame;
}

/* The frame that is really there behind those inlined in it and those that tail calls left. */
static struct csn_snapshot_frame *csn_next_physical(const struct csn_snapshot_thread *stored,
						    size_t *at, size_t *ret_first)
{
	*ret_first = *at;
	for (; *at < stored->n_frames; ++*at) {
		struct csn_snapshot_frame *frame = &stored->frames[*at];

		if (frame->kind == CSN_FRAME_TAIL)
			*ret_first = *at + 1;
		else if (!frame->inlined)
			return &stored->frames[(*at)++];
	}
	return NULL;
}

/* Takes the frames of one thread with their registers, from the innermost on. */
static int csn_take_thread(struct csn_filling *filling, const struct csn_thread *thread,
			   struct csn_snapshot_thread *stored, bool full, struct csn_error *err)
{
	struct csn_engine *engine = filling->engine;
	size_t max = CSN_ARGUMENT_FRAMES, at = 0, first, n;
	struct csn_filled *callee = NULL, *frame;
	struct csn_snapshot_frame *physical;
	struct csn_unwind_cursor cursor;

	if (full)
		max = filling->limits->frames ? filling->limits->frames : SIZE_MAX;
	csn_unwind_begin(&cursor, engine->unwinder, &thread->registers);
	for (n = 0;; n++) {
		physical = csn_next_physical(stored, &at, &first);
		if (!physical)
			return 0;
		if (n >= max || filling->n_filled >= CSN_MAX_VALUE_FRAMES ||
		    physical->address != cursor.pc) {
			filling->frames_cut |= full;
			return 0;
		}
		frame = csn_add_frame(filling);
		if (!frame)
			return csn_fail_nomem(err);
		frame->thread = stored;
		frame->frame.thread = thread;
		frame->frame.module = cursor.module;
		frame->frame.pc = cursor.pc;
		frame->frame.exact = cursor.exact;
		frame->frame.innermost = n == 0;
		frame->frame.registers = cursor.registers;
		frame->stored = &stored->frames[first];
		frame->n_stored = (size_t)(physical - frame->stored) + 1;
		frame->parameters_only = !full;
		frame->wanted = engine->options->variables != CSN_VARIABLES_NONE && cursor.module &&
				!cursor.signal_frame &&
				csn_engine_wants_values(engine->options, cursor.module);
		if (callee)
			callee->frame.caller = &frame->frame;
		/* A signal comes between: it leaves no register alone, and saves all. */
		if (callee && !cursor.exact)
			frame->frame.callee = &callee->frame;
		callee = frame;
		if (!csn_unwind_next(&cursor))
			return 0;
	}
	return 0;
}

/* Values of one frame's functions; *ret_values has one list for each. */
struct csn_function_values {
	struct csn_value_node *values;
	size_t count;
};

static int csn_fill_frame(struct csn_filling *filling, struct csn_filled *frame,
			  struct csn_function_values *lists, struct csn_error *err)
{
	size_t n = frame->frame.scope.n_functions;
	int rc = 0;

	/* Inlined functions that the stack does not show have none to show them in. */
	if (n != frame->n_stored && n)
		return csn_values_of_function(filling->values, &frame->frame, n - 1,
					      frame->parameters_only,
					      &lists[frame->n_stored - 1].values,
					      &lists[frame->n_stored - 1].count, err);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = csn_values_of_function(filling->values, &frame->frame, i,
					    frame->parameters_only, &lists[i].values,
					    &lists[i].count, err);
	return rc;
}

static int csn_store_frame_values(struct csn_filling *filling, struct csn_filled *frame,
				  const struct csn_function_values *lists, struct csn_error *err)
{
	struct csn_arena *arena = filling->engine->snapshot->arena;

	for (size_t i = 0; i < frame->n_stored; i++) {
		struct csn_snapshot_frame *stored = &frame->stored[i];

		if (!lists[i].count)
			continue;
		stored->variables = csn_values_store(arena, lists[i].values, lists[i].count);
		if (!stored->variables)
			return csn_fail_nomem(err);
		stored->n_variables = (uint32_t)lists[i].count;
	}
	return 0;
}

/* *ret_lists: for each frame taken, a list for each of its functions; in the snapshot's arena. */
static int csn_fill_all(struct csn_filling *filling, struct csn_function_values ***ret_lists,
			struct csn_error *err)
{
	struct csn_arena *arena = filling->engine->snapshot->arena;
	struct csn_function_values **lists =
		csn_arena_array(arena, filling->n_filled + 1, sizeof(void *));
	int rc = 0;

	if (!lists)
		return csn_fail_nomem(err);

	for (size_t i = 0; i < filling->n_filled && rc == 0; i++) {
		struct csn_filled *frame = filling->filled[i];

		lists[i] = csn_arena_array(arena, frame->n_stored, sizeof(**lists));
		if (!lists[i])
			return csn_fail_nomem(err);
		if (frame->wanted && !csn_values_used_up(filling->values))
			rc = csn_fill_frame(filling, frame, lists[i], err);
	}
	if (rc == 0)
		rc = csn_values_name_pointers(filling->values, err);
	for (size_t i = 0; i < filling->n_filled && rc == 0; i++)
		rc = csn_store_frame_values(filling, filling->filled[i], lists[i], err);
	*ret_lists = lists;
	return rc;
}

static int csn_find_scopes(struct csn_filling *filling, struct csn_error *err)
{
	struct csn_arena *arena = filling->engine->snapshot->arena;
	struct csn_value_frame **frames =
		csn_arena_array(arena, filling->n_filled + 1, sizeof(void *));
	size_t n = 0;

	if (!frames)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < filling->n_filled; i++)
		if (filling->filled[i]->wanted)
			frames[n++] = &filling->filled[i]->frame;
	return csn_values_find_scopes(filling->values, frames, n, err);
}

static int csn_take_threads(struct csn_filling *filling, struct csn_error *err)
{
	struct csn_engine *engine = filling->engine;
	enum csn_engine_variables variables = engine->options->variables;
	int rc = 0;

	for (size_t i = 0; i < engine->snapshot->n_threads && rc == 0; i++) {
		struct csn_snapshot_thread *stored = &engine->snapshot->threads[i];
		const struct csn_thread *thread =
			csn_target_find_thread(engine->target, stored->tid);

		/* Analyses look at the frames of the one that faulted in any case. */
		if (thread && (stored->fault || variables >= CSN_VARIABLES_ARGUMENTS))
			rc = csn_take_thread(filling, thread, stored,
					     stored->fault || variables == CSN_VARIABLES_ALL, err);
	}
	return rc;
}

/* All frames that were taken, as they are stored, one for each inlined function. */
static int csn_set_scene(struct csn_filling *filling, struct csn_function_values *const *lists,
			 struct csn_error *err)
{
	struct csn_engine *engine = filling->engine;
	struct csn_scene *scene = &engine->scene;
	size_t n = 0;

	for (size_t i = 0; i < filling->n_filled; i++)
		n += filling->filled[i]->n_stored;
	scene->frames = csn_arena_array(engine->snapshot->arena, n + 1, sizeof(*scene->frames));
	if (!scene->frames)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < filling->n_filled; i++) {
		struct csn_filled *frame = filling->filled[i];

		for (size_t k = 0; k < frame->n_stored; k++)
			scene->frames[scene->n_frames++] = (struct csn_scene_frame){
				.thread = frame->thread,
				.stored = &frame->stored[k],
				.frame = &frame->frame,
				.values = lists[i][k].values,
				.n_values = lists[i][k].count,
			};
	}
	return 0;
}

static struct csn_value_budget csn_budget_of(const struct csn_engine_values *limits,
					     int64_t deadline_ns)
{
	struct csn_value_budget budget = { .elements = limits->elements,
					   .depth = limits->depth,
					   .follow = limits->follow,
					   .values = limits->values,
					   .text_bytes = limits->bytes };
	int64_t seconds = limits->seconds;

	if (seconds > 0 && seconds < INT32_MAX)
		budget.deadline_ns = csn_monotonic_ns() + seconds * CSN_NS_PER_SECOND;
	if (deadline_ns && (!budget.deadline_ns || deadline_ns < budget.deadline_ns))
		budget.deadline_ns = deadline_ns;
	return budget;
}

static bool csn_may_read(void *context, const struct csn_module *module)
{
	const struct csn_engine *engine = context;

	return csn_engine_wants_values(engine->options, module);
}

int csn_engine_store_variables(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_filling filling = { .engine = engine,
				       .limits = engine->options->values ? engine->options->values
									 : &default_values };
	struct csn_function_values **lists = NULL;
	struct csn_value_budget budget = csn_budget_of(filling.limits, engine->deadline_ns);
	int rc;

	rc = csn_values_new(engine->snapshot->arena, engine->target, engine->modules, &budget,
			    &engine->values, err);
	filling.values = engine->values;
	if (rc == 0)
		csn_values_let_read(engine->values, csn_may_read, engine);
	engine->scene = (struct csn_scene){ .snapshot = engine->snapshot,
					    .target = engine->target,
					    .modules = engine->modules,
					    .fault_thread = engine->fault_thread,
					    .facts = engine->facts,
					    .wants_stale = engine->options->stale,
					    .values = engine->values };
	if (rc == 0)
		rc = csn_take_threads(&filling, err);
	if (rc == 0)
		rc = csn_find_scopes(&filling, err);
	if (rc == 0)
		rc = csn_fill_all(&filling, &lists, err);
	if (rc == 0 && lists)
		rc = csn_set_scene(&filling, lists, err);
	if (rc == 0)
		rc = csn_engine_store_globals(engine, err);
	if (rc == 0 && csn_values_cut(engine->values))
		rc = csn_snapshot_add_annotation(
			engine->snapshot, "warning",
			"variables: the budget was used up, not all have a value", err);
	if (rc == 0 && filling.frames_cut && engine->options->variables != CSN_VARIABLES_NONE)
		rc = csn_snapshot_add_annotation(
			engine->snapshot, "warning",
			"variables: only of the innermost frames of a deep stack", err);
	return rc;
}
