#include "elf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "elf/file_internal.h"
#include "elf/note.h"

static bool read_section(const struct csn_elf_file *file, uint32_t index,
			 struct csn_elf_section *ret_section, uint32_t *ret_name)
{
	const struct csn_elf_header *header = &file->header;
	bool wide = header->is_64;
	uint64_t size = wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	uint64_t offset = (uint64_t)index * header->section_size;
	struct csn_elf_section section = { .name = "", .index = index };
	struct csn_span at;

	if (index >= header->n_sections || index >= CSN_MAX_ELF_SECTIONS || file->by_address ||
	    header->section_size < size || header->sections_offset > UINT64_MAX - offset)
		return false;
	at = csn_span_part(&file->bytes, header->sections_offset + offset, size);
	*ret_name = csn_span_u32(&at);
	section.type = csn_span_u32(&at);
	section.flags = csn_span_uint(&at, wide ? 8 : 4);
	section.address = csn_span_uint(&at, wide ? 8 : 4);
	section.offset = csn_span_uint(&at, wide ? 8 : 4);
	section.size = csn_span_uint(&at, wide ? 8 : 4);
	section.link = csn_span_u32(&at);
	section.info = csn_span_u32(&at);
	section.alignment = csn_span_uint(&at, wide ? 8 : 4);
	section.entry_size = csn_span_uint(&at, wide ? 8 : 4);
	if (!csn_span_ok(&at))
		return false;
	*ret_section = section;
	return true;
}

struct csn_span csn_elf_section_stored(const struct csn_elf_file *file,
				       const struct csn_elf_section *section)
{
	if (section->type == SHT_NOBITS)
		return (struct csn_span){ .failed = true };
	return csn_span_part(&file->bytes, section->offset, section->size);
}

static int set_up(struct csn_elf_file *file, struct csn_error *err)
{
	struct csn_elf_section names;
	struct csn_elf_segment first;
	uint32_t unused;
	int rc = csn_elf_header_read(&file->bytes, &file->header, err);

	if (rc < 0)
		return rc;
	file->section_names.failed = true;
	if (read_section(file, file->header.names_section, &names, &unused))
		file->section_names = csn_elf_section_stored(file, &names);
	if (file->by_address) {
		if (!csn_elf_file_segment_of_type(file, PT_LOAD, &first))
			return csn_fail(err, CSN_E_FORMAT, "no segment is loaded");
		/* Where the file's first byte went, as loaders compute it. */
		file->lowest = (first.address - first.offset) & ~(uint64_t)4095;
	}
	return 0;
}

static int take_open(struct csn_elf_file file, struct csn_elf_file **ret_file,
		     struct csn_error *err)
{
	struct csn_elf_file *kept;
	int rc = set_up(&file, err);

	if (rc < 0)
		return rc;
	kept = malloc(sizeof(*kept));
	if (!kept)
		return csn_fail_nomem(err);
	*kept = file;
	*ret_file = kept;
	return 0;
}

int csn_elf_file_open_fd(int fd, const char *name, struct csn_elf_file **ret_file,
			 struct csn_error *err)
{
	struct csn_elf_file file = { 0 };
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return csn_fail_os(err, errno, "%s", name);
	if (!S_ISREG(st.st_mode))
		return csn_fail(err, CSN_E_FORMAT, "%s: not a regular file", name);
	if (st.st_size < EI_NIDENT)
		return csn_fail(err, CSN_E_FORMAT, "%s: not an ELF file", name);
	file.mapped = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file.mapped == MAP_FAILED)
		return csn_fail_os(err, errno, "%s: map", name);
	file.bytes = csn_span_of(file.mapped, (size_t)st.st_size);
	rc = take_open(file, ret_file, err);
	if (rc < 0) {
		munmap(file.mapped, file.bytes.size);
		return csn_wrap(err, "%s", name);
	}
	return 0;
}

int csn_elf_file_open(const struct csn_opener *opener, const char *path,
		      struct csn_elf_file **ret_file, struct csn_error *err)
{
	cleanup_close int fd = -1;
	int rc = csn_opener_open(opener, CSN_OPEN_OBJECT, path, &fd, err);

	return rc < 0 ? rc : csn_elf_file_open_fd(fd, path, ret_file, err);
}

int csn_elf_file_open_memory(void *data, size_t size_bytes, struct csn_elf_file **ret_file,
			     struct csn_error *err)
{
	return take_open((struct csn_elf_file){ .bytes = csn_span_of(data, size_bytes),
						.owned = data },
			 ret_file, err);
}

int csn_elf_file_open_image(void *data, size_t size_bytes, csn_addr bias,
			    struct csn_elf_file **ret_file, struct csn_error *err)
{
	return take_open((struct csn_elf_file){ .bytes = csn_span_of(data, size_bytes),
						.owned = data,
						.by_address = true,
						.bias = bias },
			 ret_file, err);
}

