/* Instructions and the dynamic linker's list of any bytes. The first byte chooses the architecture;
 * the others are code for its decoders, which only look, and then memory with a list of objects in
 * it. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "symbols/link_map.h"
#include "target/arch.h"

#define BASE 0x1000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct csn_arch *choose(uint8_t letter)
{
	switch (letter % 3) {
	case 0:
		return csn_arch_find(EM_X86_64, true);
	case 1:
		return csn_arch_find(EM_386, false);
	default:
		return csn_arch_find(EM_AARCH64, true);
	}
}

/* What a decoder says must fit into the bytes it was given and name registers that there are. */
static void check_step(const struct csn_arch *arch, const struct csn_step *step, size_t left)
{
	const uint8_t registers[] = { step->dst, step->src, step->second };

	if (!step->length || step->length > left || step->length > arch->max_instruction_bytes)
		abort();
	for (size_t i = 0; i < csn_countof(registers); i++)
		if (registers[i] != CSN_NO_REGISTER && registers[i] >= arch->n_dwarf)
			abort();
}

static void check_flow(const struct csn_arch *arch, const struct csn_flow *flow)
{
	const uint8_t registers[] = { flow->into, flow->source, flow->base, flow->index };

	for (size_t i = 0; i < csn_countof(registers); i++)
		if (registers[i] != CSN_NO_REGISTER && registers[i] >= arch->n_dwarf)
			abort();
	/* What is left somewhere has changed it. */
	if (flow->kind != CSN_FLOW_NONE && flow->kind != CSN_FLOW_STORE &&
	    !(flow->changed >> flow->into & 1))
		abort();
}

static void decode(const struct csn_arch *arch, const uint8_t *code, size_t size)
{
	struct csn_registers registers = { 0 };
	struct csn_access access;
	struct csn_divisor divisor;
	struct csn_step step;
	struct csn_flow flow;

	for (unsigned i = 0; i < arch->n_registers; i++)
		csn_register_set(&registers, i, 0x7fff0000ull * i);
	for (size_t at = 0; at < size; at++) {
		if (arch->decode_step(code + at, size - at, BASE + at, &step))
			check_step(arch, &step, size - at);
		if (arch->decode_flow && arch->decode_flow(code + at, size - at, BASE + at, &flow))
			check_flow(arch, &flow);
		(void)arch->decode_access(code + at, size - at, &registers, &access);
		if (arch->decode_divisor &&
		    arch->decode_divisor(code + at, size - at, &registers, &divisor) &&
		    (!divisor.size_bytes || divisor.size_bytes > arch->word_bytes))
			abort();
		(void)arch->is_padding(code + at, size - at);
		(void)arch->ends_before(code, at);
		if (at >= 8 && arch->call_before(code + at - 8, 8) > 8)
			abort();
		if (at >= 8)
			(void)arch->call_target(code + at - 8, BASE + at);
	}
}

static size_t read_memory(void *context, csn_addr addr, void *data, size_t size)
{
	const struct csn_span *memory = context;

	if (addr < BASE || addr - BASE >= memory->size)
		return 0;
	size = csn_min_u64(size, memory->size - (addr - BASE));
	memcpy(data, memory->data + (addr - BASE), size);
	return size;
}

static void walk(const struct csn_arch *arch, const uint8_t *bytes, size_t size)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = csn_arena_new(64 * CSN_MIB);
	struct csn_span memory = csn_span_of(bytes, size);
	const struct csn_link_map_input input = { .read = read_memory,
						  .context = &memory,
						  .word_bytes = arch->word_bytes,
						  .dynamic = BASE };
	struct csn_loaded *loaded;
	size_t count = 0;

	if (arena && csn_link_map_read(arena, &input, &loaded, &count, NULL) == 0 &&
	    count > CSN_MAX_LINK_MAP)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct csn_arch *arch;

	if (!size)
		return 0;
	arch = choose(data[0]);
	/* Padding is looked for in gaps, never in long code. */
	decode(arch, data + 1, csn_min_u64(size - 1, 512));
	walk(arch, data + 1, size - 1);
	return 0;
}
