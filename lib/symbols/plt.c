#include "symbols/plt_internal.h"

#include <string.h>

#define STUB_BYTES 16

/* Layouts differ between linkers and with branch protection, but every stub jumps through the slot
 * that the relocation of its function fills: decode the jump, look for the slot. */

void csn_plt_init(struct csn_plt *plt, struct csn_elf_file *elf)
{
	struct csn_elf_section section;
	uint32_t i;

	*plt = (struct csn_plt){ 0 };
	if (!elf || csn_elf_file_header(elf)->machine != EM_X86_64 ||
	    !csn_elf_file_header(elf)->is_64 ||
	    !csn_elf_symbols_find(elf, CSN_ELF_DYNSYM, &plt->symbols))
		return;
	plt->elf = elf;
	for (i = 1; csn_elf_file_section(elf, i, &section); i++) {
		if (strncmp(section.name, ".plt", 4) == 0 && plt->n_stubs < CSN_PLT_SECTIONS)
			plt->stubs[plt->n_stubs++] = section;
		if (section.type == SHT_RELA && plt->n_relocations < CSN_PLT_RELOCATIONS)
			plt->relocations[plt->n_relocations++] = section;
	}
}

static bool find_stub(const struct csn_plt *plt, uint64_t address, uint64_t *ret_start)
{
	unsigned i;

	for (i = 0; i < plt->n_stubs; i++) {
		const struct csn_elf_section *section = &plt->stubs[i];
		uint64_t step = section->entry_size == 8 ? 8 : STUB_BYTES;

		if (address < section->address || address - section->address >= section->size)
			continue;
		*ret_start = address - (address - section->address) % step;
		return true;
	}
	return false;
}

/* [endbr64] [bnd] jmp *slot(%rip) */
static bool decode_stub(const struct csn_elf_file *elf, uint64_t start, uint64_t *ret_slot)
{
	static const uint8_t endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	struct csn_span code = csn_elf_file_at(elf, start);
	int64_t distance;

	if (csn_span_left(&code) >= sizeof(endbr) && memcmp(code.data, endbr, sizeof(endbr)) == 0)
		csn_span_skip(&code, sizeof(endbr));
	if (csn_span_left(&code) > 0 && code.data[code.at] == 0xf2)
		csn_span_skip(&code, 1);
	if (csn_span_u16(&code) != 0x25ff)
		return false;
	distance = csn_span_int(&code, 4);
	*ret_slot = start + code.at + (uint64_t)distance;
	return csn_span_ok(&code);
}

static bool find_relocation(struct csn_elf_file *elf, const struct csn_elf_section *section,
			    uint64_t slot, uint32_t *ret_symbol)
{
	struct csn_span at;

	if (csn_elf_file_section_read(elf, section, &at, NULL) < 0)
		return false;
	while (csn_span_left(&at) >= sizeof(Elf64_Rela)) {
		uint64_t offset = csn_span_u64(&at), info = csn_span_u64(&at);

		csn_span_skip(&at, 8);
		if (offset != slot)
			continue;
		*ret_symbol = (uint32_t)ELF64_R_SYM(info);
		return *ret_symbol != 0;
	}
	return false;
}

const char *csn_plt_name(struct csn_arena *arena, const struct csn_plt *plt, uint64_t address,
			 uint64_t *ret_start)
{
	struct csn_elf_symbol symbol;
	uint64_t start, slot;
	uint32_t index;
	const char *name;
	unsigned i;

	if (!plt->elf || !find_stub(plt, address, &start) || !decode_stub(plt->elf, start, &slot))
		return NULL;
	for (i = 0; i < plt->n_relocations; i++) {
		if (!find_relocation(plt->elf, &plt->relocations[i], slot, &index) ||
		    !csn_elf_symbols_get(&plt->symbols, index, &symbol))
			continue;
		name = csn_elf_symbols_name(&plt->symbols, symbol.name_offset);
		*ret_start = start;
		return *name ? csn_arena_sprintf(arena, "%s@plt", name) : NULL;
	}
	return NULL;
}
