/* Headers of line programs: folders and files, in the two forms they have had. */
#include <string.h>

#include "dwarf/line_internal.h"

struct header {
	struct csn_unit *unit;
	struct csn_lines *lines;
	struct csn_span at;
	uint8_t offset_size;
};

struct format {
	uint64_t content;
	struct csn_attr_spec spec;
};

static bool push_file(struct header *header, size_t *capacity, const char *name, uint64_t folder)
{
	struct csn_lines *lines = header->lines;

	if (lines->n_files >= CSN_MAX_LINE_FILES)
		return false;
	lines->files = csn_arena_grow(header->unit->dwarf->arena, lines->files, lines->n_files,
				      capacity, sizeof(*lines->files));
	if (!lines->files) {
		lines->n_files = 0;
		return false;
	}
	lines->files[lines->n_files++] = (struct csn_line_file){ name, folder };
	return true;
}

static bool push_folder(struct header *header, size_t *capacity, const char *name)
{
	struct csn_lines *lines = header->lines;

	if (lines->n_folders >= CSN_MAX_LINE_FILES)
		return false;
	lines->folders = csn_arena_grow(header->unit->dwarf->arena, lines->folders,
					lines->n_folders, capacity, sizeof(*lines->folders));
	if (!lines->folders) {
		lines->n_folders = 0;
		return false;
	}
	lines->folders[lines->n_folders++] = name;
	return true;
}

/* Versions 2 to 4: files count from 1 and folder 0 is that of the compilation, so that number 0 of
 * each is made up here. */
static bool read_old_tables(struct header *header)
{
	size_t folders = 0, files = 0;
	const char *name;

	if (!push_folder(header, &folders, NULL) || !push_file(header, &files, NULL, 0))
		return false;
	while ((name = csn_span_cstr(&header->at)) && *name)
		if (!push_folder(header, &folders, name))
			return false;
	while ((name = csn_span_cstr(&header->at)) && *name) {
		uint64_t folder = csn_span_uleb(&header->at);

		(void)csn_span_uleb(&header->at);
		(void)csn_span_uleb(&header->at);
		if (!push_file(header, &files, name, folder))
			return false;
	}
	return csn_span_ok(&header->at);
}

static unsigned read_formats(struct header *header, struct format formats[CSN_MAX_LINE_FORMATS])
{
	unsigned i, n = csn_span_u8(&header->at);

	if (n > CSN_MAX_LINE_FORMATS)
		header->at.failed = true;
	for (i = 0; i < n && csn_span_ok(&header->at); i++) {
		uint64_t form;

		formats[i].content = csn_span_uleb(&header->at);
		form = csn_span_uleb(&header->at);
		formats[i].spec =
			(struct csn_attr_spec){ .form = form > UINT16_MAX ? 0 : (uint16_t)form };
	}
	return csn_span_ok(&header->at) ? n : 0;
}

/* Version 5: entries say themselves what they are made of. */
static bool read_new_table(struct header *header, bool is_files)
{
	struct format formats[CSN_MAX_LINE_FORMATS];
	unsigned k, n_formats = read_formats(header, formats);
	uint64_t i, count = csn_span_uleb(&header->at);
	size_t capacity = 0;

	for (i = 0; i < count && csn_span_left(&header->at); i++) {
		const char *name = NULL;
		uint64_t folder = 0;
		size_t before = header->at.at;

		for (k = 0; k < n_formats; k++) {
			struct csn_attr attr;

			csn_attr_read(&header->at, header->unit, &formats[k].spec, &attr);
			if (formats[k].content == DW_LNCT_path)
				name = csn_attr_text(header->unit, &attr);
			else if (formats[k].content == DW_LNCT_directory_index)
				(void)csn_attr_uint(&attr, &folder);
		}
		/* Entries that take no bytes could be claimed without end. */
		if (!csn_span_ok(&header->at) || header->at.at == before ||
		    !(is_files ? push_file(header, &capacity, name, folder)
			       : push_folder(header, &capacity, name)))
			return false;
	}
	return csn_span_ok(&header->at);
}

