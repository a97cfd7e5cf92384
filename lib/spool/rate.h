/* The crash-loop ladder: how much of a crash is worth keeping when one program dies over and over.
 *
 * A table of fixed size in <beside>/rate, shared by all helpers that run at the same time, counts
 * per key (executable and container) in windows: the first rate_full.count crashes of a window are
 * taken whole, the next rate_notes.count as notes only, the rest are ticks (spool/ticks.h). It
 * never says less than a tick, and a missing, torn, foreign or locked table says "full": the ladder
 * protects the host, it must never be the reason a crash is lost. Where the table is full the key
 * that has been quiet longest makes room, so the first crash of a new build is always whole.
 *
 * All programs of one user together may have CSN_RATE_USER_SHARE times as much, and as many first
 * crashes of programs besides, so that new programs made for the purpose are no way around it.
 *
 * Time is CLOCK_BOOTTIME within one boot: setting the clock opens no window and shuts none. */
#ifndef CSN_SPOOL_RATE_H
#define CSN_SPOOL_RATE_H

#include "base/error.h"
#include "base/types.h"
#include "spool/spool.h"

/* How many times the limits of one program hold for all of one user. */
#define CSN_RATE_USER_SHARE 10u

enum csn_rate_step { CSN_RATE_FULL, CSN_RATE_NOTES, CSN_RATE_TICK };

/* When: nanoseconds since boot, and which boot that was (0 unknown). */
struct csn_rate_time {
	int64_t boot_ns;
	uint32_t boot;
};

struct csn_rate_answer {
	enum csn_rate_step step;
	uint64_t ticks;     /* that this window has counted, this one with them */
	uint8_t object[16]; /* uuid of the key's last crash that was stored whole; 0 none */
};

/* The key of a crash: the executable (device, inode, modification time) and its cgroup. */
uint64_t csn_rate_key(uint64_t device, uint64_t inode, int64_t mtime_ns, uint64_t cgroup);

/* The present moment, for csn_rate_take. */
struct csn_rate_time csn_rate_now(void);

/* Counts one crash of key, of a process of uid, and says what to take. Never blocks longer than
 * 200 ms. */
void csn_rate_take(const struct csn_spool *spool, const struct csn_policy *policy, uint64_t key,
		   uint32_t uid, struct csn_rate_time now, struct csn_rate_answer *ret_answer);
/* A crash of key was stored: ticks belong to it from now on. whole: it was taken whole; others
 * count only where there is no whole one. */
void csn_rate_stored(const struct csn_spool *spool, uint64_t key, const char *uuid, bool whole);
/* Counts of key that could not be written down as ticks stay in the table as a debt. False: they
 * are lost, the key has no place in it any more. */
bool csn_rate_owe(const struct csn_spool *spool, uint64_t key, uint32_t count);

struct csn_rate_debt {
	uint64_t key;
	uint8_t object[16];
	uint32_t count;
	uint32_t round; /* of this key; the same again when a payment was cut short */
};

/* Writes a debt down for good; false: not now. */
typedef bool (*csn_rate_pay)(void *context, const struct csn_rate_debt *debt);

/* Pays every debt and strikes it out. Killed in between it is paid again, in the same round. */
void csn_rate_settle(const struct csn_spool *spool, csn_rate_pay pay, void *context);

#endif
