#include "host/evict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/uuid.h"
#include "host/crash.h"
#include "host/purge.h"
#include "spool/ticks.h"

#define WAITING (1u << CSN_STAGE_PENDING | 1u << CSN_STAGE_SENDING)

static const char *const class_names[CSN_N_EVICT_CLASSES] = {
	[CSN_EVICT_SUPPRESSED] = "suppressed", [CSN_EVICT_SENT] = "sent",
	[CSN_EVICT_REFUSED] = "refused",       [CSN_EVICT_DUPLICATE] = "duplicate",
	[CSN_EVICT_FIRST] = "first",
};

/* An item with its class; those of one group stand together, the oldest first. */
struct candidate {
	struct csn_item *item;
	enum csn_evict_class class;
	const struct csn_item *newest; /* of its group, what counts on belongs to it; NULL itself */
};

static int compare_group(const void *left, const void *right)
{
	const struct csn_item *a = ((const struct candidate *)left)->item;
	const struct csn_item *b = ((const struct candidate *)right)->item;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	/* Notes before whole crashes, so that the newest and the first are whole ones. */
	if (a->suppressed != b->suppressed)
		return a->suppressed ? -1 : 1;
	if (a->mtime_ns != b->mtime_ns)
		return a->mtime_ns < b->mtime_ns ? -1 : 1;
	return strcmp(a->uuid, b->uuid);
}

static int compare_worth(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	if (a->item->mtime_ns != b->item->mtime_ns)
		return a->item->mtime_ns < b->item->mtime_ns ? -1 : 1;
	return strcmp(a->item->uuid, b->item->uuid);
}

/* Of a kept core whose snapshot was sent nothing is lost. */
static bool is_sent(const struct csn_item *item)
{
	return item->stages == 1u << CSN_STAGE_KEPT;
}

/* One group, without what was sent. */
static void classify_group(struct candidate *first, size_t count)
{
	bool found_first = false;
	size_t i;

	for (i = 0; i < count; i++) {
		struct candidate *candidate = &first[i];
		const struct csn_item *item = candidate->item;

		candidate->newest = i + 1 < count ? first[count - 1].item : NULL;
		if (i + 1 == count) {
			candidate->class = CSN_EVICT_NEVER;
		} else if (!(item->stages & WAITING)) {
			candidate->class = CSN_EVICT_REFUSED;
		} else if (item->suppressed) {
			candidate->class = CSN_EVICT_SUPPRESSED;
		} else {
			candidate->class = found_first ? CSN_EVICT_DUPLICATE : CSN_EVICT_FIRST;
			found_first = true;
		}
	}
}

static void classify(const struct csn_inventory *inventory, struct candidate *candidates)
{
	size_t i, n = 0, n_sent = 0, start = 0;

	for (i = 0; i < inventory->count; i++) {
		struct csn_item *item = &inventory->items[i];

		if (is_sent(item))
			candidates[inventory->count - ++n_sent] =
				(struct candidate){ .item = item, .class = CSN_EVICT_SENT };
		else
			candidates[n++] = (struct candidate){ .item = item };
	}
	if (n)
		qsort(candidates, n, sizeof(*candidates), compare_group);
	for (i = 1; i <= n; i++) {
		if (i < n && candidates[i].item->group == candidates[start].item->group)
			continue;
		classify_group(candidates + start, i - start);
		start = i;
	}
}

void csn_evict_classify(const struct csn_inventory *inventory, enum csn_evict_class *ret_classes)
{
	cleanup_free struct candidate *candidates =
		calloc(inventory->count + 1, sizeof(*candidates));
	size_t i;

	for (i = 0; i < inventory->count; i++)
		ret_classes[i] = CSN_EVICT_NEVER;
	if (!candidates)
		return;
	classify(inventory, candidates);
	for (i = 0; i < inventory->count; i++)
		ret_classes[candidates[i].item - inventory->items] = candidates[i].class;
}

/* What the server does not have goes as a count, with the newest crash of the same program. */
static bool count_on(const struct csn_host *host, const struct candidate *candidate,
		     const struct csn_crash *crash)
{
	struct csn_tick tick = {
		.key = candidate->item->group,
		.time_ns = crash->time_ns ? crash->time_ns : candidate->item->mtime_ns,
		.count = 1,
		.signal = crash->signal,
		.uid = candidate->item->uid,
	};
	size_t length = crash->exe ? strlen(crash->exe) : 0;
	struct csn_error ignored;

	if (candidate->newest)
		(void)csn_uuid_parse(candidate->newest->uuid, tick.object);
	if (crash->exe)
		snprintf(tick.exe, sizeof(tick.exe), "%s",
			 crash->exe +
				 (length < sizeof(tick.exe) ? 0 : length - sizeof(tick.exe) + 1));
	return csn_ticks_append(&host->spool, &tick, &ignored) == 0;
}