/* Everything up to the tables; ret_program is the offset of the first instruction. */
static bool read_fixed_part(struct header *header, uint64_t *ret_program)
{
	struct csn_span *at = &header->at;
	struct csn_lines *lines = header->lines;
	uint64_t length;

	lines->version = csn_span_u16(at);
	if (lines->version < 2 || lines->version > 5)
		return false;
	lines->address_size = header->unit->address_size;
	if (lines->version >= 5) {
		lines->address_size = csn_span_u8(at);
		csn_span_skip(at, 1);
	}
	length = csn_span_uint(at, header->offset_size);
	if (!csn_span_ok(at) || length > csn_span_left(at))
		return false;
	*ret_program = at->at + length;
	lines->minimum_length = csn_span_u8(at);
	lines->maximum_operations = lines->version >= 4 ? csn_span_u8(at) : 1;
	lines->default_is_statement = csn_span_u8(at) != 0;
	lines->line_base = (int8_t)csn_span_u8(at);
	lines->line_range = csn_span_u8(at);
	lines->opcode_base = csn_span_u8(at);
	if (!lines->opcode_base || !lines->line_range || !lines->maximum_operations)
		return false;
	lines->opcode_lengths = csn_span_bytes(at, lines->opcode_base - 1u);
	for (unsigned i = 0; i < csn_countof(lines->line_advance); i++) {
		lines->address_advance[i] =
			(uint16_t)(i / lines->line_range * lines->minimum_length);
		lines->line_advance[i] = (int16_t)(lines->line_base + (int)(i % lines->line_range));
	}
	return csn_span_ok(at);
}

static bool read_header(struct header *header)
{
	struct csn_lines *lines = header->lines;
	struct csn_unit *unit = header->unit;
	struct csn_unit reader = *unit;
	uint64_t program;
	bool whole;

	if (!read_fixed_part(header, &program))
		return false;
	/* Forms are of this table's width, which may not be that of the unit. */
	reader.offset_size = header->offset_size;
	header->unit = &reader;
	whole = lines->version >= 5 ? read_new_table(header, false) && read_new_table(header, true)
				    : read_old_tables(header);
	header->unit = unit;
	/* Lines without file names are still worth having. */
	if (!whole)
		lines->n_files = csn_min_u64(lines->n_files, CSN_MAX_LINE_FILES);
	lines->program = header->at;
	lines->program.failed = false;
	csn_span_seek(&lines->program, program);
	lines->paths =
		csn_arena_array(reader.dwarf->arena, lines->n_files + 1, sizeof(*lines->paths));
	return csn_span_ok(&lines->program) && lines->paths;
}

static struct csn_lines *open_lines(struct csn_unit *unit)
{
	struct csn_dwarf *dwarf = unit->dwarf;
	struct header header = { .unit = unit, .offset_size = 4 };
	struct csn_span all;
	uint64_t length;

	if (!unit->has_lines || unit->lines_offset > UINT64_MAX - 16)
		return NULL;
	all = csn_dwarf_bytes(dwarf, CSN_DEBUG_LINE, unit->lines_offset + 16);
	csn_span_seek(&all, unit->lines_offset);
	length = csn_span_u32(&all);
	if (length == 0xffffffff) {
		length = csn_span_u64(&all);
		header.offset_size = 8;
	}
	if (!csn_span_ok(&all) || length > UINT64_MAX - all.at)
		return NULL;
	header.at = csn_dwarf_bytes(dwarf, CSN_DEBUG_LINE, all.at + length);
	csn_span_seek(&header.at, all.at);
	header.at = csn_span_take(&header.at, length);
	header.lines = csn_arena_alloc(dwarf->arena, sizeof(*header.lines));
	if (!header.lines)
		return NULL;
	header.lines->unit = unit;
	if (!csn_span_ok(&header.at) || !read_header(&header))
		return NULL;
	return header.lines;
}

struct csn_lines *csn_unit_lines(struct csn_unit *unit)
{
	if (!unit->lines_tried) {
		unit->lines_tried = true;
		if (csn_unit_open(unit))
			unit->lines = open_lines(unit);
	}
	return unit->lines;
}

/* As compiled, like debuggers show it: the folder of the compilation is left out when it is
 * absolute, as it is the same for most files and of another machine. Folder 0 is that folder: in
 * version 5 it is written, in older ones not. */
static const char *folder_of(const struct csn_lines *lines, const struct csn_line_file *file)
{
	const struct csn_unit *unit = lines->unit;
	const char *folder = NULL;

	if (file->name[0] == '/')
		return NULL;
	if (file->folder < lines->n_folders)
		folder = lines->folders[file->folder];
	if (!folder && !file->folder)
		folder = unit->folder;
	if (!folder || !*folder ||
	    (folder[0] == '/' &&
	     (!file->folder || (unit->folder && strcmp(folder, unit->folder) == 0))))
		return NULL;
	return folder;
}

const char *csn_lines_path(struct csn_lines *lines, uint64_t file)
{
	const struct csn_line_file *entry;
	const char *folder;

	if (file >= lines->n_files || !lines->files[file].name)
		return NULL;
	if (lines->paths[file])
		return lines->paths[file];
	entry = &lines->files[file];
	folder = folder_of(lines, entry);
	lines->paths[file] =
		folder ? csn_arena_sprintf(lines->unit->dwarf->arena, "%s/%s", folder, entry->name)
		       : entry->name;
	return lines->paths[file];
}
