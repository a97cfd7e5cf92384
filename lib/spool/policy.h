/* The policy: what the core_pattern helper needs to know, compiled from coresnap.conf.
 *
 * The helper runs as root for a moment and reads no configuration file; it reads this one record
 * of fixed size, versioned and closed by a CRC-32. Missing, torn or written by somebody else than
 * root or the spool's user, it is as if it were not there: the built-in defaults hold. Nothing
 * here allocates. */
#ifndef CSN_SPOOL_POLICY_H
#define CSN_SPOOL_POLICY_H

#include <sys/types.h>

#include "base/error.h"
#include "base/types.h"

/* Version 1 is read too: what it does not say has its default. */
#define CSN_POLICY_VERSION 2u
/* Exact size of the record in the file. */
#define CSN_POLICY_BYTES 4608u
#define CSN_POLICY_PATH_MAX 4096u
/* uid and gid: whoever owns the spool's folder. */
#define CSN_POLICY_OWNER UINT32_MAX

enum csn_policy_mode { CSN_POLICY_MINIMAL, CSN_POLICY_FULL, CSN_POLICY_AUTO };

/* Free space to leave: a share of the file system, or bytes; whichever is not zero. */
struct csn_quota {
	uint32_t permyriad; /* 1/100 of a percent: 1000 is 10 % */
	uint64_t bytes;
};

/* How much the spool may hold; 0 is no limit. */
struct csn_spool_limits {
	uint64_t bytes;
	uint32_t files;
	uint32_t share_percent; /* of one user, once the spool is half full; 0 and 100: all of it */
};

/* The built-in ones (docs/adr/0016-how-much-the-spool-holds.md). */
#define CSN_SPOOL_LIMITS_INIT \
	{ \
		.bytes = 1ull << 30, .files = 2000, .share_percent = 25 \
	}

/* count per seconds. */
struct csn_rate_limit {
	uint32_t count;
	uint32_t seconds;
};

struct csn_policy {
	enum csn_policy_mode mode;
	uint32_t uid, gid; /* who the helper becomes; CSN_POLICY_OWNER */
	uint64_t budget_bytes;
	uint64_t full_below_bytes; /* mode auto */
	uint64_t files_bytes;      /* copies of files of the dead, per crash */
	struct csn_quota quota;
	struct csn_spool_limits limits;
	bool rate_disabled;
	struct csn_rate_limit rate_full, rate_notes; /* per executable and container */
	char archive[CSN_POLICY_PATH_MAX];           /* absolute: the folder with pending/ in it */
};

/* The built-in defaults (those of the template) for an installation below root ("" on a host). */
void csn_policy_init(struct csn_policy *policy, const char *root);

/* Reads and checks the record: FORMAT when torn or of another version, DENIED when the file is not
 * a plain file of root or of policy.uid, or is writable by others. The last part of path may be a
 * symlink only when its folder belongs to root. */
int csn_policy_read(const char *path, struct csn_policy *ret_policy, struct csn_error *err)
	csn_must_check;
/* Whether both say the same to the helper. */
bool csn_policy_equal(const struct csn_policy *a, const struct csn_policy *b);
/* Publishes the record at path (0644: it holds no secret). */
int csn_policy_write(const char *path, const struct csn_policy *policy, struct csn_error *err)
	csn_must_check;

/* For the helper: finds the policy from its own location. self is the path of the running program
 * (readlink /proc/self/exe): <root>/opt/backtrace/... has it at <root>/var/coresnap/policy, a copy
 * named ".../a" has it beside itself. Always fills ret_policy; returns 0 when it was read, else the
 * error that made the defaults hold (worth a log line, never a reason to lose a crash). */
int csn_policy_find(const char *self, struct csn_policy *ret_policy, struct csn_error *err);
/* Where it is, or would be. LIMIT when that does not fit. */
int csn_policy_path(const char *self, char *out, size_t out_size, struct csn_error *err)
	csn_must_check;

#endif
