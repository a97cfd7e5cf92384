/* Threads into frames, frames into names and source positions.
 *
 * All threads are walked first; then every distinct counter is named in one batch, because naming
 * costs one pass over the symbols of each module, however many counters there are. Functions that
 * were inlined at a counter become frames of their own, before the frame that is really there, and
 * so do functions that left by a jump, whose counters are named in a second batch. A stack deeper
 * than the limit keeps its inner three quarters and its outer quarter: where it broke and where it
 * came from. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "engine/stacks_internal.h"

static void csn_stacks_done(struct csn_stacks *stacks)
{
	free(stacks->frames);
	free(stacks->registers);
	free(stacks->lookups);
	free(stacks->slots);
	free(stacks->named);
	free(stacks->located);
}

static void csn_stacks_choose_registers(struct csn_stacks *stacks)
{
	const struct csn_arch *arch = stacks->engine->target->arch;

	for (unsigned i = 0; i < arch->n_dwarf; i++)
		if ((arch->registers[i].callee_saved || i == arch->sp) &&
		    stacks->n_kept < CSN_KEPT_REGISTERS)
			stacks->kept[stacks->n_kept++] = i;
}

bool csn_grow(void *array, size_t count, size_t *capacity, size_t size_bytes)
{
	void **place = array, *grown;
	size_t wanted = *capacity ? *capacity * 2 : 256;

	if (count < *capacity)
		return true;
	grown = reallocarray(*place, wanted, size_bytes);
	if (!grown)
		return false;
	*place = grown;
	*capacity = wanted;
	return true;
}

static size_t csn_slot_of(const struct csn_stacks *stacks, csn_addr pc, bool is_return)
{
	size_t at = ((pc << 1 | is_return) * 0x9e3779b97f4a7c15ull >> 20) & (stacks->n_slots - 1);

	while (stacks->slots[at]) {
		const struct csn_lookup *lookup = &stacks->lookups[stacks->slots[at] - 1];

		if (lookup->pc == pc && lookup->is_return == is_return)
			break;
		at = (at + 1) & (stacks->n_slots - 1);
	}
	return at;
}

static bool csn_slots_grow(struct csn_stacks *stacks)
{
	size_t wanted = stacks->n_slots ? stacks->n_slots * 2 : 1024;

	if (stacks->n_lookups * 2 < stacks->n_slots)
		return true;
	free(stacks->slots);
	stacks->slots = calloc(wanted, sizeof(*stacks->slots));
	if (!stacks->slots)
		return false;
	stacks->n_slots = wanted;
	for (size_t i = 0; i < stacks->n_lookups; i++)
		stacks->slots[csn_slot_of(stacks, stacks->lookups[i].pc,
					  stacks->lookups[i].is_return)] = (uint32_t)i + 1;
	return true;
}

bool csn_stacks_intern(struct csn_stacks *stacks, struct csn_raw_frame *frame)
{
	size_t slot;

	if (!csn_slots_grow(stacks) ||
	    !csn_grow(&stacks->lookups, stacks->n_lookups, &stacks->lookups_capacity,
		      sizeof(*stacks->lookups)))
		return false;
	slot = csn_slot_of(stacks, frame->pc, !frame->exact);
	if (!stacks->slots[slot]) {
		stacks->lookups[stacks->n_lookups++] =
			(struct csn_lookup){ .pc = frame->pc, .is_return = !frame->exact };
		stacks->slots[slot] = (uint32_t)stacks->n_lookups;
	}
	frame->lookup = stacks->slots[slot] - 1;
	return true;
}

static void csn_raw_frame_take(const struct csn_stacks *stacks,
			       const struct csn_unwind_cursor *cursor, struct csn_raw_frame *frame)
{
	struct csn_kept_registers *kept;

	frame->pc = cursor->pc;
	frame->exact = cursor->exact;
	frame->signal_frame = cursor->signal_frame;
	frame->how = (uint8_t)cursor->how;
	if (!stacks->registers)
		return;
	kept = &stacks->registers[frame->kept];
	kept->known = 0;
	for (unsigned i = 0; i < stacks->n_kept; i++) {
		kept->value[i] = cursor->registers.value[stacks->kept[i]];
		kept->known |= (uint64_t)csn_register_known(&cursor->registers, stacks->kept[i])
			       << i;
	}
}

/* Room for one more frame, and for its registers if they are kept. */
static bool csn_stacks_extend(struct csn_stacks *stacks)
{
	size_t place = stacks->n_frames;

	if (!csn_grow(&stacks->frames, place, &stacks->capacity, sizeof(*stacks->frames)))
		return false;
	if (!stacks->engine->options->no_registers &&
	    !csn_grow(&stacks->registers, place, &stacks->registers_capacity,
		      sizeof(*stacks->registers)))
		return false;
	stacks->frames[place] = (struct csn_raw_frame){ .kept = (uint32_t)place };
	stacks->n_frames++;
	return true;
}

