/* A hash table from 64-bit keys to small numbers: group of a value, count of a value.
 *
 * Keys keep their order of arrival. Not thread-safe. */
#ifndef CSN_QUERY_TALLY_H
#define CSN_QUERY_TALLY_H

#include "base/types.h"

struct csn_tally_entry {
	uint64_t key;
	uint64_t count;
};

struct csn_tally {
	struct csn_tally_entry *entries;
	size_t n_entries, entries_capacity;
	uint32_t *slots; /* index + 1 into entries, 0 free */
	size_t n_slots;  /* a power of two */
};

void csn_tally_done(struct csn_tally *tally);
/* Forgets the keys, keeps the memory. */
void csn_tally_clear(struct csn_tally *tally);
/* The entry's index, made with count 0 when new; SIZE_MAX when out of memory. */
size_t csn_tally_index(struct csn_tally *tally, uint64_t key);

#endif
