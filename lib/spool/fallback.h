/* Where a crash goes when the spool cannot be used: missing, a symbolic link, of the wrong owner,
 * on a disk that is mounted read-only.
 *
 *	/run/coresnap/pending/<uuid>	cores, as in the spool; 0600 in a folder of root's alone,
 *0700 /run/coresnap/pending/.told	somebody said so once
 *
 * Another spool than the host's usual one has /run/coresnap/pending-<8 hex>, the CRC-32 of its
 * path. All of it is memory, so it holds 8 MiB and no more. The daemon and `coresnap enable`, as
 * root, move what is there into the spool when that is sound again. Nothing is written anywhere
 * else. */
#ifndef CSN_SPOOL_FALLBACK_H
#define CSN_SPOOL_FALLBACK_H

#include "base/error.h"
#include "base/types.h"
#include "spool/spool.h"

#define CSN_FALLBACK_MAX_BYTES (8ull * 1024 * 1024)

struct csn_fallback {
	char path[64]; /* of the folder */
	int dir_fd;
};

#define CSN_FALLBACK_INIT \
	{ \
		.dir_fd = -1 \
	}

/* Opens the place that belongs to the spool at this path; made when missing if create says so. As
 * root. NOT_FOUND without one, DENIED when it is not root's alone. */
int csn_fallback_open(const char *archive_path, bool create, struct csn_fallback *ret_fallback,
		      struct csn_error *err) csn_must_check;
void csn_fallback_close(struct csn_fallback *fallback);
/* How many more bytes fit. */
uint64_t csn_fallback_room(const struct csn_fallback *fallback);
/* How many objects wait there. */
size_t csn_fallback_count(const struct csn_fallback *fallback);
/* True once, for whoever comes first since the place was emptied. */
bool csn_fallback_tell(const struct csn_fallback *fallback);

/* Moves all that is there into pending/ of an open spool, as root; the objects become the spool's
 * user's. One that cannot be moved stays. */
int csn_fallback_empty(const struct csn_fallback *fallback, const struct csn_spool *spool,
		       size_t *ret_count, struct csn_error *err) csn_must_check;

#endif
