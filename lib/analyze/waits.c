#include "analyze/waits_internal.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/place.h"
#include "analyze/tellers.h"
#include "base/limits.h"
#include "symbols/lookup.h"

static int csn_tid_compare(const void *a, const void *b)
{
	const struct csn_tid *x = a, *y = b;

	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static void csn_tids_sort(struct csn_tids *tids)
{
	qsort(tids->items, tids->count, sizeof(*tids->items), csn_tid_compare);
}

/* Locks hold the numbers that the process itself has for its threads; ours are those of the host.
 */
static int csn_waits_number(struct csn_waits *waits, const json_t *facts, struct csn_error *err)
{
	struct csn_arena *arena = waits->scene->snapshot->arena;
	const json_t *pairs = json_object_get(facts, "tids");
	size_t n_pairs = csn_min_u64(json_array_size(pairs), waits->n_nodes);
	struct csn_tids host = {
		.items = csn_arena_array(arena, waits->n_nodes + 1, sizeof(*host.items)),
		.count = waits->n_nodes,
	};

	waits->tids = (struct csn_tids){
		.items = csn_arena_array(arena, n_pairs + 1, sizeof(*host.items)),
	};
	if (!host.items || !waits->tids.items)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < waits->n_nodes; i++)
		host.items[i] = (struct csn_tid){ waits->nodes[i].thread->tid, i };
	csn_tids_sort(&host);
	for (size_t i = 0; i < n_pairs; i++) {
		const json_t *pair = json_array_get(pairs, i);
		size_t index = csn_tids_find(&host, json_integer_value(json_array_get(pair, 1)));

		if (index != SIZE_MAX)
			waits->tids.items[waits->tids.count++] =
				(struct csn_tid){ json_integer_value(json_array_get(pair, 0)),
						  index };
	}
	csn_tids_sort(&waits->tids);
	if (!n_pairs)
		waits->tids = host;
	return 0;
}

/* Machines whose registers do not tell a call from other code: the instruction itself. */
static bool csn_at_call(struct csn_target *target, const struct csn_registers *registers)
{
	static const uint8_t svc[] = { 0x01, 0x00, 0x00, 0xd4 };
	uint8_t code[sizeof(svc)];

	if (strcmp(target->arch->name, "aarch64") != 0)
		return true;
	return csn_target_read_some(target, registers->value[target->arch->pc], code,
				    sizeof(code)) == sizeof(code) &&
	       memcmp(code, svc, sizeof(svc)) == 0;
}

static void csn_waits_look_at(struct csn_waits *waits, size_t index)
{
	struct csn_wait_node *node = &waits->nodes[index];
	struct csn_target *target = waits->scene->target;
	struct csn_futex_wait wait;
	struct csn_syscall call;
	enum csn_lock_kind kind;
	bool nameless;

	if (!csn_syscall_read(target->arch, &node->thread->registers, &call) ||
	    !csn_futex_wait_of(&call, &wait) || !csn_at_call(target, &node->thread->registers))
		return;
	kind = csn_lock_kind_of(node->stack, &node->first, &nameless);
	/* Arguments of another call that goes on again could look like these. */
	if (call.kind == CSN_SYSCALL_RESTART && kind == CSN_LOCK_OTHER)
		return;
	csn_lock_read(target, &wait, kind, nameless, &waits->tids, &node->lock);
	node->waits = true;
	node->is_timed = wait.is_timed;
	if (node->lock.owner)
		node->owner = csn_tids_find(&waits->tids, node->lock.owner);
	waits->waiting[waits->n_waiting++] = index;
}

/* "g_lock", "server+40"; nothing for locks outside of modules. */
static int csn_waits_name(struct csn_waits *waits, struct csn_error *err)
{
	struct csn_arena *arena = waits->scene->snapshot->arena;
	struct csn_lookup *lookups = csn_arena_array(arena, waits->n_waiting + 1, sizeof(*lookups));
	int rc;

	if (!lookups)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < waits->n_waiting; i++)
		lookups[i].pc = waits->nodes[waits->waiting[i]].lock.address;
	rc = csn_lookup_symbols(arena, waits->scene->modules, lookups, waits->n_waiting, err);
	for (size_t i = 0; i < waits->n_waiting && rc == 0; i++) {
		struct csn_wait_node *node = &waits->nodes[waits->waiting[i]];
		const struct csn_symbol *symbol = lookups[i].symbol;

		/* Labels without size are nobody's name. */
		if (!symbol || !symbol->size)
			continue;
		/* A condition is found by a word in it. */
		if (node->lock.address == symbol->start || node->lock.kind == CSN_LOCK_CONDITION)
			node->name = symbol->name;
		else
			node->name = csn_arena_sprintf(arena, "%s+%llu", symbol->name,
						       (unsigned long long)(node->lock.address -
									    symbol->start));
		if (!node->name)
			return csn_fail_nomem(err);
	}
	return rc;
}

