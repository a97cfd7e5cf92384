/* Private to waits: the graph, shared by who makes it and who tells it. */
#ifndef CSN_ANALYZE_WAITS_INTERNAL_H
#define CSN_ANALYZE_WAITS_INTERNAL_H

#include "analyze/lock.h"
#include "analyze/waits.h"

/* One thread of the process. */
struct csn_wait_node {
	const struct csn_thread *thread;
	const struct csn_snapshot_thread *stack; /* NULL: not in the snapshot */
	bool waits;
	bool is_timed;
	struct csn_lock lock;
	size_t first;      /* frame behind the function that waits */
	size_t owner;      /* node, or SIZE_MAX */
	const char *name;  /* of the lock: a symbol; NULL */
	const char *place; /* where it waits; NULL before somebody asks */
	size_t mark;       /* of the search for cycles */
	size_t n_behind;   /* threads that wait for it, and for those */
};

struct csn_waits {
	const struct csn_scene *scene;
	struct csn_wait_node *nodes; /* of csn_target.threads */
	size_t n_nodes;
	size_t *waiting; /* nodes that wait */
	size_t n_waiting;
	struct csn_tids tids;
};

/* Reads all locks. Everything lives in the snapshot's arena. */
int csn_waits_read(struct csn_waits *waits, const struct csn_scene *scene, const json_t *facts,
		   struct csn_error *err) csn_must_check;
/* A node that is part of a cycle that does not end by itself; SIZE_MAX none. Of a cycle, the one
 * whose place comes first in the alphabet, so that the same deadlock is told alike every time. */
size_t csn_waits_find_cycle(struct csn_waits *waits);
/* The node that most wait for and that waits for nobody itself; SIZE_MAX none. */
size_t csn_waits_find_holder(struct csn_waits *waits);
/* A node that waits for a thread that is gone; SIZE_MAX none. */
size_t csn_waits_find_orphan(struct csn_waits *waits);
/* Where a node waits: "lock_a (x.c:10)"; "" unknown. NULL when out of memory. */
const char *csn_waits_place(struct csn_waits *waits, size_t node);

#endif
