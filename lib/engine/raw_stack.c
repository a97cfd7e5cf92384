/* What lay on the stack where a walk ended before its time: the words themselves, and the names of
 * those that point into code, so that a reader can see what the walk could not. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "engine/engine_internal.h"

/* Ends that leave the rest of the stack unexplained. */
static bool csn_end_is_abnormal(enum csn_unwind_end end)
{
	static const bool abnormal[] = {
		[CSN_UNWIND_NO_CFI] = true,      [CSN_UNWIND_BROKEN_CFI] = true,
		[CSN_UNWIND_MEMORY] = true,      [CSN_UNWIND_BAD_RETURN] = true,
		[CSN_UNWIND_NO_PROGRESS] = true,
	};

	return end < csn_countof(abnormal) && abnormal[end];
}

int csn_engine_keep_raw_stack(struct csn_engine *engine, const struct csn_unwind_cursor *cursor,
			      struct csn_snapshot_thread *stored, struct csn_error *err)
{
	const struct csn_arch *arch = engine->target->arch;
	struct csn_snapshot_raw_stack *raw = &stored->raw_stack;
	csn_addr sp = cursor->registers.value[arch->sp] & ~(csn_addr)(arch->word_bytes - 1);
	bool salvage = engine->options->salvage != NULL;
	uint8_t bytes[CSN_SALVAGED_STACK_BYTES];
	size_t size = salvage ? sizeof(bytes) : CSN_RAW_STACK_BYTES;

	if ((!salvage && !csn_end_is_abnormal(cursor->end)) ||
	    engine->raw_stack_bytes + size > CSN_MAX_RAW_STACKS_BYTES)
		return 0;
	size = csn_target_read_some(engine->target, sp, bytes, size);
	size -= size % arch->word_bytes;
	if (!size)
		return 0;
	raw->bytes = csn_arena_copy(engine->snapshot->arena, bytes, size);
	if (!raw->bytes)
		return csn_fail_nomem(err);
	raw->address = sp;
	raw->word_bytes = arch->word_bytes;
	raw->size_bytes = size;
	engine->raw_stack_bytes += size;
	return 0;
}

/* A return address is named after the call before it, a pointer to a function after itself. */
static bool csn_follows_call(struct csn_target *target, csn_addr word)
{
	uint8_t before[8];

	return word >= sizeof(before) &&
	       csn_target_read_some(target, word - sizeof(before), before, sizeof(before)) ==
		       sizeof(before) &&
	       target->arch->call_before(before, sizeof(before)) != 0;
}

/* Notes the words of one stack that may point into code; returns how many lookups they take. */
static size_t csn_collect_code(const struct csn_engine *engine, struct csn_snapshot_raw_stack *raw,
			       struct csn_lookup *lookups)
{
	struct csn_span span = csn_span_of(raw->bytes, raw->size_bytes);

	for (size_t at = 0; at < raw->size_bytes; at += raw->word_bytes) {
		csn_addr word = csn_span_uint(&span, raw->word_bytes);
		const struct csn_mapping *mapping = csn_target_find_mapping(engine->target, word);

		if (!mapping ||
		    (!mapping->executable && (mapping->perms_known || !mapping->is_file)))
			continue;
		lookups[raw->n_code] = (struct csn_lookup){
			.pc = word,
			.is_return = csn_follows_call(engine->target, word),
		};
		raw->code[raw->n_code++].at = (uint32_t)at;
	}
	return raw->n_code;
}

static int csn_name_code(struct csn_engine *engine, const struct csn_snapshot_raw_stack *raw,
			 const struct csn_lookup *lookups, struct csn_error *err)
{
	for (size_t i = 0; i < raw->n_code; i++) {
		struct csn_snapshot_code_word *word = &raw->code[i];
		const struct csn_lookup *lookup = &lookups[i];

		if (lookup->module) {
			word->library =
				csn_arena_strdup(engine->snapshot->arena, lookup->module->path);
			if (!word->library)
				return csn_fail_nomem(err);
		}
		if (lookup->symbol) {
			word->function = lookup->symbol->name;
			word->offset = lookup->pc - lookup->symbol->start;
		}
	}
	return 0;
}

int csn_engine_name_raw_stacks(struct csn_engine *engine, struct csn_error *err)
{
	struct csn_snapshot *snapshot = engine->snapshot;
	size_t n = 0, most = engine->raw_stack_bytes / engine->target->arch->word_bytes;
	cleanup_free struct csn_lookup *lookups = NULL;
	int result;

	if (!most)
		return 0;
	lookups = calloc(most, sizeof(*lookups));
	if (!lookups)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < snapshot->n_threads; i++) {
		struct csn_snapshot_raw_stack *raw = &snapshot->threads[i].raw_stack;

		if (!raw->size_bytes)
			continue;
		raw->code = csn_arena_array(snapshot->arena, raw->size_bytes / raw->word_bytes,
					    sizeof(*raw->code));
		if (!raw->code)
			return csn_fail_nomem(err);
		n += csn_collect_code(engine, raw, lookups + n);
	}
	result = csn_lookup_symbols(snapshot->arena, engine->modules, lookups, n, err);
	csn_engine_drop_doubtful(engine, lookups, n);
	n = 0;
	for (size_t i = 0; i < snapshot->n_threads && result == 0; i++) {
		result = csn_name_code(engine, &snapshot->threads[i].raw_stack, lookups + n, err);
		n += snapshot->threads[i].raw_stack.n_code;
	}
	return result;
}
