#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dwarf/source_internal.h"
#include "elf/file.h"

int csn_dwarf_new(const struct csn_dwarf_input *input, struct csn_dwarf **ret_dwarf,
		  struct csn_error *err)
{
	struct csn_dwarf *dwarf = calloc(1, sizeof(*dwarf));

	if (!dwarf)
		return csn_fail_nomem(err);
	dwarf->input = *input;
	dwarf->arena = csn_arena_new(CSN_MAX_DWARF_MEMORY);
	if (!dwarf->arena) {
		free(dwarf);
		return csn_fail_nomem(err);
	}
	*ret_dwarf = dwarf;
	return 0;
}

void csn_dwarf_free(struct csn_dwarf *dwarf)
{
	if (!dwarf)
		return;
	csn_arena_free(dwarf->arena);
	free(dwarf);
}

void csn_dwarf_freep(struct csn_dwarf **dwarf)
{
	csn_dwarf_free(*dwarf);
}

static struct csn_span read_named(struct csn_elf_file *file, const char *name, uint64_t size_bytes)
{
	static const struct csn_span absent = { .failed = true };
	struct csn_elf_section found;
	struct csn_span bytes;

	if (!name || !csn_elf_file_section_find(file, name, &found) ||
	    csn_elf_file_section_prefix(file, &found, size_bytes, &bytes, NULL) < 0)
		return absent;
	return bytes;
}

static struct csn_span read_elf(void *context, enum csn_dwarf_section section, uint64_t size_bytes)
{
	static const char *const names[CSN_DEBUG_SECTIONS] = {
		[CSN_DEBUG_INFO] = ".debug_info",
		[CSN_DEBUG_ABBREV] = ".debug_abbrev",
		[CSN_DEBUG_LINE] = ".debug_line",
		[CSN_DEBUG_STR] = ".debug_str",
		[CSN_DEBUG_LINE_STR] = ".debug_line_str",
		[CSN_DEBUG_STR_OFFSETS] = ".debug_str_offsets",
		[CSN_DEBUG_ADDR] = ".debug_addr",
		[CSN_DEBUG_RANGES] = ".debug_ranges",
		[CSN_DEBUG_RNGLISTS] = ".debug_rnglists",
		[CSN_DEBUG_ARANGES] = ".debug_aranges",
		[CSN_DEBUG_TYPES] = ".debug_types",
		[CSN_DEBUG_LOC] = ".debug_loc",
		[CSN_DEBUG_LOCLISTS] = ".debug_loclists",
		[CSN_DEBUG_GDB_INDEX] = ".gdb_index",
		[CSN_DEBUG_NAMES] = ".debug_names",
	};

	return read_named(context, names[section], size_bytes);
}

/* Of .dwo objects and packages. Addresses and, in version 4, ranges are with the skeletons. */
static struct csn_span read_split(void *context, enum csn_dwarf_section section,
				  uint64_t size_bytes)
{
	static const char *const names[CSN_DEBUG_SECTIONS] = {
		[CSN_DEBUG_INFO] = ".debug_info.dwo",
		[CSN_DEBUG_ABBREV] = ".debug_abbrev.dwo",
		[CSN_DEBUG_LINE] = ".debug_line.dwo",
		[CSN_DEBUG_STR] = ".debug_str.dwo",
		[CSN_DEBUG_STR_OFFSETS] = ".debug_str_offsets.dwo",
		[CSN_DEBUG_RNGLISTS] = ".debug_rnglists.dwo",
		[CSN_DEBUG_TYPES] = ".debug_types.dwo",
		[CSN_DEBUG_LOC] = ".debug_loc.dwo",
		[CSN_DEBUG_LOCLISTS] = ".debug_loclists.dwo",
		[CSN_DEBUG_CU_INDEX] = ".debug_cu_index",
		[CSN_DEBUG_TU_INDEX] = ".debug_tu_index",
	};

	return read_named(context, names[section], size_bytes);
}

int csn_dwarf_open(struct csn_elf_file *file, const struct csn_dwarf_links *links,
		   struct csn_dwarf **ret_dwarf, struct csn_error *err)
{
	struct csn_dwarf_input input = { .read = read_elf, .context = file };
	struct csn_elf_section info;

	if (!csn_elf_file_section_find(file, ".debug_info", &info))
		return csn_fail(err, CSN_E_NOT_FOUND, "no debug information");
	if (links)
		input.links = *links;
	return csn_dwarf_new(&input, ret_dwarf, err);
}

