/* What small sections say: the debug link, and the xz-packed object of .gnu_debugdata. */
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "elf/file.h"
#include "elf/file_internal.h"

bool csn_elf_file_debug_link(const struct csn_elf_file *file, const char **ret_name,
			     uint32_t *ret_crc)
{
	struct csn_elf_section section;
	struct csn_span bytes;
	const char *name;
	uint32_t crc;

	if (!csn_elf_file_section_find(file, ".gnu_debuglink", &section))
		return false;
	bytes = csn_elf_section_stored(file, &section);
	name = csn_span_cstr(&bytes);
	csn_span_align(&bytes, 4);
	crc = csn_span_u32(&bytes);
	if (!csn_span_ok(&bytes) || !*name || strchr(name, '/') || strcmp(name, "..") == 0)
		return false;
	*ret_name = name;
	*ret_crc = crc;
	return true;
}

/* DWARF 5, 7.3.6: the same section in both objects, told apart by a flag. */
static bool read_debug_sup(struct csn_elf_file *file, bool is_alternate, const char **ret_name,
			   struct csn_span *ret_id)
{
	struct csn_elf_section section;
	struct csn_span bytes;
	bool flag;

	if (!csn_elf_file_section_find(file, ".debug_sup", &section) ||
	    csn_elf_file_section_read(file, &section, &bytes, NULL) < 0 ||
	    csn_span_u16(&bytes) != 5)
		return false;
	flag = csn_span_u8(&bytes) != 0;
	*ret_name = csn_span_cstr(&bytes);
	*ret_id = csn_span_take(&bytes, csn_span_uleb(&bytes));
	return csn_span_ok(&bytes) && flag == is_alternate && ret_id->size > 0;
}

bool csn_elf_file_alternate(struct csn_elf_file *file, const char **ret_name,
			    struct csn_span *ret_id)
{
	struct csn_elf_section section;
	struct csn_span bytes;

	if (!csn_elf_file_section_find(file, ".gnu_debugaltlink", &section))
		return read_debug_sup(file, false, ret_name, ret_id) && **ret_name;
	bytes = csn_elf_section_stored(file, &section);
	*ret_name = csn_span_cstr(&bytes);
	*ret_id = csn_span_take(&bytes, csn_span_left(&bytes));
	return csn_span_ok(&bytes) && **ret_name && ret_id->size > 0 &&
	       ret_id->size <= CSN_MAX_BUILD_ID;
}

bool csn_elf_file_is_alternate(struct csn_elf_file *file, const struct csn_span *id)
{
	struct csn_span own;
	const char *unused;

	if (csn_elf_file_build_id(file, &own) && own.size == id->size &&
	    memcmp(own.data, id->data, id->size) == 0)
		return true;
	return read_debug_sup(file, true, &unused, &own) && own.size == id->size &&
	       memcmp(own.data, id->data, id->size) == 0;
}

static bool unpack_xz(const struct csn_span *packed, struct csn_buf *out)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret rc = LZMA_OK;

	if (lzma_stream_decoder(&stream, CSN_MAX_XZ_MEMORY, 0) != LZMA_OK)
		return false;
	stream.next_in = packed->data;
	stream.avail_in = packed->size;
	while (rc == LZMA_OK) {
		size_t room = csn_max_u64(64 * CSN_KIB, out->size);

		/* At the cap a smaller last piece may still do. */
		room = csn_min_u64(room, out->max - out->size);
		stream.next_out = room ? csn_buf_extend(out, room) : NULL;
		if (!stream.next_out)
			break;
		stream.avail_out = room;
		rc = lzma_code(&stream, LZMA_FINISH);
		out->size -= stream.avail_out;
	}
	lzma_end(&stream);
	return rc == LZMA_STREAM_END;
}

struct csn_elf_file *csn_elf_file_debug_data(struct csn_elf_file *file)
{
	cleanup_(csn_buf_done) struct csn_buf image = CSN_BUF_INIT(CSN_MAX_DEBUG_DATA);
	struct csn_elf_section section;
	struct csn_span packed;
	cleanup_free char *data = NULL;
	size_t size;

	if (file->debug_data_tried)
		return file->debug_data;
	file->debug_data_tried = true;
	if (!csn_elf_file_section_find(file, ".gnu_debugdata", &section))
		return NULL;
	packed = csn_elf_section_stored(file, &section);
	if (!csn_span_ok(&packed) || !unpack_xz(&packed, &image))
		return NULL;
	size = image.size;
	data = csn_buf_take(&image);
	if (data && csn_elf_file_open_memory(data, size, &file->debug_data, NULL) == 0)
		(void)csn_take(data);
	return file->debug_data;
}
