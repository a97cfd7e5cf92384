#include "analyze/lock.h"

#include <linux/futex.h>
#include <string.h>

/* The function that waits stands within this many frames. */
#define CSN_WAITING_FRAMES 12u

/* Names without leading underscores. */
static const struct csn_waiter {
	const char *function;
	enum csn_lock_kind kind;
} csn_waiters[] = {
	{ "lll_lock_wait_private", CSN_LOCK_LIBRARY },
	{ "pthread_mutex_lock", CSN_LOCK_MUTEX },
	{ "pthread_mutex_lock_full", CSN_LOCK_MUTEX },
	{ "pthread_mutex_timedlock", CSN_LOCK_MUTEX },
	{ "pthread_mutex_clocklock", CSN_LOCK_MUTEX },
	{ "pthread_mutex_clocklock_common", CSN_LOCK_MUTEX },
	{ "pthread_mutex_cond_lock", CSN_LOCK_MUTEX },
	{ "pthread_mutex_cond_lock_full", CSN_LOCK_MUTEX },
	{ "pthread_rwlock_rdlock", CSN_LOCK_RWLOCK },
	{ "pthread_rwlock_wrlock", CSN_LOCK_RWLOCK },
	{ "pthread_rwlock_timedrdlock", CSN_LOCK_RWLOCK },
	{ "pthread_rwlock_timedwrlock", CSN_LOCK_RWLOCK },
	{ "pthread_rwlock_clockrdlock", CSN_LOCK_RWLOCK },
	{ "pthread_rwlock_clockwrlock", CSN_LOCK_RWLOCK },
	{ "pthread_cond_wait", CSN_LOCK_CONDITION },
	{ "pthread_cond_timedwait", CSN_LOCK_CONDITION },
	{ "pthread_cond_clockwait", CSN_LOCK_CONDITION },
	{ "sem_wait", CSN_LOCK_SEMAPHORE },
	{ "new_sem_wait", CSN_LOCK_SEMAPHORE },
	{ "sem_timedwait", CSN_LOCK_SEMAPHORE },
	{ "sem_clockwait", CSN_LOCK_SEMAPHORE },
	{ "pthread_join", CSN_LOCK_THREAD },
	{ "pthread_clockjoin_ex", CSN_LOCK_THREAD },
	{ "pthread_timedjoin_np", CSN_LOCK_THREAD },
	{ "pthread_clockjoin_np", CSN_LOCK_THREAD },
};

/* Where glibc keeps what; bytes from the beginning. */
struct csn_lock_layout {
	uint8_t word_bytes;
	uint8_t mutex_owner, mutex_users, mutex_kind, mutex_bytes;
	uint8_t rwlock_writer, rwlock_shared, rwlock_bytes;
};

static const struct csn_lock_layout csn_lock_layouts[] = {
	{ 8, 8, 12, 16, 40, 24, 28, 56 },
	{ 4, 8, 16, 12, 24, 28, 25, 32 },
};

/* __kind of a mutex. */
enum {
	CSN_MUTEX_ROBUST = 0x10,
	CSN_MUTEX_INHERIT = 0x20,
	CSN_MUTEX_PROTECT = 0x40,
	CSN_MUTEX_SHARED = 0x80,
	CSN_MUTEX_ALL = 0x3ff,
};

/* A word with a priority in it. */
#define CSN_MUTEX_CEILING 0xfff80000u

/* A rwlock's first word: flags, and above them the number of readers. */
enum {
	CSN_RWLOCK_WRITING = 1, /* the phase is that of writers */
	CSN_RWLOCK_LOCKED = 2,  /* a writer has it, or comes next */
	CSN_RWLOCK_READERS = 3, /* shift */
};