/* The sections of one name, behind each other; size_bytes is their sum. False: they do not fit into
 * the arena. */
static bool join(struct csn_dwarf *dwarf, struct csn_elf_file *file, enum csn_dwarf_section which,
		 const char *name, size_t size_bytes)
{
	uint8_t *joined = csn_arena_alloc(dwarf->arena, size_bytes);
	struct csn_elf_section section;
	struct csn_span bytes;
	size_t used = 0;
	uint32_t i;

	if (!joined)
		return false;
	for (i = 1; csn_elf_file_section(file, i, &section); i++) {
		if (strcmp(section.name, name) != 0 ||
		    csn_elf_file_section_read(file, &section, &bytes, NULL) < 0 ||
		    bytes.size > size_bytes - used)
			continue;
		memcpy(joined + used, bytes.data, bytes.size);
		used += bytes.size;
	}
	dwarf->sections[which] = csn_span_of(joined, used);
	dwarf->asked[which] = UINT64_MAX;
	return true;
}

/* gcc leaves every unit of types in a section of its own, all with the same name. */
static bool join_units(struct csn_dwarf *dwarf, struct csn_elf_file *file,
		       enum csn_dwarf_section which, const char *name)
{
	struct csn_elf_section section;
	struct csn_span bytes;
	uint32_t i, n = 0;
	size_t sum = 0;

	for (i = 1; csn_elf_file_section(file, i, &section); i++)
		n += strcmp(section.name, name) == 0;
	if (n < 2)
		return true;
	for (i = 1; csn_elf_file_section(file, i, &section); i++) {
		if (strcmp(section.name, name) != 0 ||
		    csn_elf_file_section_read(file, &section, &bytes, NULL) < 0)
			continue;
		if (bytes.size > CSN_MAX_DWARF_MEMORY - sum)
			return false;
		sum += bytes.size;
	}
	return join(dwarf, file, which, name, sum);
}

int csn_dwarf_open_split(struct csn_elf_file *file, struct csn_dwarf **ret_dwarf,
			 struct csn_error *err)
{
	const struct csn_dwarf_input input = { .read = read_split, .context = file };
	cleanup_(csn_dwarf_freep) struct csn_dwarf *dwarf = NULL;
	struct csn_elf_section info;
	int rc;

	if (!csn_elf_file_section_find(file, ".debug_info.dwo", &info))
		return csn_fail(err, CSN_E_NOT_FOUND, "no split debug information");
	rc = csn_dwarf_new(&input, &dwarf, err);
	if (rc < 0 || !dwarf)
		return rc;
	if (!join_units(dwarf, file, CSN_DEBUG_INFO, ".debug_info.dwo") ||
	    !join_units(dwarf, file, CSN_DEBUG_TYPES, ".debug_types.dwo"))
		return csn_fail_nomem(err);
	*ret_dwarf = csn_take(dwarf);
	return 0;
}

struct csn_dwarf *csn_dwarf_alternate(struct csn_dwarf *dwarf)
{
	const struct csn_dwarf_links *links = &dwarf->input.links;

	if (!dwarf->alternate_tried) {
		dwarf->alternate_tried = true;
		if (links->open_alternate)
			dwarf->alternate = links->open_alternate(links->context);
	}
	return dwarf->alternate;
}

struct csn_span csn_dwarf_bytes(struct csn_dwarf *dwarf, enum csn_dwarf_section section,
				uint64_t size_bytes)
{
	if (size_bytes > dwarf->asked[section]) {
		dwarf->sections[section] =
			dwarf->input.read(dwarf->input.context, section, size_bytes);
		/* What was given may be more; what is less is all there is. */
		dwarf->asked[section] = dwarf->sections[section].size < size_bytes
						? UINT64_MAX
						: dwarf->sections[section].size;
		dwarf->sections[section].at = 0;
	}
	if (!dwarf->asked[section])
		return (struct csn_span){ .failed = true };
	return dwarf->sections[section];
}

const char *csn_dwarf_text(struct csn_dwarf *dwarf, enum csn_dwarf_section section, uint64_t offset)
{
	struct csn_span bytes;

	if (offset > UINT64_MAX - CSN_MAX_SYMBOL_NAME)
		return NULL;
	bytes = csn_dwarf_bytes(dwarf, section, offset + CSN_MAX_SYMBOL_NAME);
	csn_span_seek(&bytes, offset);
	if (csn_span_ok(&bytes))
		bytes.size = csn_min_u64(bytes.size, offset + CSN_MAX_SYMBOL_NAME);
	return csn_span_cstr(&bytes);
}
