#include "capture/region.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/limits.h"

#define ALIGNMENT 16u

int csn_region_init(struct csn_region *region, size_t size_bytes, struct csn_error *err)
{
	void *data = MAP_FAILED;

	for (; size_bytes >= CSN_MIB; size_bytes /= 2) {
		data = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (data != MAP_FAILED)
			break;
	}
	if (data == MAP_FAILED)
		return csn_fail_os(err, errno, "mmap");
	/* A page fault costs more than the copying of its page: with huge pages 4 MiB of a process
	 * are there in a third of the time, 160 KiB in three quarters. Where the kernel has none,
	 * or refuses, small ones do. */
	(void)madvise(data, size_bytes, MADV_HUGEPAGE);
	*region = (struct csn_region){ .data = data, .size = size_bytes };
	return 0;
}

void csn_region_done(struct csn_region *region)
{
	if (region->data)
		munmap(region->data, region->size);
	*region = (struct csn_region){ 0 };
}

static size_t rounded(size_t size_bytes)
{
	return (size_bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

void *csn_region_alloc(struct csn_region *region, size_t size_bytes)
{
	void *place;

	if (size_bytes > csn_region_left(region))
		return NULL;
	place = region->data + region->used;
	region->used += rounded(size_bytes);
	return place;
}

size_t csn_region_left(const struct csn_region *region)
{
	size_t left = region->size - region->used;

	return left > ALIGNMENT ? left - ALIGNMENT : 0;
}

void csn_region_trim(struct csn_region *region, size_t size_bytes, size_t keep_bytes)
{
	region->used -= rounded(size_bytes) - rounded(keep_bytes);
}
