/* Pointers to code that the dynamic linker filled: entries of the global offset table lead into
 * some object's code, constructors and destructors into their own object's. */
#include <inttypes.h>
#include <string.h>

#include "analyze/security_internal.h"
#include "base/limits.h"

#ifndef DF_TEXTREL
#define DF_TEXTREL 4
#endif

/* Relocations whose result is the address of a function. */
static const struct csn_link_kinds {
	uint16_t machine;
	uint32_t jump, data, chosen; /* JUMP_SLOT, GLOB_DAT, IRELATIVE */
} csn_link_kinds[] = {
	{ EM_X86_64, R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT, R_X86_64_IRELATIVE },
	{ EM_386, R_386_JMP_SLOT, R_386_GLOB_DAT, R_386_IRELATIVE },
	{ EM_AARCH64, R_AARCH64_JUMP_SLOT, R_AARCH64_GLOB_DAT, R_AARCH64_IRELATIVE },
};

/* What PT_DYNAMIC says; zero absent. Link-time addresses. */
struct csn_dynamic {
	uint64_t jumps, jumps_size, jumps_kind, rela, rela_size, rel, rel_size;
	uint64_t init, init_size, fini, fini_size, preinit, preinit_size;
	bool relocates_text;
};

static bool csn_dynamic_read(struct csn_module *module, struct csn_dynamic *dynamic)
{
	struct csn_elf_file *elf = csn_module_elf(module);
	unsigned word = csn_elf_file_header(elf)->is_64 ? 8 : 4;
	struct csn_elf_segment segment;
	struct csn_span span;
	const struct {
		uint64_t tag;
		uint64_t *value;
	} rows[] = {
		{ DT_JMPREL, &dynamic->jumps },
		{ DT_PLTRELSZ, &dynamic->jumps_size },
		{ DT_PLTREL, &dynamic->jumps_kind },
		{ DT_RELA, &dynamic->rela },
		{ DT_RELASZ, &dynamic->rela_size },
		{ DT_REL, &dynamic->rel },
		{ DT_RELSZ, &dynamic->rel_size },
		{ DT_INIT_ARRAY, &dynamic->init },
		{ DT_INIT_ARRAYSZ, &dynamic->init_size },
		{ DT_FINI_ARRAY, &dynamic->fini },
		{ DT_FINI_ARRAYSZ, &dynamic->fini_size },
		{ DT_PREINIT_ARRAY, &dynamic->preinit },
		{ DT_PREINIT_ARRAYSZ, &dynamic->preinit_size },
	};

	*dynamic = (struct csn_dynamic){ 0 };
	if (!csn_elf_file_segment_of_type(elf, PT_DYNAMIC, &segment))
		return false;
	span = csn_elf_file_at(elf, segment.address);
	span = csn_span_take(&span, segment.file_size);
	while (csn_span_left(&span) >= 2ull * word) {
		uint64_t tag = csn_span_uint(&span, word), value = csn_span_uint(&span, word);

		if (tag == DT_NULL)
			break;
		for (size_t i = 0; i < csn_countof(rows); i++)
			if (rows[i].tag == tag)
				*rows[i].value = value;
		if (tag == DT_TEXTREL || (tag == DT_FLAGS && (value & DF_TEXTREL)))
			dynamic->relocates_text = true;
	}
	return true;
}

bool csn_security_relocates_text(struct csn_module *module)
{
	struct csn_dynamic dynamic;

	return csn_dynamic_read(module, &dynamic) && dynamic.relocates_text;
}

/* In code of an object: of this one, or of any when NULL. */
static bool csn_is_code(const struct csn_security *look, csn_addr addr,
			const struct csn_module *only)
{
	const struct csn_module *module = csn_modules_find(look->scene->modules, addr);
	const struct csn_mapping *mapping = csn_target_find_mapping(look->scene->target, addr);

	if (!module || !mapping || (only && module != only))
		return false;
	return (mapping->is_file || module->is_vdso) &&
	       (!mapping->perms_known || mapping->executable);
}

/* One table of relocations. */
struct csn_links {
	struct csn_module *module;
	const struct csn_link_kinds *kinds;
	struct csn_elf_symbols symbols;
	bool has_symbols, is_64, has_addend;
};