static void csn_reverse(struct csn_raw_frame *frames, size_t from, size_t to)
{
	while (from + 1 < to) {
		struct csn_raw_frame other = frames[from];

		frames[from++] = frames[--to];
		frames[to] = other;
	}
}

/* Turns a ring whose oldest element is at `oldest` into a plain array. */
static void csn_unroll(struct csn_raw_frame *ring, size_t size, size_t oldest)
{
	csn_reverse(ring, 0, oldest);
	csn_reverse(ring, oldest, size);
	csn_reverse(ring, 0, size);
}

/* Walks one thread; its frames go behind those already there. */
static int csn_walk(struct csn_stacks *stacks, struct csn_unwind_cursor *cursor, uint64_t depth,
		    size_t *ret_count, uint64_t *ret_left_out, struct csn_error *err)
{
	size_t begin = stacks->n_frames, tail = depth / 4, head = depth - tail, oldest = 0;
	uint64_t left_out = 0;

	do {
		size_t count = stacks->n_frames - begin, place = stacks->n_frames;

		if (depth && count >= depth) {
			place = tail ? begin + head + oldest : SIZE_MAX;
			oldest = oldest + 1 < tail ? oldest + 1 : 0;
			left_out++;
		} else {
			if (!csn_stacks_extend(stacks))
				return csn_fail_nomem(err);
		}
		if (place != SIZE_MAX)
			csn_raw_frame_take(stacks, cursor, &stacks->frames[place]);
	} while (csn_unwind_next(cursor));
	if (oldest)
		csn_unroll(stacks->frames + begin + head, tail, oldest);
	if (left_out && tail)
		stacks->frames[begin + head].after_gap = true;
	for (size_t i = begin; i < stacks->n_frames; i++)
		if (!csn_stacks_intern(stacks, &stacks->frames[i]))
			return csn_fail_nomem(err);
	*ret_count = stacks->n_frames - begin;
	*ret_left_out = left_out;
	return 0;
}

/* --- raw frames into the snapshot's --- */

static enum csn_frame_kind csn_kind_of(enum csn_unwind_how how)
{
	static const enum csn_frame_kind kinds[] = {
		[CSN_HOW_REGISTERS] = CSN_FRAME_UNKNOWN,
		[CSN_HOW_CFI] = CSN_FRAME_CFI,
		[CSN_HOW_FP] = CSN_FRAME_FP,
		[CSN_HOW_EMUL] = CSN_FRAME_EMUL,
		[CSN_HOW_SCAN] = CSN_FRAME_SCAN,
	};

	return kinds[how];
}

static int csn_store_kept(struct csn_stacks *stacks, const struct csn_raw_frame *raw,
			  struct csn_snapshot_frame *frame, struct csn_error *err)
{
	const struct csn_engine *engine = stacks->engine;
	const struct csn_arch *arch = engine->target->arch;
	const struct csn_kept_registers *kept = &stacks->registers[raw->kept];
	unsigned count = (unsigned)__builtin_popcountll(kept->known);

	frame->registers =
		csn_arena_array(engine->snapshot->arena, count + 1u, sizeof(*frame->registers));
	if (!frame->registers)
		return csn_fail_nomem(err);
	for (unsigned i = 0; i < stacks->n_kept; i++)
		if (kept->known >> i & 1)
			frame->registers[frame->n_registers++] =
				(struct csn_register){ arch->registers[stacks->kept[i]].name,
						       kept->value[i] };
	return 0;
}

