/* Landlock without a library: three system calls (landlock(7)), whose numbers are the same on every
 * architecture. A right that the kernel does not know yet makes it refuse all, so what is asked for
 * goes by the version that it says it has. The structure is the first version's and grows at its
 * end. */
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sandbox/sandbox_internal.h"

/* From <linux/landlock.h>, which on some systems that we build on is older than their kernels. */
#define CREATE_RULESET 444
#define RESTRICT_SELF 446
#define GET_VERSION 1u

struct rules {
	uint64_t files, network, scopes;
};

/* Rights of each version, as counts of bits: all are taken. */
static const struct {
	size_t size_bytes; /* of the structure that the version knows */
	uint8_t files, network, scopes;
} versions[] = {
	{ 8, 13, 0, 0 },  /* everything below a folder */
	{ 8, 14, 0, 0 },  /* renaming across folders */
	{ 8, 15, 0, 0 },  /* truncating */
	{ 16, 15, 2, 0 }, /* TCP: bind, connect */
	{ 16, 16, 2, 0 }, /* ioctl of devices */
	{ 24, 16, 2, 2 }, /* abstract sockets and signals of others */
};

static uint64_t bits(unsigned n)
{
	return ((uint64_t)1 << n) - 1;
}

bool csn_landlock_restrict(void)
{
	long version = syscall(CREATE_RULESET, NULL, 0, GET_VERSION);
	size_t at = (size_t)version - 1;
	cleanup_close int fd = -1;
	struct rules rules;

	if (version < 1)
		return false;
	if (at >= csn_countof(versions))
		at = csn_countof(versions) - 1;
	rules = (struct rules){ bits(versions[at].files), bits(versions[at].network),
				bits(versions[at].scopes) };
	fd = (int)syscall(CREATE_RULESET, &rules, versions[at].size_bytes, 0);
	return fd >= 0 && syscall(RESTRICT_SELF, fd, 0) == 0;
}