/* Stacks of the snapshot, which may leave threads out, go to the threads of the process. */
static void csn_waits_take_stacks(struct csn_waits *waits)
{
	const struct csn_snapshot *snapshot = waits->scene->snapshot;
	struct csn_tids tids = waits->tids;

	for (size_t i = 0; i < snapshot->n_threads; i++) {
		size_t index = csn_tids_find(&tids, snapshot->threads[i].tid);

		if (index != SIZE_MAX)
			waits->nodes[index].stack = &snapshot->threads[i];
	}
}

int csn_waits_read(struct csn_waits *waits, const struct csn_scene *scene, const json_t *facts,
		   struct csn_error *err)
{
	struct csn_arena *arena = scene->snapshot->arena;
	size_t n = scene->target->n_threads;

	*waits = (struct csn_waits){ .scene = scene, .n_nodes = n };
	waits->nodes = csn_arena_array(arena, n + 1, sizeof(*waits->nodes));
	waits->waiting = csn_arena_array(arena, n + 1, sizeof(*waits->waiting));
	if (!waits->nodes || !waits->waiting)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < n; i++) {
		waits->nodes[i].thread = &scene->target->threads[i];
		waits->nodes[i].owner = SIZE_MAX;
	}
	if (csn_waits_number(waits, NULL, err) < 0)
		return -CSN_E_NOMEM;
	csn_waits_take_stacks(waits);
	if (json_array_size(json_object_get(facts, "tids")) &&
	    csn_waits_number(waits, facts, err) < 0)
		return -CSN_E_NOMEM;
	for (size_t i = 0; i < n && waits->n_waiting < CSN_MAX_WAITS; i++)
		if (waits->nodes[i].stack)
			csn_waits_look_at(waits, i);
	return scene->modules ? csn_waits_name(waits, err) : 0;
}

const char *csn_waits_place(struct csn_waits *waits, size_t index)
{
	struct csn_wait_node *node = &waits->nodes[index];
	const struct csn_snapshot_frame *frame;

	if (!node->place) {
		frame = node->stack ? csn_teller_frame_to_blame(node->stack, node->first, true)
				    : NULL;
		node->place = frame ? csn_place_describe(waits->scene->snapshot->arena,
							 waits->scene->target, frame)
				    : "";
	}
	return node->place;
}

/* The member of a cycle to begin with. */
static size_t csn_cycle_begin(struct csn_waits *waits, size_t in)
{
	size_t best = in, at = in;

	do {
		const char *place = csn_waits_place(waits, at);
		const char *first = csn_waits_place(waits, best);
		int order = place && first ? strcmp(place, first) : 0;

		if (order < 0 ||
		    (order == 0 && waits->nodes[at].thread->tid < waits->nodes[best].thread->tid))
			best = at;
		at = waits->nodes[at].owner;
	} while (at != in);
	return best;
}

size_t csn_waits_find_cycle(struct csn_waits *waits)
{
	/* Each node is entered once; one that this walk has entered before closes a cycle. */
	for (size_t i = 0; i < waits->n_waiting; i++) {
		size_t at = waits->waiting[i];

		while (at != SIZE_MAX && !waits->nodes[at].mark && !waits->nodes[at].is_timed) {
			waits->nodes[at].mark = i + 1;
			at = waits->nodes[at].owner;
		}
		if (at != SIZE_MAX && waits->nodes[at].mark == i + 1)
			return csn_cycle_begin(waits, at);
	}
	return SIZE_MAX;
}

size_t csn_waits_find_holder(struct csn_waits *waits)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < waits->n_waiting; i++) {
		size_t at = waits->waiting[i], steps = 0;

		while (waits->nodes[at].owner != SIZE_MAX && steps++ <= waits->n_waiting)
			at = waits->nodes[at].owner;
		/* Neither a cycle, nor itself. */
		if (at == waits->waiting[i] || steps > waits->n_waiting)
			continue;
		waits->nodes[at].n_behind++;
		if (waits->nodes[at].lock.owner)
			continue; /* one that waits for somebody who is gone */
		if (best == SIZE_MAX || waits->nodes[at].n_behind > waits->nodes[best].n_behind)
			best = at;
	}
	return best;
}

size_t csn_waits_find_orphan(struct csn_waits *waits)
{
	for (size_t i = 0; i < waits->n_waiting; i++) {
		const struct csn_wait_node *node = &waits->nodes[waits->waiting[i]];

		if (node->lock.owner && node->owner == SIZE_MAX && !node->is_timed &&
		    !node->lock.between_processes)
			return waits->waiting[i];
	}
	return SIZE_MAX;
}
