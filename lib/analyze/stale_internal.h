/* Private to stale pointers: what was found, shared by who searches and who names. */
#ifndef CSN_ANALYZE_STALE_INTERNAL_H
#define CSN_ANALYZE_STALE_INTERNAL_H

#include "analyze/stale.h"
#include "base/buf.h"

/* Something that is pointed to: the object of the fault, or one that holds a pointer. */
struct csn_stale_object {
	csn_addr start, end;
	size_t holder; /* the reference that leads here; SIZE_MAX none known */
	unsigned depth;
};

/* How much a holder says; the best comes first. */
enum csn_stale_rank {
	CSN_STALE_VARIABLE, /* of a function, or outside of all */
	CSN_STALE_HEAP,     /* something that others hold in turn */
	CSN_STALE_WORD,     /* a word of a stack, which may be left over */
};

/* A word that leads into an object. */
struct csn_stale_reference {
	csn_addr place;
	uint64_t value;
	size_t to;     /* object */
	size_t inside; /* object that the word lies in; SIZE_MAX: it is no part of the heap */
	enum csn_stale_rank rank;
};

struct csn_stale_state {
	struct csn_fault_look *look;
	struct csn_heap *heap; /* NULL none */
	struct csn_stale_object *objects;
	size_t n_objects;
	struct csn_stale_reference *references; /* those to objects[0], then others */
	size_t n_references;
	csn_addr *stacks; /* stack pointers of all threads, sorted */
	size_t n_stacks;
	uint64_t n_found; /* references to objects[0], also those beyond the limit */
	uint64_t bytes_left;
	int64_t deadline_ns;
	bool cut;
};

/* stale_search.c: finds all references, from objects[0] on. */
int csn_stale_search(struct csn_stale_state *stale) csn_must_check;

/* stale_name.c: whether a place is part of a variable that a frame showed. */
bool csn_stale_is_variable(const struct csn_stale_state *stale, csn_addr place);

/* Where a reference lies. */
struct csn_stale_name {
	const char *
		text; /* "conn->peer", "g_sessions.first->peer", "0x... in the stack of thread 5" */
	const struct csn_scene_frame *frame; /* of a variable; NULL */
};

/* stale_name.c: names the place of a reference, by the way that leads to it. In the snapshot's
 * arena. */
int csn_stale_describe(struct csn_stale_state *stale, const struct csn_stale_reference *reference,
		       struct csn_stale_name *ret_name) csn_must_check;

#endif
