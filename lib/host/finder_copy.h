/* A core's bytes into the spool: shared or copied with its holes, or unpacked.
 *
 * Called in a child of its own (finder_take.c), which has limits on time and size. */
#ifndef CSN_HOST_FINDER_COPY_H
#define CSN_HOST_FINDER_COPY_H

#include "base/error.h"

enum finder_packing {
	FINDER_PLAIN, /* an ELF file */
	FINDER_GZIP,
	FINDER_ZSTD,
	FINDER_UNKNOWN_PACKING, /* lz4, xz: seen on cores, not understood */
	FINDER_NO_CORE
};

/* By the first bytes, whatever it is called. */
enum finder_packing finder_packing_of(int fd);

/* Copies size_bytes, without copying where the file system can share, and without filling holes. */
int finder_copy(int from_fd, int to_fd, uint64_t size_bytes, struct csn_error *err) csn_must_check;

struct finder_unpack_limits {
	uint64_t max_bytes;    /* of the whole core, holes included */
	uint64_t packed_bytes; /* of the file, for the ratio of what is stored */
	uint64_t room_bytes;   /* that may be stored at all */
};

/* Unpacks gzip or zstd; blocks of zeros become holes. LIMIT past the limits, FORMAT for what is
 * damaged or cut. */
int finder_unpack(enum finder_packing packing, int from_fd, int to_fd,
		  const struct finder_unpack_limits *limits, struct csn_error *err) csn_must_check;

#endif
