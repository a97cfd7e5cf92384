#include "host/inventory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "host/crash.h"

static int compare_uuid(const void *left, const void *right)
{
	return strcmp(((const struct csn_item *)left)->uuid,
		      ((const struct csn_item *)right)->uuid);
}

static int compare_object(const void *left, const void *right)
{
	return strcmp(((const struct csn_spool_object *)left)->uuid,
		      ((const struct csn_spool_object *)right)->uuid);
}

/* Files of the dead are shared by several crashes: each has its part of one. */
static uint64_t measure_assets(const struct csn_spool *spool, const char *uuid)
{
	int fd = openat(spool->assets_fd, uuid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_closedir DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct stat status;
	uint64_t bytes = 0;

	if (!folder && fd >= 0)
		close(fd);
	while (folder && (entry = readdir(folder)))
		if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(status.st_mode) && status.st_nlink > 0)
			bytes += (uint64_t)status.st_blocks * 512 / status.st_nlink;
	return bytes;
}

uint64_t csn_item_bytes(const struct csn_item *item)
{
	uint64_t bytes = item->assets_bytes;
	int stage;

	for (stage = 0; stage < CSN_N_STAGES; stage++)
		bytes += item->stage_bytes[stage];
	return bytes;
}

static void add_to_item(const struct csn_spool *spool, struct csn_item *item,
			const struct csn_spool_object *object)
{
	if (object->has_assets && item->stages == 0)
		item->assets_bytes = measure_assets(spool, object->uuid);
	item->stages |= 1u << object->stage;
	item->stage_bytes[object->stage] = object->disk_bytes;
	if (item->mtime_ns == 0 || object->mtime_ns < item->mtime_ns)
		item->mtime_ns = object->mtime_ns;
}

static void add_to_stage(struct csn_stage_sum *sum, const struct csn_spool_object *object)
{
	sum->objects++;
	sum->bytes += object->disk_bytes;
	if (sum->oldest_ns == 0 || object->mtime_ns < sum->oldest_ns)
		sum->oldest_ns = object->mtime_ns;
}

static void recall(struct csn_item *item, const struct csn_inventory *old)
{
	const struct csn_item *known = old && old->count ? bsearch(item, old->items, old->count,
								   sizeof(*item), compare_uuid)
							 : NULL;

	if (!known || !known->known)
		return;
	item->known = true;
	item->uid = known->uid;
	item->group = known->group;
	item->suppressed = known->suppressed;
}

int csn_inventory_take(const struct csn_spool *spool, const struct csn_inventory *old,
		       struct csn_inventory *ret_inventory, struct csn_error *err)
{
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	struct csn_inventory inventory = { 0 };
	int stage, r = 0;
	size_t i;

	for (stage = 0; r == 0 && stage < CSN_N_STAGES; stage++)
		r = csn_spool_list(spool, (enum csn_stage)stage, &list, err);
	if (r < 0)
		return r;
	inventory.items = calloc(list.count + 1, sizeof(*inventory.items));
	if (!inventory.items)
		return csn_fail_nomem(err);
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), compare_object);
	for (i = 0; i < list.count; i++) {
		const struct csn_spool_object *object = &list.items[i];
		struct csn_item *item = &inventory.items[inventory.count];

		if (i > 0 && compare_object(object - 1, object) == 0)
			item--;
		else
			inventory.count++;
		memcpy(item->uuid, object->uuid, sizeof(item->uuid));
		add_to_item(spool, item, object);
		add_to_stage(&inventory.stages[object->stage], object);
	}
	for (i = 0; i < inventory.count; i++) {
		recall(&inventory.items[i], old);
		inventory.usage.bytes += csn_item_bytes(&inventory.items[i]);
	}
	inventory.usage.files = (uint32_t)inventory.count;
	*ret_inventory = inventory;
	return 0;
}

static uint64_t group_of(const struct csn_crash *crash)
{
	char text[2 * 4096 + 64];
	int n = snprintf(text, sizeof(text), "%d %s %s", crash->signal,
			 crash->exe       ? crash->exe
			 : crash->program ? crash->program
					  : crash->uuid,
			 crash->container ? crash->container : "");

	return csn_hash_bytes(text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* The stage that says most of who died. */
static enum csn_stage best_stage(const struct csn_item *item)
{
	static const enum csn_stage order[] = { CSN_STAGE_PENDING, CSN_STAGE_KEPT,
						CSN_STAGE_SENDING };
	size_t i;

	for (i = 0; i < csn_countof(order); i++)
		if (item->stages & 1u << order[i])
			return order[i];
	return CSN_STAGE_QUARANTINE;
}

static void identify(const struct csn_spool *spool, struct csn_item *item)
{
	struct csn_crash crash;
	struct csn_error ignored;

	item->known = true;
	item->uid = UINT32_MAX;
	item->group = csn_hash_bytes(item->uuid, strlen(item->uuid));
	if (csn_crash_load(spool, best_stage(item), item->uuid, &crash, &ignored) < 0)
		return;
	if (crash.uid >= 0)
		item->uid = (uint32_t)crash.uid;
	item->group = group_of(&crash);
	item->suppressed = crash.suppressed;
	csn_crash_done(&crash);
}

void csn_inventory_identify(const struct csn_spool *spool, struct csn_inventory *inventory)
{
	struct csn_usage usage = { 0 };
	size_t i;

	for (i = 0; i < inventory->count; i++) {
		struct csn_item *item = &inventory->items[i];

		if (!item->known)
			identify(spool, item);
		csn_usage_add(&usage, item->uid, csn_item_bytes(item));
	}
	inventory->usage = usage;
}

void csn_inventory_done(struct csn_inventory *inventory)
{
	free(inventory->items);
	*inventory = (struct csn_inventory){ 0 };
}
