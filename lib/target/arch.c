#include "target/arch.h"

#include <string.h>

#include "target/arch_internal.h"

static const struct csn_arch *const csn_arches[] = {
	&csn_arch_x86_64,
	&csn_arch_i386,
	&csn_arch_aarch64,
};

/* What runs on this machine; the first is this program's own. */
static const struct csn_arch *const csn_own_arches[] = {
#if defined(__x86_64__)
	&csn_arch_x86_64,
	&csn_arch_i386,
#elif defined(__aarch64__)
	&csn_arch_aarch64,
#elif defined(__i386__)
	&csn_arch_i386,
#endif
	NULL,
};

const struct csn_arch *csn_arch_find(uint16_t elf_machine, bool is_64)
{
	for (size_t i = 0; i < csn_countof(csn_arches); i++)
		if (csn_arches[i]->elf_machine == elf_machine &&
		    (csn_arches[i]->word_bytes == 8) == is_64)
			return csn_arches[i];
	return NULL;
}

const struct csn_arch *csn_arch_native(void)
{
	return csn_own_arches[0];
}

const struct csn_arch *csn_arch_of_registers(size_t size_bytes)
{
	for (size_t i = 0; csn_own_arches[i]; i++)
		if ((size_t)csn_own_arches[i]->n_user_slots * csn_own_arches[i]->word_bytes ==
		    size_bytes)
			return csn_own_arches[i];
	return NULL;
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

bool csn_register_find(const struct csn_arch *arch, const struct csn_registers *registers,
		       const char *name, uint64_t *ret_value)
{
	for (unsigned i = 0; i < arch->n_registers; i++) {
		if (strcmp(arch->registers[i].name, name) != 0 || !csn_register_known(registers, i))
			continue;
		*ret_value = registers->value[i];
		return true;
	}
	return false;
}
