/* The kernel's core_pattern and core_pipe_limit: read, written, and kept in a file.
 *
 * Whose they are and what they were before is host/core_pattern.h's affair; the listener of
 * coresnap-archive, too, changes them, between the two lines that coresnap enable gave it. */
#ifndef CSN_SPOOL_KERNEL_PATTERN_H
#define CSN_SPOOL_KERNEL_PATTERN_H

#include "base/error.h"
#include "base/types.h"

#define CSN_CORE_PATTERN_FILE "/proc/sys/kernel/core_pattern"
#define CSN_CORE_PATTERN_MAX 128

struct csn_core_pattern {
	char text[CSN_CORE_PATTERN_MAX];
	unsigned pipe_limit;
};

/* The first line of a small file of the kernel's, cut to out_size. */
int csn_kernel_line_read(const char *path, char *out, size_t out_size, struct csn_error *err)
	csn_must_check;

/* What the kernel has now. */
int csn_core_pattern_get(struct csn_core_pattern *ret_pattern, struct csn_error *err)
	csn_must_check;
/* Writes both and reads both back: some kernels accept what they will not use. DENIED when the
 * kernel does not let us (a container, not root). */
int csn_core_pattern_set(const struct csn_core_pattern *pattern, struct csn_error *err)
	csn_must_check;

/* Into a file, two lines, and from it: NOT_FOUND unless it is a whole file of root's. */
int csn_core_pattern_save(const struct csn_core_pattern *pattern, const char *path,
			  struct csn_error *err) csn_must_check;
int csn_core_pattern_load(const char *path, struct csn_core_pattern *ret_pattern,
			  struct csn_error *err) csn_must_check;

/* A folder of root alone, made with this mode when missing. DENIED when others may do more there
 * than the mode says. */
int csn_make_roots_folder(const char *path, unsigned mode, struct csn_error *err) csn_must_check;

#endif
