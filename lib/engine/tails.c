/* Frames of functions that left by a jump go where they were: between the frame of who called them
 * and the frame of who was jumped to. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/stacks_internal.h"
#include "symbols/tails.h"

/* Frames that belong before another one. */
struct csn_gap {
	size_t before; /* index into csn_stacks.frames */
	const struct csn_tail_frame *frames;
	size_t n_frames;
};

struct csn_gaps {
	struct csn_gap *gaps; /* malloc; by place */
	size_t n_gaps, capacity;
	size_t n_frames; /* of all */
};

static void csn_gaps_done(struct csn_gaps *gaps)
{
	free(gaps->gaps);
}

/* What jumps left out before frame `at` of all frames, which is not its thread's first. */
static int csn_find_gap(const struct csn_stacks *stacks, struct csn_tails *tails, size_t at,
			struct csn_gaps *gaps, struct csn_error *err)
{
	const struct csn_raw_frame *caller = &stacks->frames[at], *callee = caller - 1;
	const struct csn_tail_side above = { &stacks->lookups[caller->lookup],
					     &stacks->located[caller->lookup] };
	const struct csn_tail_side below = { &stacks->lookups[callee->lookup],
					     &stacks->located[callee->lookup] };
	struct csn_gap gap = { .before = at };

	/* Who was interrupted called nobody, and a guess is no ground for others. */
	if (caller->exact || caller->after_gap || callee->signal_frame ||
	    caller->how == CSN_HOW_SCAN)
		return 0;
	if (csn_tails_find(tails, &above, &below, &gap.frames, &gap.n_frames, err) < 0)
		return -CSN_E_NOMEM;
	if (!gap.n_frames || gaps->n_frames + gap.n_frames > CSN_MAX_TAIL_INSERTED)
		return 0;
	if (!csn_grow(&gaps->gaps, gaps->n_gaps, &gaps->capacity, sizeof(*gaps->gaps)))
		return csn_fail_nomem(err);
	gaps->gaps[gaps->n_gaps++] = gap;
	gaps->n_frames += gap.n_frames;
	return 0;
}

/* Of all threads, whose numbers of frames become those with the ones to be inserted. */
static int csn_find_gaps(struct csn_stacks *stacks, struct csn_tails *tails, struct csn_gaps *gaps,
			 struct csn_error *err)
{
	struct csn_snapshot *snapshot = stacks->engine->snapshot;
	size_t at = 0;

	for (size_t i = 0; i < snapshot->n_threads; i++) {
		struct csn_snapshot_thread *thread = &snapshot->threads[i];
		size_t before = gaps->n_frames, end = at + thread->n_frames;

		for (size_t k = at + 1; k < end; k++)
			if (csn_find_gap(stacks, tails, k, gaps, err) < 0)
				return -CSN_E_NOMEM;
		thread->n_frames += gaps->n_frames - before;
		at = end;
	}
	return 0;
}

/* Puts them where they belong, from the end on. */
static int csn_fill_gaps(struct csn_stacks *stacks, const struct csn_gaps *gaps,
			 struct csn_error *err)
{
	size_t from = stacks->n_frames, to = from + gaps->n_frames;
	struct csn_raw_frame *frames = reallocarray(stacks->frames, to, sizeof(*frames));

	if (!frames)
		return csn_fail_nomem(err);
	stacks->frames = frames;
	stacks->n_frames = stacks->capacity = to;
	for (size_t i = gaps->n_gaps; i-- > 0;) {
		const struct csn_gap *gap = &gaps->gaps[i];

		to -= from - gap->before;
		memmove(&frames[to], &frames[gap->before], (from - gap->before) * sizeof(*frames));
		from = gap->before;
		for (size_t k = gap->n_frames; k-- > 0;) {
			frames[--to] = (struct csn_raw_frame){ .pc = gap->frames[k].pc,
							       .exact = !gap->frames[k].is_return,
							       .is_tail = true };
			if (!csn_stacks_intern(stacks, &frames[to]))
				return csn_fail_nomem(err);
		}
	}
	return 0;
}

int csn_stacks_add_tails(struct csn_stacks *stacks, struct csn_error *err)
{
	cleanup_(csn_tails_freep) struct csn_tails *tails = NULL;
	cleanup_(csn_gaps_done) struct csn_gaps gaps = { 0 };
	size_t n_lookups = stacks->n_lookups;

	if (csn_tails_new(stacks->engine->modules, &tails, err) < 0 ||
	    csn_find_gaps(stacks, tails, &gaps, err) < 0)
		return -CSN_E_NOMEM;
	if (!gaps.n_gaps)
		return 0;
	if (csn_fill_gaps(stacks, &gaps, err) < 0)
		return -CSN_E_NOMEM;
	return csn_stacks_name(stacks, n_lookups, err);
}
