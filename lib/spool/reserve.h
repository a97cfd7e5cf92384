/* The reserve: 1 MiB on the spool's own disk, held so that a crash can be told of when it is full.
 *
 *	<archive>/reserve/<00 to 15>	64 KiB each, allocated
 *
 * A helper that finds no room gives up one piece after the other until the notes of its crash fit:
 * each frees its blocks and, where those are what ran out, one inode. The daemon (and coresnap
 * enable) makes them again when there is room. */
#ifndef CSN_SPOOL_RESERVE_H
#define CSN_SPOOL_RESERVE_H

#include "base/error.h"
#include "base/limits.h"
#include "base/types.h"
#include "spool/spool.h"

#define CSN_RESERVE_PIECES 16u
#define CSN_RESERVE_PIECE_BYTES (64 * CSN_KIB)

/* How many pieces there are. */
unsigned csn_reserve_count(const struct csn_spool *spool);
/* Gives up one piece; false when there is none. */
bool csn_reserve_release(const struct csn_spool *spool);
/* Makes what is missing, as the spool's user or root. OS when the disk has no room for all. */
int csn_reserve_make(const struct csn_spool *spool, struct csn_error *err) csn_must_check;

#endif
