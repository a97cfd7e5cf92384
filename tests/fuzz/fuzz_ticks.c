/* The file of ticks: every byte belongs to a record or is passed over, and names end. */
#include <stdlib.h>

#include "spool/ticks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct csn_span span = csn_span_of(data, size_bytes);
	uint64_t skipped = 0, found = 0;
	struct csn_tick tick;

	while (csn_ticks_next(&span, &tick, &skipped))
		found += tick.exe[CSN_TICK_EXE_MAX - 1] == '\0';
	if (found * CSN_TICK_BYTES + skipped != size_bytes)
		abort();
	return 0;
}
