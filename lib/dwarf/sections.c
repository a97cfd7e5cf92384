#include <stdlib.h>

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

static struct csn_span read_elf(void *context, enum csn_dwarf_section section, uint64_t size_bytes)
{
	static const char *const names[] = {
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
	};
	static const struct csn_span absent = { .failed = true };
	struct csn_elf_section found;
	struct csn_span bytes;

	if (!csn_elf_file_section_find(context, names[section], &found) ||
	    csn_elf_file_section_prefix(context, &found, size_bytes, &bytes, NULL) < 0)
		return absent;
	return bytes;
}

int csn_dwarf_open(struct csn_elf_file *file, struct csn_dwarf **ret_dwarf, struct csn_error *err)
{
	const struct csn_dwarf_input input = { .read = read_elf, .context = file };
	struct csn_elf_section info;

	if (!csn_elf_file_section_find(file, ".debug_info", &info))
		return csn_fail(err, CSN_E_NOT_FOUND, "no debug information");
	return csn_dwarf_new(&input, ret_dwarf, err);
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
