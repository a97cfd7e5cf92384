/* A Go line table, of which the tail also serves as inline trees. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "symbols/pclntab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void ask(struct csn_pclntab *table, uint64_t address, size_t size_bytes)
{
	struct csn_pclntab_frame frames[CSN_MAX_INLINE_DEPTH];
	struct csn_pclntab_function function;
	uint32_t depth;
	size_t n;

	if (!csn_pclntab_find(table, address, &function))
		return;
	if (address < function.start || address >= function.end)
		abort();
	n = csn_pclntab_frames(table, &function, address, frames, csn_countof(frames));
	/* Texts end inside of the table. */
	for (size_t i = 0; i < n; i++)
		if (strlen(frames[i].name) >= size_bytes ||
		    (frames[i].path && strlen(frames[i].path) >= size_bytes))
			abort();
	if (csn_pclntab_depth(table, &function, address, &depth) && depth % table->word_bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct csn_span bytes = csn_span_of(data, size_bytes);
	struct csn_pclntab table;

	if (!csn_pclntab_open(&bytes, 0, &table))
		return 0;
	table.steps_left = csn_min_u64(table.steps_left, 100000);
	table.trees = csn_span_part(&bytes, size_bytes - csn_min_u64(size_bytes, 24),
				    csn_min_u64(size_bytes, 24));
	if (table.version == CSN_PCLNTAB_1_16)
		table.trees_address = 0x500000;
	for (uint64_t i = 0; i < 0x100; i += 5) {
		ask(&table, table.text + i, size_bytes);
		ask(&table, 0x401000 + i, size_bytes);
	}
	return 0;
}