/* The innermost frame has all registers that the thread had. */
static int csn_store_all(struct csn_stacks *stacks, const struct csn_registers *registers,
			 struct csn_snapshot_frame *frame, struct csn_error *err)
{
	const struct csn_arch *arch = stacks->engine->target->arch;

	frame->registers = csn_arena_array(stacks->engine->snapshot->arena, arch->n_registers,
					   sizeof(*frame->registers));
	if (!frame->registers)
		return csn_fail_nomem(err);
	for (unsigned i = 0; i < arch->n_registers; i++)
		if (csn_register_known(registers, i))
			frame->registers[frame->n_registers++] =
				(struct csn_register){ arch->registers[i].name,
						       registers->value[i] };
	return 0;
}

/* What debug information says of the function that holds the code; NULL nothing. */
static const struct csn_located_frame *csn_physical(const struct csn_located *located)
{
	return located->n_frames ? &located->frames[located->n_frames - 1] : NULL;
}

/* The linker's name is the better one, as it has scopes and parameters; but where the compiler
 * split a function, only the debug information knows what the parts are of ("f.part.0"). */
static const char *csn_function_of(const struct csn_symbol *symbol,
				   const struct csn_located_frame *located)
{
	if (located && located->function &&
	    (located->has_parameters || !symbol || strchr(symbol->raw, '.')))
		return located->function;
	return symbol ? symbol->name : NULL;
}

static void csn_store_position(const struct csn_located_frame *located,
			       struct csn_snapshot_frame *frame)
{
	frame->source_path = located->path;
	frame->line = located->line;
	frame->column = located->column;
}

static void csn_store_frame(const struct csn_stacks *stacks, const struct csn_raw_frame *raw,
			    struct csn_snapshot_frame *frame)
{
	const struct csn_lookup *lookup = &stacks->lookups[raw->lookup];
	const struct csn_located_frame *located = csn_physical(&stacks->located[raw->lookup]);

	frame->has_address = true;
	frame->address = raw->pc;
	frame->kind = raw->is_tail ? CSN_FRAME_TAIL : csn_kind_of((enum csn_unwind_how)raw->how);
	frame->signal_frame = raw->signal_frame;
	frame->library = stacks->named[raw->lookup].path;
	frame->build_id = stacks->named[raw->lookup].build_id;
	/* Trampolines are no functions: what lies before their counter is none of the stack. */
	if (raw->signal_frame)
		return;
	frame->function = csn_function_of(lookup->symbol, located);
	if (located)
		csn_store_position(located, frame);
	if (lookup->symbol) {
		frame->has_offset = true;
		frame->offset = raw->pc - lookup->symbol->start;
	}
}

/* Functions inlined at the frame's counter, innermost first; returns how many. */
static size_t csn_store_inlined(const struct csn_stacks *stacks, const struct csn_raw_frame *raw,
				struct csn_snapshot_frame *frames)
{
	const struct csn_located *located = &stacks->located[raw->lookup];
	size_t i;

	for (i = 0; i + 1 < located->n_frames; i++) {
		frames[i] = (struct csn_snapshot_frame){
			.has_address = true,
			.address = raw->pc,
			.function = located->frames[i].function,
			.library = stacks->named[raw->lookup].path,
			.build_id = stacks->named[raw->lookup].build_id,
			.kind = CSN_FRAME_INLINE,
			.inlined = true,
		};
		csn_store_position(&located->frames[i], &frames[i]);
	}
	return i;
}

static size_t csn_count_logical(const struct csn_stacks *stacks, const struct csn_raw_frame *raw,
				size_t n_raw)
{
	size_t count = n_raw;

	for (size_t i = 0; i < n_raw; i++)
		if (stacks->located[raw[i].lookup].n_frames > 1)
			count += stacks->located[raw[i].lookup].n_frames - 1;
	return count;
}

