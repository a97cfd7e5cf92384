/* What the spool holds, object by object, and what each is worth.
 *
 * Looked up by listing the stages. Who died of what is read from an object only where that counts,
 * and once: the next inventory takes it over from the last. Owned; free with csn_inventory_done. */
#ifndef CSN_HOST_INVENTORY_H
#define CSN_HOST_INVENTORY_H

#include "base/error.h"
#include "spool/spool.h"
#include "spool/usage.h"

struct csn_item {
	char uuid[CSN_UUID_TEXT];
	unsigned stages;                                  /* 1 << enum csn_stage */
	uint64_t stage_bytes[CSN_N_STAGES], assets_bytes; /* on the disk */
	int64_t mtime_ns;                                 /* of its oldest file */
	/* Of csn_inventory_identify: */
	bool known;
	uint32_t uid;    /* UINT32_MAX: unknown */
	uint64_t group;  /* of program, signal and container */
	bool suppressed; /* notes only, of a crash loop or of a spool that was full */
};

struct csn_stage_sum {
	size_t objects;
	uint64_t bytes;
	int64_t oldest_ns; /* since the epoch; 0 none */
};

struct csn_inventory {
	struct csn_item *items; /* by uuid */
	size_t count;
	struct csn_stage_sum stages[CSN_N_STAGES];
	struct csn_usage usage; /* users only after csn_inventory_identify */
};

/* Lists the spool; what old (may be NULL) knows of an object is taken over. */
int csn_inventory_take(const struct csn_spool *spool, const struct csn_inventory *old,
		       struct csn_inventory *ret_inventory, struct csn_error *err) csn_must_check;
/* Reads who died, of those that are not known yet, and adds up the users. */
void csn_inventory_identify(const struct csn_spool *spool, struct csn_inventory *inventory);
void csn_inventory_done(struct csn_inventory *inventory);
uint64_t csn_item_bytes(const struct csn_item *item);

#endif
