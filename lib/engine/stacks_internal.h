/* What stacks.c and tails.c share: the frames of all threads, as they were walked and as far as
 * they have been named. */
#ifndef CSN_ENGINE_STACKS_INTERNAL_H
#define CSN_ENGINE_STACKS_INTERNAL_H

#include "engine/engine_internal.h"
#include "symbols/sources.h"

#define CSN_KEPT_REGISTERS 16

/* Small, because stacks of a hundred thousand frames are. */
struct csn_raw_frame {
	csn_addr pc;
	uint32_t lookup; /* index into csn_stacks.lookups */
	uint32_t kept;   /* index into csn_stacks.registers */
	bool exact, signal_frame;
	bool after_gap; /* frames before it were left out */
	bool is_tail;   /* rebuilt, see tails.c; how and kept mean nothing */
	uint8_t how;
};

struct csn_kept_registers {
	uint64_t known;                     /* bit n: value[n] */
	uint64_t value[CSN_KEPT_REGISTERS]; /* of csn_stacks.kept */
};

/* What frames say of their module, in the snapshot's arena. */
struct csn_named_module {
	const struct csn_module *module;
	const char *path, *build_id;
};

struct csn_stacks {
	struct csn_engine *engine;
	unsigned kept[CSN_KEPT_REGISTERS]; /* register numbers that callers keep */
	unsigned n_kept;
	struct csn_raw_frame *frames; /* malloc; of all threads */
	size_t n_frames, capacity;
	struct csn_kept_registers *registers; /* malloc; NULL when nobody asks for them */
	size_t registers_capacity;
	struct csn_lookup *lookups; /* malloc; distinct */
	size_t n_lookups, lookups_capacity;
	uint32_t *slots; /* malloc; open addressing, index + 1 */
	size_t n_slots;
	bool over_budget;               /* and told so */
	struct csn_named_module *named; /* malloc; by index of the lookup */
	struct csn_located *located;    /* malloc; the same */
};

/* Room for one more element of a malloc'd array, whose address array is; false when out of memory.
 */
bool csn_grow(void *array, size_t count, size_t *capacity, size_t size_bytes);
/* Sets the index of the frame's counter, which is new or was there before. */
bool csn_stacks_intern(struct csn_stacks *stacks, struct csn_raw_frame *frame);
/* Names the counters from one on. */
int csn_stacks_name(struct csn_stacks *stacks, size_t from, struct csn_error *err) csn_must_check;
/* tails.c: inserts the frames that tail calls left out, when all counters have names. Threads of
 * the snapshot count them. */
int csn_stacks_add_tails(struct csn_stacks *stacks, struct csn_error *err) csn_must_check;

#endif
