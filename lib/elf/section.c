/* Content of sections: stored, compressed in two ways, or an xz-packed object of its own. */
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "elf/file.h"
#include "elf/file_internal.h"

/* How one compressed section says it is packed. */
struct packing {
	uint32_t type; /* ELFCOMPRESS_... */
	uint64_t size; /* unpacked */
	struct csn_span payload;
};

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif

static bool read_packing(const struct csn_elf_file *file, const struct csn_elf_section *section,
			 struct csn_span stored, struct packing *ret_packing)
{
	bool wide = file->header.is_64;
	const char *magic;

	if (section->flags & SHF_COMPRESSED) {
		ret_packing->type = csn_span_u32(&stored);
		csn_span_skip(&stored, wide ? 4 : 0);
		ret_packing->size = csn_span_uint(&stored, wide ? 8 : 4);
		csn_span_skip(&stored, wide ? 8 : 4);
	} else {
		magic = csn_span_bytes(&stored, 4);
		if (!magic || memcmp(magic, "ZLIB", 4) != 0)
			return false;
		stored.big_endian = true;
		ret_packing->type = ELFCOMPRESS_ZLIB;
		ret_packing->size = csn_span_u64(&stored);
	}
	ret_packing->payload = csn_span_take(&stored, csn_span_left(&stored));
	return csn_span_ok(&stored);
}

static bool is_packed(const struct csn_elf_section *section)
{
	return (section->flags & SHF_COMPRESSED) || strncmp(section->name, ".zdebug_", 8) == 0;
}

/* uLong and uInt are too narrow for one call over gigabytes; feed in pieces. */
static bool inflate_zlib(const struct packing *packing, uint8_t *out)
{
	z_stream stream = { 0 };
	size_t in_left = packing->payload.size, out_left = packing->size;
	int rc = Z_OK;

	if (inflateInit(&stream) != Z_OK)
		return false;
	stream.next_in = (Bytef *)packing->payload.data;
	stream.next_out = out;
	while (rc == Z_OK) {
		uInt in = (uInt)csn_min_u64(in_left, CSN_GIB);
		uInt room = (uInt)csn_min_u64(out_left, CSN_GIB);

		stream.avail_in = in;
		stream.avail_out = room;
		rc = inflate(&stream, Z_NO_FLUSH);
		in_left -= in - stream.avail_in;
		out_left -= room - stream.avail_out;
		if (in == stream.avail_in && room == stream.avail_out)
			break;
	}
	inflateEnd(&stream);
	return rc == Z_STREAM_END && out_left == 0;
}

static bool inflate_zstd(const struct packing *packing, uint8_t *out)
{
	size_t size =
		ZSTD_decompress(out, packing->size, packing->payload.data, packing->payload.size);

	return !ZSTD_isError(size) && size == packing->size;
}

static const struct csn_elf_inflated *find_inflated(const struct csn_elf_file *file, uint32_t index)
{
	const struct csn_elf_inflated *at;

	for (at = file->inflated; at; at = at->next) {
		if (at->index == index)
			return at;
	}
	return NULL;
}

static int inflate_section(struct csn_elf_file *file, const struct csn_elf_section *section,
			   const struct packing *packing, struct csn_error *err)
{
	cleanup_free uint8_t *data = NULL;
	struct csn_elf_inflated *entry;
	bool whole;

	if (packing->type != ELFCOMPRESS_ZLIB && packing->type != ELFCOMPRESS_ZSTD)
		return csn_fail(err, CSN_E_UNSUPPORTED, "section %s: compression %u is unknown",
				section->name, packing->type);
	if (packing->size > CSN_MAX_SECTION_INFLATED ||
	    packing->size / CSN_MAX_INFLATE_SECTION_RATIO > packing->payload.size)
		return csn_fail(err, CSN_E_LIMIT, "section %s claims to unpack to %llu bytes",
				section->name, (unsigned long long)packing->size);
	data = malloc(packing->size + 1);
	if (!data)
		return csn_fail_nomem(err);
	whole = packing->type == ELFCOMPRESS_ZLIB ? inflate_zlib(packing, data)
						  : inflate_zstd(packing, data);
	if (!whole)
		return csn_fail(err, CSN_E_FORMAT, "section %s does not unpack", section->name);
	entry = malloc(sizeof(*entry));
	if (!entry)
		return csn_fail_nomem(err);
	*entry = (struct csn_elf_inflated){ .next = file->inflated,
					    .index = section->index,
					    .size = packing->size,
					    .data = csn_take(data) };
	file->inflated = entry;
	return 0;
}

int csn_elf_file_section_read(struct csn_elf_file *file, const struct csn_elf_section *section,
			      struct csn_span *ret_bytes, struct csn_error *err)
{
	struct csn_span stored = csn_elf_section_stored(file, section);
	const struct csn_elf_inflated *inflated;
	struct packing packing;
	int rc;

	if (!csn_span_ok(&stored))
		return csn_fail(err, CSN_E_FORMAT, "section %s has no bytes in the file",
				section->name);
	if (!is_packed(section)) {
		*ret_bytes = stored;
		return 0;
	}
	inflated = find_inflated(file, section->index);
	if (!inflated) {
		if (!read_packing(file, section, stored, &packing))
			return csn_fail(err, CSN_E_FORMAT, "section %s: bad compression header",
					section->name);
		rc = inflate_section(file, section, &packing, err);
		if (rc < 0)
			return rc;
		inflated = file->inflated;
	}
	*ret_bytes = csn_span_of(inflated->data, inflated->size);
	return 0;
}

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
