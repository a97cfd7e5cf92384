/* Memory of a fuzzed process: a few bytes, repeated without end over the lower half of all
 * addresses. */
#ifndef CSN_FUZZ_MEMORY_H
#define CSN_FUZZ_MEMORY_H

#include "target/target.h"

/* For the ops of a target whose impl is a csn_span of the bytes. */
static inline size_t fuzz_read_memory(struct csn_target *target, csn_addr addr, void *data,
				      size_t size_bytes)
{
	const struct csn_span *memory = target->impl;
	uint8_t *out = data;

	if (addr >> 63 || !memory->size)
		return 0;
	for (size_t i = 0; i < size_bytes; i++)
		out[i] = memory->data[(addr + i) % memory->size];
	return size_bytes;
}

/* For an input of modules without any. */
static inline size_t fuzz_read_nothing(void *context, csn_addr addr, void *data, size_t size_bytes)
{
	(void)context;
	(void)addr;
	(void)data;
	(void)size_bytes;
	return 0;
}

#endif
