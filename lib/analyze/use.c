#include "analyze/use.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/facts.h"

/* An allocation that failed was for what was left, and no more than this share of the limit. */
#define CSN_NEAR_PERCENT 75u

static const struct csn_used {
	const char *limit; /* as /proc/PID/limits names it; soft limits count */
	const char *fact;
	uint64_t unit; /* of the fact, in those of the limit */
	bool is_memory;
	const char *words;
} csn_used[] = {
	{ "Max address space", "status.VmSize", 1024, true, "address space" },
	{ "Max data size", "status.VmData", 1024, true, "data" },
	{ "Max open files", "fd_count", 1, false, "open files" },
	{ "Max locked memory", "status.VmLck", 1024, false, "locked memory" },
};

static bool csn_read_limit(const json_t *facts, const char *name, uint64_t *ret_soft)
{
	const json_t *pair = json_object_get(json_object_get(facts, "limits"), name);
	const json_t *soft = json_array_get(pair, 0);

	if (!json_is_integer(soft) || json_integer_value(soft) <= 0)
		return false;
	*ret_soft = (uint64_t)json_integer_value(soft);
	return true;
}

/* Did an allocation fail, by what the program says? */
static bool csn_allocation_failed(const struct csn_fault_look *look)
{
	const char *words = look->teller ? look->teller->words : "";

	if (look->exception)
		return strncmp(look->exception, "std::bad_alloc", strlen("std::bad_alloc")) == 0;
	return strstr(look->message ? look->message : words, "out of memory") != NULL ||
	       strstr(words, "bad_alloc") != NULL;
}

static int csn_note_use(struct csn_fault_look *look, const struct csn_used *used, uint64_t use,
			uint64_t limit)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %" PRIu64 " used, limit %" PRIu64, used->words, use,
		 limit);
	return csn_snapshot_add_annotation(look->snapshot, "limit", text, look->err);
}

int csn_compare_use(struct csn_fault_look *look)
{
	const json_t *facts = look->scene->facts;
	bool failed = csn_allocation_failed(look);
	uint64_t use, limit;
	int result = 0;

	for (size_t i = 0; facts && i < csn_countof(csn_used) && result == 0; i++) {
		const struct csn_used *used = &csn_used[i];
		bool near;

		if (!csn_read_limit(facts, used->limit, &limit) ||
		    !csn_facts_number(facts, used->fact, &use) ||
		    __builtin_mul_overflow(use, used->unit, &use))
			continue;
		near = failed && used->is_memory && use >= limit / 100 * CSN_NEAR_PERCENT;
		if (use < limit && !near)
			continue;
		result = csn_note_use(look, used, use, limit);
		if (result == 0)
			result = csn_snapshot_add_classifier(look->snapshot, "limit", look->err);
		if (result == 0 && near)
			result = csn_snapshot_add_classifier(look->snapshot, "oom", look->err);
		if (near && !look->use_words[0])
			snprintf(look->use_words, sizeof(look->use_words),
				 ", %u %% of the %s limit used", (unsigned)(use / (limit / 100)),
				 used->words);
	}
	return result;
}