/* Removes the item's files that its class speaks of. False: somebody works on it. */
static bool remove_item(const struct csn_host *host, struct csn_item *item, struct csn_error *err)
{
	struct csn_spool_object object = { 0 };
	int stage;

	memcpy(object.uuid, item->uuid, sizeof(object.uuid));
	for (stage = 0; stage < CSN_N_STAGES; stage++) {
		if (!(item->stages & 1u << stage))
			continue;
		object.stage = (enum csn_stage)stage;
		if (csn_purge_object(host, &object, err) < 0)
			return false;
		item->stages &= ~(1u << stage);
		item->stage_bytes[stage] = 0;
	}
	item->assets_bytes = 0;
	return true;
}

static bool evict_one(const struct csn_host *host, const struct candidate *candidate,
		      const char *why, struct csn_counting *count)
{
	struct csn_item *item = candidate->item;
	uint64_t bytes = csn_item_bytes(item);
	struct csn_crash crash = { 0 };
	struct csn_error err = CSN_ERROR_INIT;
	char program[256], size[32];
	bool counted = false;

	if (csn_crash_load(&host->spool,
			   item->stages & 1u << CSN_STAGE_PENDING   ? CSN_STAGE_PENDING
			   : item->stages & 1u << CSN_STAGE_SENDING ? CSN_STAGE_SENDING
			   : item->stages & 1u << CSN_STAGE_KEPT    ? CSN_STAGE_KEPT
								    : CSN_STAGE_QUARANTINE,
			   item->uuid, &crash, &err) < 0)
		crash = (struct csn_crash){ 0 };
	if (!remove_item(host, item, &err)) {
		csn_crash_done(&crash);
		if (err.code != CSN_E_DENIED)
			csn_host_say(host, LOG_ERR, "eviction: %s", err.text);
		return false;
	}
	if (candidate->class != CSN_EVICT_SENT)
		counted = count_on(host, candidate, &crash);
	csn_format_size(size, sizeof(size), bytes);
	csn_host_say(host, candidate->class == CSN_EVICT_SENT ? LOG_NOTICE : LOG_WARNING,
		     "crash %s of %s evicted (%s, %s): %s%s", item->uuid,
		     csn_escape_to(program, sizeof(program), crash.program ? crash.program : "?"),
		     class_names[candidate->class], size, why,
		     candidate->class == CSN_EVICT_SENT ? ""
		     : counted                          ? "; it is counted only"
							: "; it was not sent");
	count->add[CSN_COUNT_EVICTED_SUPPRESSED + candidate->class]++;
	count->add[CSN_COUNT_EVICTED_BYTES] += bytes;
	csn_crash_done(&crash);
	return true;
}

static bool anybody_over_share(const struct csn_usage *usage, const struct csn_spool_limits *limits)
{
	uint32_t i;

	for (i = 0; i < usage->n_users; i++)
		if (csn_usage_is_over_share(usage, limits, usage->users[i].uid))
			return true;
	return false;
}

static void forget_items(struct csn_inventory *inventory)
{
	struct csn_usage usage = { 0 };
	size_t i, n = 0;

	for (i = 0; i < inventory->count; i++) {
		if (inventory->items[i].stages == 0)
			continue;
		inventory->items[n++] = inventory->items[i];
		csn_usage_add(&usage, inventory->items[i].uid,
			      csn_item_bytes(&inventory->items[i]));
	}
	inventory->count = n;
	inventory->usage = usage;
}

/* One less: as it was before it was evicted. */
static void take_away(struct csn_usage *usage, uint32_t uid, uint64_t bytes)
{
	uint32_t i;

	usage->files--;
	usage->bytes -= bytes;
	for (i = 0; i < usage->n_users; i++) {
		if (usage->users[i].uid != uid)
			continue;
		usage->users[i].files--;
		usage->users[i].bytes -= bytes;
	}
}

int csn_evict(const struct csn_host *host, struct csn_inventory *inventory, bool confirmed_only,
	      struct csn_counting *count, void (*dropped)(void *context, const char *uuid),
	      void *context, struct csn_error *err)
{
	const struct csn_spool_limits limits = csn_host_get_limits(host);
	cleanup_free struct candidate *candidates =
		calloc(inventory->count + 1, sizeof(*candidates));
	struct csn_usage *usage = &inventory->usage;
	size_t i;

	if (!candidates)
		return csn_fail_nomem(err);
	classify(inventory, candidates);
	if (inventory->count)
		qsort(candidates, inventory->count, sizeof(*candidates), compare_worth);
	for (i = 0; i < inventory->count; i++) {
		const struct candidate *candidate = &candidates[i];
		struct csn_item *item = candidate->item;
		uint64_t bytes = csn_item_bytes(item);
		bool over = csn_usage_is_over(usage, &limits);

		if (candidate->class == CSN_EVICT_NEVER || (!over && !confirmed_only))
			break;
		if (candidate->class != CSN_EVICT_SENT &&
		    (!over || (anybody_over_share(usage, &limits) &&
			       !csn_usage_is_over_share(usage, &limits, item->uid))))
			continue;
		if (!evict_one(host, candidate,
			       over ? "the spool is over spool.bytes or spool.files"
				    : "free space is below dump.quota",
			       count))
			continue;
		take_away(usage, item->uid, bytes);
		dropped(context, item->uuid);
	}
	forget_items(inventory);
	return 0;
}