size_t csn_tids_find(const struct csn_tids *tids, int64_t tid)
{
	size_t low = 0, high = tids->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tids->items[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < tids->count && tids->items[low].tid == tid ? tids->items[low].index : SIZE_MAX;
}

static bool csn_is_thread(const struct csn_tids *tids, int64_t tid)
{
	return tid > 0 && csn_tids_find(tids, tid) != SIZE_MAX;
}

static bool csn_waiter_is(const char *name, const char *wanted)
{
	size_t length = strlen(wanted);

	if (strncmp(name, "__GI_", 5) == 0)
		name += 5;
	name += strspn(name, "_");
	return strncmp(name, wanted, length) == 0 && (!name[length] || name[length] == '@');
}

enum csn_lock_kind csn_lock_kind_of(const struct csn_snapshot_thread *stack, size_t *ret_first,
				    bool *ret_nameless)
{
	size_t n = csn_min_u64(stack->n_frames, CSN_WAITING_FRAMES);

	*ret_first = 0;
	*ret_nameless = n && !stack->frames[0].function;
	for (size_t i = 0; i < n && !stack->frames[i].signal_frame; i++) {
		const char *name = stack->frames[i].function;

		for (size_t k = 0; name && k < csn_countof(csn_waiters); k++) {
			if (!csn_waiter_is(name, csn_waiters[k].function))
				continue;
			*ret_first = i + 1;
			*ret_nameless = false;
			return csn_waiters[k].kind;
		}
	}
	return CSN_LOCK_OTHER;
}

static const struct csn_lock_layout *csn_layout_of(const struct csn_target *target)
{
	return &csn_lock_layouts[target->arch->word_bytes == 4];
}

/* A 32-bit word of a lock that was read whole. */
static uint32_t csn_lock_word(const uint8_t *lock, size_t offset)
{
	uint32_t word;

	memcpy(&word, lock + offset, sizeof(word));
	return word;
}

/* Who holds a mutex: in the word itself when the kernel takes part, else beside it. False when it
 * is none, or nobody holds it. */
static bool csn_read_mutex(struct csn_target *target, const struct csn_futex_wait *wait,
			   bool nameless, const struct csn_tids *tids, struct csn_lock *lock)
{
	const struct csn_lock_layout *layout = csn_layout_of(target);
	bool inherits = wait->operation == FUTEX_LOCK_PI || wait->operation == FUTEX_LOCK_PI2;
	uint8_t bytes[64];
	uint32_t word, kind;

	if (csn_target_read_some(target, wait->word, bytes, layout->mutex_bytes) !=
	    layout->mutex_bytes)
		return false;
	word = csn_lock_word(bytes, 0);
	kind = csn_lock_word(bytes, layout->mutex_kind);
	if ((kind & ~(uint32_t)CSN_MUTEX_ALL) || inherits != !!(kind & CSN_MUTEX_INHERIT))
		return false;
	if (kind & CSN_MUTEX_PROTECT)
		word &= ~CSN_MUTEX_CEILING;
	if (kind & (CSN_MUTEX_INHERIT | CSN_MUTEX_ROBUST))
		lock->owner = word & FUTEX_TID_MASK;
	else if (word == 1 || word == 2)
		lock->owner = csn_lock_word(bytes, layout->mutex_owner);
	lock->between_processes = kind & CSN_MUTEX_SHARED;
	/* Where no name says that it is a mutex, all of it must fit. */
	if (nameless &&
	    (!csn_is_thread(tids, lock->owner) || !csn_lock_word(bytes, layout->mutex_users) ||
	     (!(kind & (CSN_MUTEX_INHERIT | CSN_MUTEX_ROBUST)) && wait->seen != 2)))
		return false;
	return lock->owner > 0 && lock->owner <= INT32_MAX;
}

/* Threads wait at one of three words of it. */
static bool csn_read_rwlock(struct csn_target *target, const struct csn_futex_wait *wait,
			    const struct csn_tids *tids, struct csn_lock *lock)
{
	static const uint8_t words[] = { 8, 12, 0 };
	const struct csn_lock_layout *layout = csn_layout_of(target);

	for (size_t i = 0; i < csn_countof(words); i++) {
		csn_addr start = wait->word - words[i];
		uint32_t readers, writer;
		uint8_t bytes[64], shared;

		if (csn_target_read_some(target, start, bytes, layout->rwlock_bytes) !=
		    layout->rwlock_bytes)
			continue;
		readers = csn_lock_word(bytes, 0);
		writer = csn_lock_word(bytes, layout->rwlock_writer);
		shared = bytes[layout->rwlock_shared];
		/* The other words hold few bits. */
		if (csn_lock_word(bytes, 8) > 3 || csn_lock_word(bytes, 12) > 3 || shared > 1)
			continue;
		if (writer ? !(readers & CSN_RWLOCK_LOCKED) || !(readers & CSN_RWLOCK_WRITING) ||
				     (!csn_is_thread(tids, writer) && !shared)
			   : (readers & CSN_RWLOCK_WRITING) || !(readers >> CSN_RWLOCK_READERS))
			continue;
		lock->address = start;
		lock->between_processes = shared;
		lock->owner = writer;
		lock->n_readers = writer ? 0 : readers >> CSN_RWLOCK_READERS;
		return true;
	}
	return false;
}

/* A thread that ends clears its number, and wakes who waits for that. */
static bool csn_read_end(struct csn_target *target, const struct csn_futex_wait *wait,
			 const struct csn_tids *tids, struct csn_lock *lock)
{
	uint8_t bytes[4];

	if (csn_target_read_some(target, wait->word, bytes, sizeof(bytes)) != sizeof(bytes) ||
	    csn_lock_word(bytes, 0) != wait->seen || !csn_is_thread(tids, wait->seen))
		return false;
	lock->owner = wait->seen;
	return true;
}

void csn_lock_read(struct csn_target *target, const struct csn_futex_wait *wait,
		   enum csn_lock_kind kind, bool nameless, const struct csn_tids *tids,
		   struct csn_lock *ret_lock)
{
	struct csn_lock lock = { .kind = kind, .address = wait->word }, plain;

	/* Behind the signal, the mutex of a condition is taken again. */
	if (kind == CSN_LOCK_CONDITION && wait->operation != FUTEX_WAIT_BITSET)
		lock.kind = CSN_LOCK_MUTEX;
	plain = lock;
	if (lock.kind == CSN_LOCK_MUTEX || (nameless && wait->operation != FUTEX_WAIT_BITSET)) {
		lock.kind = CSN_LOCK_MUTEX;
		*ret_lock = csn_read_mutex(target, wait, nameless, tids, &lock) ? lock : plain;
	} else if (lock.kind == CSN_LOCK_RWLOCK) {
		*ret_lock = csn_read_rwlock(target, wait, tids, &lock) ? lock : plain;
	} else if (lock.kind == CSN_LOCK_THREAD) {
		*ret_lock = csn_read_end(target, wait, tids, &lock) ? lock : plain;
	} else {
		*ret_lock = lock;
	}
}
