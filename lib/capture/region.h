/* One stretch of reserved memory that everything taken from a held process goes into.
 *
 * Reserved once, in one mmap, so that nothing allocates between the kernel's start of us and the
 * release of the process; pages cost memory only when written. It only grows. One thread fills it
 * while another may look at what was published to it (capture/hold.h); it does no locking itself.
 */
#ifndef CSN_CAPTURE_REGION_H
#define CSN_CAPTURE_REGION_H

#include "base/error.h"
#include "base/types.h"

struct csn_region {
	uint8_t *data; /* owned */
	size_t size, used;
};

/* Reserves size_bytes, or a half, a quarter... of it where the system refuses that much. */
int csn_region_init(struct csn_region *region, size_t size_bytes, struct csn_error *err)
	csn_must_check;
void csn_region_done(struct csn_region *region);

/* size_bytes aligned to 16, content undefined; NULL when the region is full. */
void *csn_region_alloc(struct csn_region *region, size_t size_bytes) csn_must_check;
/* What could still be taken. */
size_t csn_region_left(const struct csn_region *region);
/* Gives back the end of the last allocation: it was size_bytes, keep_bytes of it stay. */
void csn_region_trim(struct csn_region *region, size_t size_bytes, size_t keep_bytes);

#endif