/* stored->n_frames counts the raw frames before and all frames after. */
static int csn_store_thread(struct csn_stacks *stacks, struct csn_snapshot_thread *stored,
			    const struct csn_raw_frame *raw, const struct csn_thread *thread,
			    struct csn_error *err)
{
	bool registers = stacks->registers && (stored->fault || !stacks->engine->options->faulted);
	size_t n_raw = raw ? stored->n_frames : 0, n = 0;
	int result = 0;

	stored->frames =
		csn_arena_array(stacks->engine->snapshot->arena,
				csn_count_logical(stacks, raw, n_raw) + 1, sizeof(*stored->frames));
	if (!stored->frames)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < n_raw && result == 0; i++) {
		n += csn_store_inlined(stacks, &raw[i], &stored->frames[n]);
		csn_store_frame(stacks, &raw[i], &stored->frames[n]);
		if (i == 0)
			result = csn_store_all(stacks, &thread->registers, &stored->frames[n], err);
		else if (registers && !raw[i].is_tail)
			result = csn_store_kept(stacks, &raw[i], &stored->frames[n], err);
		n++;
	}
	stored->n_frames = n;
	if (stored->fault && n)
		stored->frames[0].faulted = true;
	return result;
}

/* --- threads --- */

static bool csn_thread_wanted(const struct csn_engine_options *options, int64_t tid)
{
	for (size_t i = 0; i < options->n_threads; i++)
		if (options->threads[i] == tid)
			return true;
	return options->n_threads == 0;
}

/* Threads in the order of the snapshot: the faulting one first. */
static int csn_order_threads(struct csn_engine *engine, const struct csn_thread ***ret_order,
			     size_t *ret_count, struct csn_error *err)
{
	const struct csn_target *target = engine->target;
	const struct csn_thread **order =
		csn_arena_array(engine->snapshot->arena, target->n_threads + 1, sizeof(void *));
	size_t count = 0;

	if (!order)
		return csn_fail_nomem(err);
	if (engine->fault_thread && csn_thread_wanted(engine->options, engine->fault_thread->tid))
		order[count++] = engine->fault_thread;
	for (size_t i = 0; i < target->n_threads; i++)
		if (&target->threads[i] != engine->fault_thread &&
		    csn_thread_wanted(engine->options, target->threads[i].tid))
			order[count++] = &target->threads[i];
	*ret_order = order;
	*ret_count = count;
	return 0;
}

static const char *csn_thread_name(const struct csn_engine *engine, const struct csn_thread *thread)
{
	uint64_t tid;

	if (thread->name)
		return thread->name;
	if (csn_facts_number(engine->facts, "tid", &tid) && (int64_t)tid == thread->tid)
		return csn_facts_string(engine->facts, "thread_comm");
	if (thread->tid != engine->target->process.pid)
		return NULL;
	if (csn_facts_string(engine->facts, "comm"))
		return csn_facts_string(engine->facts, "comm");
	return engine->target->process.comm;
}

static int csn_begin_thread(struct csn_engine *engine, const struct csn_thread *thread,
			    struct csn_snapshot_thread *stored, struct csn_error *err)
{
	struct csn_arena *arena = engine->snapshot->arena;
	const char *name = csn_thread_name(engine, thread);

	stored->tid = thread->tid;
	stored->fault = thread == engine->fault_thread;
	if (name && *name) {
		stored->name = csn_arena_strdup(arena, name);
		if (!stored->name)
			return csn_fail_nomem(err);
	}
	if (thread->state) {
		stored->state = csn_arena_strndup(arena, &thread->state, 1);
		if (!stored->state)
			return csn_fail_nomem(err);
	}
	return 0;
}

static int csn_walk_thread(struct csn_stacks *stacks, const struct csn_thread *thread,
			   struct csn_snapshot_thread *stored, struct csn_error *err)
{
	struct csn_engine *engine = stacks->engine;
	const struct csn_engine_options *options = engine->options;
	struct csn_unwind_cursor cursor;
	uint64_t depth = options->depth;
	char text[320];
	int result;

