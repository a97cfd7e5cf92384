/* How much of the spool is used, by whom, and what that allows a crash to keep.
 *
 * Pure arithmetic on a small value: whoever keeps it (spool/counters.h) says where it comes from.
 * Limits are soft up to an eighth above them, so that the first crash of a new program still has a
 * place when the rest is full; beyond that a crash is only counted. A user's share holds as soon as
 * the spool is half full: before that nobody is pushed out. */
#ifndef CSN_SPOOL_USAGE_H
#define CSN_SPOOL_USAGE_H

#include "base/types.h"
#include "spool/policy.h"

/* Users counted one by one; those beyond share the last place. */
#define CSN_USAGE_USERS 64u

struct csn_usage_user {
	uint32_t uid;
	uint32_t files;
	uint64_t bytes;
};

struct csn_usage {
	uint64_t bytes; /* of objects and of the copied files beside them */
	uint32_t files; /* objects, over all stages */
	uint32_t n_users;
	struct csn_usage_user users[CSN_USAGE_USERS];
};

/* What is left to a crash. */
enum csn_admission {
	CSN_ADMIT_ALL,
	CSN_ADMIT_NOTES, /* no memory */
	CSN_ADMIT_COUNT  /* nothing but a tick */
};

/* Adds one object of uid. */
void csn_usage_add(struct csn_usage *usage, uint32_t uid, uint64_t bytes);

/* True when a limit of the spool as a whole is reached. 0 is no limit. */
bool csn_usage_is_over(const struct csn_usage *usage, const struct csn_spool_limits *limits);
/* True when uid has more than its share of a spool that is more than half full. */
bool csn_usage_is_over_share(const struct csn_usage *usage, const struct csn_spool_limits *limits,
			     uint32_t uid);

/* first: nothing of this program is stored yet. ret_reason: "spool" or "share", NULL for ALL. */
enum csn_admission csn_usage_admit(const struct csn_usage *usage,
				   const struct csn_spool_limits *limits, uint32_t uid, bool first,
				   const char **ret_reason);

#endif
