/* What a thread waits for: the lock of the C library around the word it sleeps at.
 *
 * The kernel knows only words. What lies around one is told by the functions on the waiting
 * thread's stack, and must look like it in memory; of glibc, whose locks keep the thread that holds
 * them. Where that is not proved, there is no owner. No state, any thread. */
#ifndef CSN_ANALYZE_LOCK_H
#define CSN_ANALYZE_LOCK_H

#include "snapshot/snapshot.h"
#include "target/syscall.h"
#include "target/target.h"

enum csn_lock_kind {
	CSN_LOCK_OTHER, /* a futex that nobody knows */
	CSN_LOCK_MUTEX,
	CSN_LOCK_RWLOCK,
	CSN_LOCK_CONDITION,
	CSN_LOCK_SEMAPHORE,
	CSN_LOCK_THREAD,  /* the end of a thread */
	CSN_LOCK_LIBRARY, /* a lock inside the C library, without owner */
};

struct csn_lock {
	enum csn_lock_kind kind;
	csn_addr address;       /* of the lock; of the word where that is all that is known */
	int64_t owner;          /* who holds it, or is waited for, as the process numbers threads; 0
				   nobody knows */
	uint32_t n_readers;     /* who hold it for reading */
	bool between_processes; /* the owner may be a thread of another one */
};

/* Threads of the process by their numbers, sorted. */
struct csn_tid {
	int64_t tid;
	size_t index; /* into csn_target.threads */
};

struct csn_tids {
	struct csn_tid *items;
	size_t count;
};

/* The index of a thread, or SIZE_MAX. */
size_t csn_tids_find(const struct csn_tids *tids, int64_t tid);

/* What the names on the stack of a waiting thread say; OTHER nothing. *ret_first is the number of
 * the frame behind the function that waits (0: no such function), *ret_nameless whether the code
 * that waits has no name at all, so that memory must tell. */
enum csn_lock_kind csn_lock_kind_of(const struct csn_snapshot_thread *stack, size_t *ret_first,
				    bool *ret_nameless);

/* Looks at the memory around a word. */
void csn_lock_read(struct csn_target *target, const struct csn_futex_wait *wait,
		   enum csn_lock_kind kind, bool nameless, const struct csn_tids *tids,
		   struct csn_lock *ret_lock);

#endif