	csn_unwind_begin(&cursor, engine->unwinder, &thread->registers);
	if (options->budget) {
		uint64_t left =
			options->budget > stacks->n_frames ? options->budget - stacks->n_frames : 1;

		depth = depth ? csn_min_u64(depth, left) : left;
	}
	if (options->salvage || (engine->deadline_ns && csn_monotonic_ns() > engine->deadline_ns))
		depth = cursor.max_frames = 1;
	result = csn_walk(stacks, &cursor, depth, &stored->n_frames, &stored->frames_left_out, err);
	if (result < 0)
		return result;
	if (stored->frames_left_out && !stacks->over_budget && depth != options->depth &&
	    options->budget) {
		stacks->over_budget = true;
		if (csn_snapshot_add_truncated(
			    engine->snapshot,
			    "the budget of frames was reached: stacks are not whole", err) < 0)
			return -CSN_E_NOMEM;
	}
	stored->unwind_end = csn_arena_strdup(engine->snapshot->arena,
					      csn_unwind_describe_end(&cursor, text, sizeof(text)));
	if (!stored->unwind_end)
		return csn_fail_nomem(err);
	return csn_engine_keep_raw_stack(engine, &cursor, stored, err);
}

static int csn_walk_all(struct csn_stacks *stacks, const struct csn_thread **order, size_t count,
			struct csn_error *err)
{
	struct csn_engine *engine = stacks->engine;
	struct csn_snapshot *snapshot = engine->snapshot;
	bool late = false;

	for (size_t i = 0; i < count; i++) {
		struct csn_snapshot_thread *stored = &snapshot->threads[i];

		csn_progress_tell(&engine->options->progress, "unwinding thread", NULL, i + 1,
				  count);
		if (csn_begin_thread(engine, order[i], stored, err) < 0 ||
		    csn_walk_thread(stacks, order[i], stored, err) < 0)
			return csn_fail_nomem(err);
		if (!late && engine->deadline_ns && csn_monotonic_ns() > engine->deadline_ns) {
			late = true;
			if (csn_snapshot_add_truncated(
				    snapshot, "the time limit was reached: stacks are not whole",
				    err) < 0)
				return -CSN_E_NOMEM;
		}
	}
	snapshot->n_threads = count;
	return 0;
}

/* Frames of the faulting stack in modules whose file is gone or another one are nameless, which
 * makes the snapshot partial. Each module is told once. */
static int csn_note_missing_modules(struct csn_engine *engine, struct csn_error *err)
{
	const struct csn_snapshot *snapshot = engine->snapshot;
	const struct csn_snapshot_thread *thread = snapshot->threads;
	const struct csn_module *told[8];
	size_t n_told = 0;

	for (size_t i = 0; i < thread->n_frames && n_told < csn_countof(told); i++) {
		struct csn_module *module =
			csn_modules_find(engine->modules, thread->frames[i].address);
		const char *text;
		bool known = false;

		if (!module || module->is_vdso || module->is_main ||
		    (module->state != CSN_MODULE_MISSING && module->state != CSN_MODULE_MISMATCH))
			continue;
		for (size_t k = 0; k < n_told; k++)
			known |= told[k] == module;
		if (known)
			continue;
		told[n_told++] = module;
		text = csn_engine_describe_missing(engine, "library", module);
		if (!text)
			return csn_fail_nomem(err);
		if (csn_snapshot_add_truncated(engine->snapshot, text, err) < 0)
			return -CSN_E_NOMEM;
	}
	return 0;
}

/* Path and build-id of each counter's module; equal neighbours share. */
static int csn_name_modules(struct csn_stacks *stacks, struct csn_error *err)
{
	struct csn_engine *engine = stacks->engine;
	struct csn_named_module last = { 0 };

	stacks->named = calloc(stacks->n_lookups + 1, sizeof(*stacks->named));
	if (!stacks->named)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < stacks->n_lookups; i++) {
		const struct csn_module *module = stacks->lookups[i].module;

		if (module && module != last.module) {
			last.module = module;
			last.path = csn_arena_strdup(engine->snapshot->arena, module->path);
			last.build_id = csn_engine_build_id(engine, module);
			if (!last.path)
				return csn_fail_nomem(err);
		}
		if (module)
			stacks->named[i] = last;
	}
	return 0;
}