static void csn_check_link(struct csn_security *look, const struct csn_links *links,
			   uint64_t offset, uint32_t kind, uint32_t number)
{
	csn_addr place = links->module->bias + offset;
	struct csn_elf_symbol symbol = { 0 };
	bool named = links->has_symbols && number &&
		     csn_elf_symbols_get(&links->symbols, number, &symbol);
	uint64_t value;

	if (kind != links->kinds->jump && kind != links->kinds->chosen &&
	    (kind != links->kinds->data || !named || symbol.type != STT_FUNC))
		return;
	/* Not in the dump, or a weak symbol that nobody has. */
	if (!csn_target_read_word(look->scene->target, place, &value) || !value ||
	    csn_is_code(look, value, kind == links->kinds->chosen ? links->module : NULL))
		return;
	csn_security_find(look,
			  "entry for %.128s at 0x%" PRIx64 " in %.160s leads to 0x%" PRIx64
			  ", %.160s",
			  named ? csn_elf_symbols_name(&links->symbols, symbol.name_offset)
				: "a function",
			  place, links->module->path, value, csn_security_describe(look, value));
}

static void csn_check_table(struct csn_security *look, struct csn_links *links, uint64_t address,
			    uint64_t size)
{
	unsigned word = links->is_64 ? 8 : 4, entry = links->has_addend ? 3 * word : 2 * word;
	struct csn_span span = csn_elf_file_at(csn_module_elf(links->module), address);

	size = csn_min_u64(size, (uint64_t)CSN_MAX_SECURITY_LINKS * entry);
	span = csn_span_take(&span, csn_min_u64(size, csn_span_left(&span)));
	for (size_t n = 0; csn_span_left(&span) >= entry; n++) {
		uint64_t offset = csn_span_uint(&span, word), info = csn_span_uint(&span, word);

		if (links->has_addend)
			csn_span_skip(&span, word);
		if (n % 1024 == 0 && csn_security_is_late(look))
			return;
		csn_check_link(look, links, offset,
			       links->is_64 ? (uint32_t)ELF64_R_TYPE(info) : ELF32_R_TYPE(info),
			       links->is_64 ? (uint32_t)ELF64_R_SYM(info)
					    : (uint32_t)ELF32_R_SYM(info));
	}
}

static void csn_check_array(struct csn_security *look, const struct csn_module *module,
			    const char *what, uint64_t address, uint64_t size)
{
	unsigned word = look->scene->target->arch->word_bytes;
	uint64_t last = word == 8 ? UINT64_MAX : UINT32_MAX, value;

	size = csn_min_u64(size, (uint64_t)CSN_MAX_SECURITY_LINKS * word);
	for (uint64_t at = 0; at + word <= size; at += word) {
		csn_addr place = module->bias + address + at;

		if (csn_target_read_word(look->scene->target, place, &value) && value &&
		    value != last && !csn_is_code(look, value, module))
			csn_security_find(look,
					  "%s at 0x%" PRIx64 " in %.200s leads to 0x%" PRIx64
					  ", %.200s",
					  what, place, module->path, value,
					  csn_security_describe(look, value));
	}
}

void csn_security_check_links(struct csn_security *look, struct csn_module *module)
{
	struct csn_elf_file *elf = csn_module_elf(module);
	struct csn_links links = { .module = module, .is_64 = csn_elf_file_header(elf)->is_64 };
	struct csn_dynamic dynamic;

	for (size_t i = 0; i < csn_countof(csn_link_kinds); i++)
		if (csn_link_kinds[i].machine == csn_elf_file_header(elf)->machine)
			links.kinds = &csn_link_kinds[i];
	if (!links.kinds || !csn_dynamic_read(module, &dynamic))
		return;
	links.has_symbols = csn_elf_symbols_find(elf, CSN_ELF_DYNSYM, &links.symbols);
	links.has_addend = dynamic.jumps_kind == DT_RELA;
	csn_check_table(look, &links, dynamic.jumps, dynamic.jumps_size);
	links.has_addend = true;
	csn_check_table(look, &links, dynamic.rela, dynamic.rela_size);
	links.has_addend = false;
	csn_check_table(look, &links, dynamic.rel, dynamic.rel_size);
	csn_check_array(look, module, "constructor", dynamic.preinit, dynamic.preinit_size);
	csn_check_array(look, module, "constructor", dynamic.init, dynamic.init_size);
	csn_check_array(look, module, "destructor", dynamic.fini, dynamic.fini_size);
}
