#include "spool/usage.h"

#include <stddef.h>

/* Above a limit by this part of it there is no place for anything. */
#define HARD_PART 8

static struct csn_usage_user *find_user(struct csn_usage *usage, uint32_t uid)
{
	uint32_t i;

	for (i = 0; i < usage->n_users; i++)
		if (usage->users[i].uid == uid)
			return &usage->users[i];
	if (usage->n_users == CSN_USAGE_USERS)
		return &usage->users[CSN_USAGE_USERS - 1];
	usage->users[usage->n_users] = (struct csn_usage_user){ .uid = uid };
	return &usage->users[usage->n_users++];
}

void csn_usage_add(struct csn_usage *usage, uint32_t uid, uint64_t bytes)
{
	struct csn_usage_user *user = find_user(usage, uid);

	usage->files++;
	usage->bytes += bytes;
	user->files++;
	user->bytes += bytes;
}

static bool reaches(uint64_t used, uint64_t limit)
{
	return limit && used >= limit;
}

static bool exceeds(uint64_t used, uint64_t limit)
{
	return limit && used > limit;
}

static bool reaches_hard(uint64_t used, uint64_t limit)
{
	return limit && used >= limit + limit / HARD_PART;
}

bool csn_usage_is_over(const struct csn_usage *usage, const struct csn_spool_limits *limits)
{
	return reaches(usage->bytes, limits->bytes) || reaches(usage->files, limits->files);
}

/* A part of a limit; 0, no limit, stays that, and a part is never rounded down to it. */
static uint64_t part_of(uint64_t limit, uint32_t percent)
{
	uint64_t part = limit / 100 * percent + limit % 100 * percent / 100;

	return limit && !part ? 1 : part;
}

static const struct csn_usage_user *get_user(const struct csn_usage *usage, uint32_t uid)
{
	uint32_t i;

	for (i = 0; i < usage->n_users; i++)
		if (usage->users[i].uid == uid)
			return &usage->users[i];
	return usage->n_users == CSN_USAGE_USERS ? &usage->users[CSN_USAGE_USERS - 1] : NULL;
}

static bool passes_share(const struct csn_usage *usage, const struct csn_spool_limits *limits,
			 uint32_t uid, bool (*passes)(uint64_t used, uint64_t limit))
{
	const struct csn_usage_user *user = get_user(usage, uid);

	if (!user || !limits->share_percent || limits->share_percent >= 100)
		return false;
	if (!reaches(usage->bytes, part_of(limits->bytes, 50)) &&
	    !reaches(usage->files, part_of(limits->files, 50)))
		return false;
	return passes(user->bytes, part_of(limits->bytes, limits->share_percent)) ||
	       passes(user->files, part_of(limits->files, limits->share_percent));
}

bool csn_usage_is_over_share(const struct csn_usage *usage, const struct csn_spool_limits *limits,
			     uint32_t uid)
{
	return passes_share(usage, limits, uid, exceeds);
}

enum csn_admission csn_usage_admit(const struct csn_usage *usage,
				   const struct csn_spool_limits *limits, uint32_t uid, bool first,
				   const char **ret_reason)
{
	*ret_reason = "spool";
	if (reaches_hard(usage->bytes, limits->bytes) || reaches_hard(usage->files, limits->files))
		return CSN_ADMIT_COUNT;
	if (csn_usage_is_over(usage, limits) && !first)
		return CSN_ADMIT_NOTES;
	*ret_reason = "share";
	if (passes_share(usage, limits, uid, reaches_hard))
		return CSN_ADMIT_COUNT;
	if (passes_share(usage, limits, uid, reaches))
		return CSN_ADMIT_NOTES;
	*ret_reason = NULL;
	return CSN_ADMIT_ALL;
}
