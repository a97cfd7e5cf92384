/* Symbol tables, through sections or, without these, as the dynamic loader finds them. */
#include <string.h>

#include "elf/file.h"
#include "elf/file_internal.h"

/* What PT_DYNAMIC tells of the dynamic symbols; 0 when it does not. */
struct dynamic {
	uint64_t symbols, strings, strings_size, hash, gnu_hash;
};

static size_t symbol_bytes(const struct csn_elf_file *file)
{
	return file->header.is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
}

static bool find_by_section(const struct csn_elf_file *file, uint32_t type,
			    struct csn_elf_symbols *ret_symbols)
{
	struct csn_elf_section section, strings;
	struct csn_elf_symbols symbols = { .is_64 = file->header.is_64 };
	uint32_t i;

	for (i = 1; csn_elf_file_section(file, i, &section); i++) {
		if (section.type != type || !csn_elf_file_section(file, section.link, &strings))
			continue;
		if (section.entry_size != symbol_bytes(file))
			continue;
		symbols.entries = csn_elf_section_stored(file, &section);
		symbols.strings = csn_elf_section_stored(file, &strings);
		if (!csn_span_ok(&symbols.entries) || !csn_span_ok(&symbols.strings))
			continue;
		symbols.n_symbols = symbols.entries.size / symbol_bytes(file);
		*ret_symbols = symbols;
		return true;
	}
	return false;
}

static bool read_dynamic(const struct csn_elf_file *file, struct dynamic *ret_dynamic)
{
	unsigned width = file->header.is_64 ? 8 : 4;
	struct csn_elf_segment segment;
	struct dynamic dynamic = { 0 };
	struct csn_span at;

	if (!csn_elf_file_segment_of_type(file, PT_DYNAMIC, &segment))
		return false;
	at = csn_elf_file_at(file, segment.address);
	while (csn_span_left(&at) >= 2ul * width) {
		uint64_t tag = csn_span_uint(&at, width), value = csn_span_uint(&at, width);

		if (tag == DT_NULL)
			break;
		if (tag == DT_SYMTAB)
			dynamic.symbols = value;
		else if (tag == DT_STRTAB)
			dynamic.strings = value;
		else if (tag == DT_STRSZ)
			dynamic.strings_size = value;
		else if (tag == DT_HASH)
			dynamic.hash = value;
		else if (tag == DT_GNU_HASH)
			dynamic.gnu_hash = value;
	}
	*ret_dynamic = dynamic;
	return dynamic.symbols && dynamic.strings;
}

/* Some loaders add the bias to these pointers in place. */
static struct csn_span at_pointer(const struct csn_elf_file *file, uint64_t pointer)
{
	struct csn_span at = csn_elf_file_at(file, pointer);

	if (!csn_span_ok(&at) && file->by_address && pointer >= file->bias)
		at = csn_elf_file_at(file, pointer - file->bias);
	return at;
}

/* The GNU hash table does not store the number of symbols: the longest chain ends at the last. */
static uint64_t count_gnu_hash(const struct csn_elf_file *file, struct csn_span at)
{
	uint32_t n_buckets = csn_span_u32(&at), first = csn_span_u32(&at);
	uint32_t n_bloom = csn_span_u32(&at), i;
	uint64_t last = 0;

	csn_span_skip(&at, 4 + (uint64_t)n_bloom * (file->header.is_64 ? 8 : 4));
	for (i = 0; i < n_buckets && csn_span_left(&at) >= 4; i++)
		last = csn_max_u64(last, csn_span_u32(&at));
	if (last < first)
		return first;
	csn_span_skip(&at, (last - first) * 4);
	while (csn_span_left(&at) >= 4) {
		last++;
		if (csn_span_u32(&at) & 1)
			return last;
	}
	return 0;
}

static uint64_t count_dynamic(const struct csn_elf_file *file, const struct dynamic *dynamic)
{
	struct csn_span at;
	uint64_t count = 0;

	if (dynamic->hash) {
		at = at_pointer(file, dynamic->hash);
		csn_span_skip(&at, 4);
		count = csn_span_u32(&at);
	}
	if (!count && dynamic->gnu_hash)
		count = count_gnu_hash(file, at_pointer(file, dynamic->gnu_hash));
	/* Linkers put the strings right behind the symbols. */
	if (!count && dynamic->strings > dynamic->symbols)
		count = (dynamic->strings - dynamic->symbols) / symbol_bytes(file);
	return count;
}

static bool find_by_dynamic(const struct csn_elf_file *file, struct csn_elf_symbols *ret_symbols)
{
	struct csn_elf_symbols symbols = { .is_64 = file->header.is_64 };
	struct dynamic dynamic;
	uint64_t count;

	if (!read_dynamic(file, &dynamic))
		return false;
	symbols.entries = at_pointer(file, dynamic.symbols);
	symbols.strings = at_pointer(file, dynamic.strings);
	if (!csn_span_ok(&symbols.entries) || !csn_span_ok(&symbols.strings))
		return false;
	symbols.strings.size = csn_min_u64(symbols.strings.size, dynamic.strings_size);
	count = count_dynamic(file, &dynamic);
	symbols.n_symbols = csn_min_u64(count, symbols.entries.size / symbol_bytes(file));
	*ret_symbols = symbols;
	return symbols.n_symbols > 0;
}

bool csn_elf_symbols_find(struct csn_elf_file *file, enum csn_elf_table table,
			  struct csn_elf_symbols *ret_symbols)
{
	if (find_by_section(file, table == CSN_ELF_SYMTAB ? SHT_SYMTAB : SHT_DYNSYM, ret_symbols))
		return true;
	return table == CSN_ELF_DYNSYM && find_by_dynamic(file, ret_symbols);
}

const char *csn_elf_symbols_name(const struct csn_elf_symbols *symbols, uint32_t name_offset)
{
	struct csn_span names = symbols->strings;
	const char *name;

	csn_span_seek(&names, name_offset);
	if (csn_span_ok(&names))
		names.size = csn_min_u64(names.size, names.at + CSN_MAX_SYMBOL_NAME);
	name = csn_span_cstr(&names);
	return name ? name : "";
}
