#include "target/arch.h"

#include "target/arch_internal.h"

static const struct csn_arch *const csn_arches[] = {
	&csn_arch_x86_64,
};

const struct csn_arch *csn_arch_find(uint16_t elf_machine)
{
	for (size_t i = 0; i < csn_countof(csn_arches); i++)
		if (csn_arches[i]->elf_machine == elf_machine)
			return csn_arches[i];
	return NULL;
}

const struct csn_arch *csn_arch_native(void)
{
#if defined(__x86_64__)
	return &csn_arch_x86_64;
#else
	return NULL;
#endif
}

void csn_arch_read_user(const struct csn_arch *arch, struct csn_span words,
			struct csn_registers *registers)
{
	size_t base = words.at, n_words = csn_span_left(&words) / arch->word_bytes;

	for (unsigned i = 0; i < arch->n_registers; i++) {
		int slot = arch->registers[i].user_slot;

		if (slot < 0 || (size_t)slot >= n_words)
			continue;
		csn_span_seek(&words, base + (size_t)slot * arch->word_bytes);
		csn_register_set(registers, i, csn_span_uint(&words, arch->word_bytes));
	}
}
