/* Ticks: crashes of a loop that were only counted (the lowest step of spool/rate.h).
 *
 *	<beside>/ticks/new          records, appended by helpers
 *	<beside>/ticks/<uuid>.log   the same, closed: nobody appends to it any more
 *
 * One crash is one record of 200 bytes with a CRC-32, one write to a file opened for appending, so
 * records of helpers that run at the same time do not mix. A helper holds a read lock (OFD) on the
 * file while it appends, and has made sure, with the lock held, that the file still is "new". Who
 * closes the file renames it first and then waits for a write lock: after that no record can come.
 * Nothing is synced: a power cut may lose the last seconds of a loop. What is no record (torn by a
 * full disk, written by others) is passed over byte by byte until a record begins. */
#ifndef CSN_SPOOL_TICKS_H
#define CSN_SPOOL_TICKS_H

#include "base/error.h"
#include "base/span.h"
#include "base/types.h"
#include "base/uuid.h"
#include "spool/spool.h"

/* Exact size of a record in the file. */
#define CSN_TICK_BYTES 200u
#define CSN_TICK_EXE_MAX 140u
/* An open file is not made longer than this; what comes then is owed (csn_rate_owe). */
#define CSN_TICKS_MAX_FILE (4l * 1024 * 1024)

struct csn_tick {
	uint64_t key;       /* csn_rate_key */
	uint8_t object[16]; /* uuid of the program's last stored crash; 0 none */
	int64_t time_ns;    /* CLOCK_REALTIME */
	uint32_t count;     /* 1, or a debt of the ladder's table being paid */
	int32_t signal;
	uint32_t uid;
	uint32_t round;             /* of a debt; 0 none. One round of a key is one payment */
	char exe[CSN_TICK_EXE_MAX]; /* path, its end when it is too long; "" unknown */
};

/* Appends one record. LIMIT: the file is long enough, or locked by others. */
int csn_ticks_append(const struct csn_spool *spool, const struct csn_tick *tick,
		     struct csn_error *err) csn_must_check;

/* Puts the open file aside as <uuid>.log when it has records; uuid receives the name, "" when there
 * is nothing to close. A file that was put aside before and is not forgotten yet comes first. LIMIT
 * when a helper still appends to it: try again later. */
int csn_ticks_close(const struct csn_spool *spool, char uuid[CSN_UUID_TEXT], int *ret_fd,
		    struct csn_error *err) csn_must_check;
/* Removes a file put aside, when what it says is kept elsewhere. */
int csn_ticks_forget(const struct csn_spool *spool, const char *uuid, struct csn_error *err)
	csn_must_check;
/* How many bytes of records wait in the open file. */
uint64_t csn_ticks_waiting(const struct csn_spool *spool);

/* The next record of a file's bytes; false at the end. ret_skipped grows by the bytes passed over.
 */
bool csn_ticks_next(struct csn_span *span, struct csn_tick *ret_tick, uint64_t *ret_skipped);

#endif
