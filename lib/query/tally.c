#include "query/tally.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64

void csn_tally_done(struct csn_tally *tally)
{
	free(tally->entries);
	free(tally->slots);
	*tally = (struct csn_tally){ 0 };
}

static size_t slot_of(const struct csn_tally *tally, uint64_t key)
{
	/* The finaliser of MurmurHash3 mixes all bits; keys are often consecutive codes. */
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdull;
	key ^= key >> 33;
	return (size_t)key & (tally->n_slots - 1);
}

void csn_tally_clear(struct csn_tally *tally)
{
	/* Last in, first out: every other key's chain of slots stays whole on the way. A table
	 * that was large once is not swept for a few keys. */
	while (tally->n_entries > 0) {
		size_t slot = slot_of(tally, tally->entries[tally->n_entries - 1].key);

		while (tally->slots[slot] != tally->n_entries)
			slot = (slot + 1) & (tally->n_slots - 1);
		tally->slots[slot] = 0;
		tally->n_entries--;
	}
}

static bool grow_slots(struct csn_tally *tally)
{
	size_t n_slots = tally->n_slots ? tally->n_slots * 2 : FIRST_SLOTS;
	uint32_t *slots = calloc(n_slots, sizeof(*slots));

	if (!slots)
		return false;
	free(tally->slots);
	tally->slots = slots;
	tally->n_slots = n_slots;
	for (size_t i = 0; i < tally->n_entries; i++) {
		size_t slot = slot_of(tally, tally->entries[i].key);

		while (slots[slot])
			slot = (slot + 1) & (n_slots - 1);
		slots[slot] = (uint32_t)i + 1;
	}
	return true;
}

static bool grow_entries(struct csn_tally *tally)
{
	size_t capacity = tally->entries_capacity ? tally->entries_capacity * 2 : FIRST_SLOTS;
	struct csn_tally_entry *entries = realloc(tally->entries, capacity * sizeof(*entries));

	if (!entries)
		return false;
	tally->entries = entries;
	tally->entries_capacity = capacity;
	return true;
}

size_t csn_tally_index(struct csn_tally *tally, uint64_t key)
{
	size_t slot;

	if (tally->n_entries * 2 >= tally->n_slots && !grow_slots(tally))
		return SIZE_MAX;
	for (slot = slot_of(tally, key); tally->slots[slot];
	     slot = (slot + 1) & (tally->n_slots - 1))
		if (tally->entries[tally->slots[slot] - 1].key == key)
			return tally->slots[slot] - 1;
	if (tally->n_entries == UINT32_MAX - 1 ||
	    (tally->n_entries == tally->entries_capacity && !grow_entries(tally)))
		return SIZE_MAX;
	tally->entries[tally->n_entries] = (struct csn_tally_entry){ .key = key };
	tally->slots[slot] = (uint32_t)++tally->n_entries;
	return tally->n_entries - 1;
}