void csn_engine_drop_doubtful(struct csn_engine *engine, struct csn_lookup *lookups, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct csn_symbol *symbol = lookups[i].symbol;

		if (symbol && symbol->is_nearest &&
		    !csn_unwind_leads(engine->unwinder, symbol->start, lookups[i].pc,
				      lookups[i].is_return))
			lookups[i].symbol = NULL;
	}
}

int csn_stacks_name(struct csn_stacks *stacks, size_t from, struct csn_error *err)
{
	struct csn_engine *engine = stacks->engine;
	size_t count = stacks->n_lookups - from;
	struct csn_located *grown =
		reallocarray(stacks->located, stacks->n_lookups + 1, sizeof(*grown));
	int result;

	if (!grown)
		return csn_fail_nomem(err);
	stacks->located = grown;
	if (engine->options->salvage) {
		memset(grown + from, 0, count * sizeof(*grown));
		for (size_t i = from; i < stacks->n_lookups; i++)
			stacks->lookups[i].module =
				csn_modules_find(engine->modules, stacks->lookups[i].pc);
		return 0;
	}
	result = csn_lookup_symbols(engine->snapshot->arena, engine->modules,
				    stacks->lookups + from, count, err);
	csn_engine_drop_doubtful(engine, stacks->lookups + from, count);
	if (result == 0)
		result = csn_lookup_sources(engine->snapshot->arena, stacks->lookups + from, count,
					    grown + from, err);
	return result;
}

/* --- all together --- */

static int csn_store_all_threads(struct csn_stacks *stacks, const struct csn_thread **order,
				 struct csn_error *err)
{
	struct csn_snapshot *snapshot = stacks->engine->snapshot;
	const struct csn_raw_frame *raw = stacks->frames;
	int result = 0;

	for (size_t i = 0; i < snapshot->n_threads && result == 0; i++) {
		struct csn_snapshot_thread *stored = &snapshot->threads[i];
		size_t n_raw = stored->n_frames;

		result = csn_store_thread(stacks, stored, raw, order[i], err);
		raw += raw ? n_raw : 0;
	}
	return result;
}

static int csn_name_and_store(struct csn_stacks *stacks, const struct csn_thread **order,
			      struct csn_error *err)
{
	struct csn_engine *engine = stacks->engine;
	int64_t begin = csn_monotonic_ns();
	int result = csn_stacks_name(stacks, 0, err);

	if (result == 0 && !engine->options->salvage)
		result = csn_stacks_add_tails(stacks, err);
	engine->stats.names_ns = (uint64_t)(csn_monotonic_ns() - begin);
	engine->stats.n_frames = stacks->n_frames;
	engine->stats.n_addresses = stacks->n_lookups;
	if (result == 0)
		result = csn_name_modules(stacks, err);
	if (result == 0 && !engine->options->salvage)
		result = csn_engine_name_raw_stacks(engine, err);
	csn_modules_save(engine->modules);
	return result == 0 ? csn_store_all_threads(stacks, order, err) : result;
}

int csn_engine_walk_threads(struct csn_engine *engine, struct csn_error *err)
{
	cleanup_(csn_stacks_done) struct csn_stacks stacks = { .engine = engine };
	struct csn_snapshot *snapshot = engine->snapshot;
	const struct csn_thread **order = NULL;
	size_t count = 0;
	int result;

	csn_stacks_choose_registers(&stacks);
	if (csn_order_threads(engine, &order, &count, err) < 0)
		return -CSN_E_NOMEM;
	snapshot->threads = csn_arena_array(snapshot->arena, count + 1, sizeof(*snapshot->threads));
	if (!snapshot->threads)
		return csn_fail_nomem(err);
	result = csn_walk_all(&stacks, order, count, err);
	if (result == 0)
		result = csn_name_and_store(&stacks, order, err);
	if (result == 0 && snapshot->n_threads && !engine->options->salvage)
		result = csn_note_missing_modules(engine, err);
	return result;
}