void csn_elf_file_free(struct csn_elf_file *file)
{
	if (!file)
		return;
	csn_elf_inflated_free(file->inflated);
	csn_elf_file_free(file->debug_data);
	if (file->mapped)
		munmap(file->mapped, file->bytes.size);
	free(file->owned);
	free(file);
}

void csn_elf_file_freep(struct csn_elf_file **file)
{
	csn_elf_file_free(*file);
}

const struct csn_elf_header *csn_elf_file_header(const struct csn_elf_file *file)
{
	return &file->header;
}

const struct csn_span *csn_elf_file_bytes(const struct csn_elf_file *file)
{
	return &file->bytes;
}

bool csn_elf_file_segment(const struct csn_elf_file *file, uint32_t index,
			  struct csn_elf_segment *ret_segment)
{
	return csn_elf_segment_read(&file->header, &file->bytes, index, ret_segment);
}

bool csn_elf_file_segment_of_type(const struct csn_elf_file *file, uint32_t type,
				  struct csn_elf_segment *ret_segment)
{
	return csn_elf_segment_find(&file->header, &file->bytes, type, ret_segment);
}

/* The stored bytes of a segment from an address inside of it on. */
static struct csn_span segment_bytes(const struct csn_elf_file *file,
				     const struct csn_elf_segment *segment, uint64_t address)
{
	uint64_t skip = address - segment->address, left;

	if (!file->by_address) {
		if (segment->offset > UINT64_MAX - skip)
			return (struct csn_span){ .failed = true };
		return csn_span_part(&file->bytes, segment->offset + skip,
				     segment->file_size - skip);
	}
	if (address < file->lowest || address - file->lowest >= file->bytes.size)
		return (struct csn_span){ .failed = true };
	left = csn_min_u64(segment->memory_size - skip,
			   file->bytes.size - (address - file->lowest));
	return csn_span_part(&file->bytes, address - file->lowest, left);
}

struct csn_span csn_elf_file_at(const struct csn_elf_file *file, uint64_t address)
{
	struct csn_elf_segment segment;
	uint32_t i;

	for (i = 0; i < file->header.n_segments; i++) {
		uint64_t size;

		if (!csn_elf_file_segment(file, i, &segment))
			break;
		size = file->by_address ? segment.memory_size : segment.file_size;
		if (segment.type == PT_LOAD && address >= segment.address &&
		    address - segment.address < size)
			return segment_bytes(file, &segment, address);
	}
	return (struct csn_span){ .failed = true };
}

bool csn_elf_file_section(const struct csn_elf_file *file, uint32_t index,
			  struct csn_elf_section *ret_section)
{
	struct csn_span names = file->section_names;
	uint32_t name_offset;
	const char *name;

	if (!read_section(file, index, ret_section, &name_offset))
		return false;
	csn_span_seek(&names, name_offset);
	name = csn_span_cstr(&names);
	ret_section->name = name ? name : "";
	return true;
}

static bool find_section(const struct csn_elf_file *file, const char *name,
			 struct csn_elf_section *ret_section)
{
	struct csn_elf_section section;
	uint32_t i;

	if (file->header.n_sections == 0 || !csn_span_ok(&file->section_names))
		return false;
	for (i = 1; csn_elf_file_section(file, i, &section); i++) {
		if (strcmp(section.name, name) != 0)
			continue;
		*ret_section = section;
		return true;
	}
	return false;
}

bool csn_elf_file_section_find(const struct csn_elf_file *file, const char *name,
			       struct csn_elf_section *ret_section)
{
	char old_name[64];

	if (find_section(file, name, ret_section))
		return true;
	if (strncmp(name, ".debug_", 7) != 0)
		return false;
	snprintf(old_name, sizeof(old_name), ".z%s", name + 1);
	return find_section(file, old_name, ret_section);
}

/* Debug files keep their notes' sections, while their segments' offsets mean nothing: sections
 * first. */
bool csn_elf_file_build_id(const struct csn_elf_file *file, struct csn_span *ret_id)
{
	struct csn_elf_section section;
	struct csn_elf_segment segment;
	struct csn_span bytes;
	uint32_t i;

	for (i = 1; csn_elf_file_section(file, i, &section); i++) {
		bytes = csn_elf_section_stored(file, &section);
		if (section.type == SHT_NOTE && csn_span_ok(&bytes) &&
		    csn_elf_build_id_find(&bytes, section.alignment, ret_id))
			return true;
	}
	for (i = 0; csn_elf_file_segment(file, i, &segment); i++) {
		if (segment.type != PT_NOTE)
			continue;
		if (file->by_address)
			bytes = segment_bytes(file, &segment, segment.address);
		else
			bytes = csn_span_part(&file->bytes, segment.offset, segment.file_size);
		if (csn_span_ok(&bytes) && csn_elf_build_id_find(&bytes, segment.alignment, ret_id))
			return true;
	}
	return false;
}
