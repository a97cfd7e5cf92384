/* Giving up rights, for good.
 *
 * Afterwards the process cannot open, execute, connect, trace, signal others, make processes or
 * executable memory; it can use the descriptors it has, within limits of memory and time. In this
 * order: limits, descriptors that are not on the list closed, not to be traced or dumped, no new
 * privileges, no capabilities, no files and no network by landlock, and last system calls by
 * seccomp. The first five every kernel has; the others are used where the kernel has them. */
#ifndef CSN_SANDBOX_CONFINE_H
#define CSN_SANDBOX_CONFINE_H

#include "base/error.h"

struct csn_confinement {
	const int *keep; /* descriptors besides 0, 1 and 2; negative: none */
	size_t n_keep;
	uint64_t address_bytes; /* of mappings in all; 0: no limit */
	uint64_t data_bytes;    /* of memory that is no file's; 0: no limit */
	uint64_t file_bytes;    /* of one file that is written; 0: no limit */
	uint64_t cpu_seconds;   /* 0: no limit */
};

/* Layers that a kernel may lack. */
enum csn_confine_layer {
	CSN_CONFINE_LANDLOCK = 1,
	CSN_CONFINE_SECCOMP = 2,
};

/* Confines the calling process, which must have one thread. ret_absent: layers that are not there
 * (enum csn_confine_layer). OS: something that every kernel has was refused; the process must then
 * not go on. */
int csn_confine(const struct csn_confinement *confinement, unsigned *ret_absent,
		struct csn_error *err) csn_must_check;

/* Only what costs nothing and forbids no network: limits, no new privileges, not to be dumped. For
 * processes that must reach servers. */
int csn_confine_lightly(const struct csn_confinement *confinement, struct csn_error *err)
	csn_must_check;

#endif
