#include "sandbox/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/sanitized.h"
#include "sandbox/sandbox_internal.h"

/* Lowers a limit; one that is lower already stays. */
static int lower(int resource, uint64_t soft, uint64_t hard, struct csn_error *err)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return csn_fail_os(err, errno, "getrlimit");
	limit.rlim_max = csn_min_u64(limit.rlim_max, hard);
	limit.rlim_cur = csn_min_u64(csn_min_u64(limit.rlim_cur, soft), limit.rlim_max);
	if (setrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return csn_fail_os(err, errno, "setrlimit");
	return 0;
}

static int limit(const struct csn_confinement *confinement, struct csn_error *err)
{
	const struct {
		int resource;
		bool wanted;
		uint64_t soft, hard;
	} limits[] = {
		/* 1: not even to a helper that reads a pipe. */
		{ RLIMIT_CORE, true, 1, 1 },
		{ RLIMIT_NOFILE, true, CSN_MAX_SANDBOX_FILES, CSN_MAX_SANDBOX_FILES },
		{ RLIMIT_FSIZE, confinement->file_bytes != 0, confinement->file_bytes,
		  confinement->file_bytes },
		{ RLIMIT_AS, !CSN_SANITIZED && confinement->address_bytes,
		  confinement->address_bytes, confinement->address_bytes },
		{ RLIMIT_DATA, !CSN_SANITIZED && confinement->data_bytes, confinement->data_bytes,
		  confinement->data_bytes },
		/* The soft one says why, by SIGXCPU. */
		{ RLIMIT_CPU, confinement->cpu_seconds != 0, confinement->cpu_seconds,
		  confinement->cpu_seconds + 5 },
	};

	for (size_t i = 0; i < csn_countof(limits); i++)
		if (limits[i].wanted &&
		    lower(limits[i].resource, limits[i].soft, limits[i].hard, err) < 0)
			return -CSN_E_OS;
	return 0;
}

static int compare_numbers(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Whoever started us may have left descriptors open. Kernels before 5.9 keep them so. */
static void close_others(const struct csn_confinement *confinement)
{
	cleanup_free int *keep = calloc(confinement->n_keep + 1, sizeof(*keep));
	unsigned from = 3;
	size_t i, n = 0;

	if (!keep)
		return;
	for (i = 0; i < confinement->n_keep; i++)
		if (confinement->keep[i] >= 3)
			keep[n++] = confinement->keep[i];
	qsort(keep, n, sizeof(*keep), compare_numbers);
	for (i = 0; i < n; i++) {
		if ((unsigned)keep[i] > from)
			(void)syscall(SYS_close_range, from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	(void)syscall(SYS_close_range, from, ~0u, 0);
}

static int drop_capabilities(struct csn_error *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capset, &head, none) < 0)
		return csn_fail_os(err, errno, "capset");
	return 0;
}

int csn_confine_lightly(const struct csn_confinement *confinement, struct csn_error *err)
{
	int rc = limit(confinement, err);

	if (rc < 0)
		return rc;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return csn_fail_os(err, errno, "prctl");
	return 0;
}

int csn_confine(const struct csn_confinement *confinement, unsigned *ret_absent,
		struct csn_error *err)
{
	unsigned absent = 0;
	int rc;

	close_others(confinement);
	rc = csn_confine_lightly(confinement, err);
	if (rc == 0)
		rc = drop_capabilities(err);
	if (rc < 0)
		return rc;
	if (!csn_landlock_restrict())
		absent |= CSN_CONFINE_LANDLOCK;
	if (!csn_seccomp_restrict())
		absent |= CSN_CONFINE_SECCOMP;
	*ret_absent = absent;
	return 0;
}
