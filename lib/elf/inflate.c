/* Content of sections, compressed in two ways or not at all.
 *
 * Debug sections are large and mostly a part of one is asked for: unpacking goes on from where it
 * stopped, into memory for the whole section that is only touched as far as it is filled. */
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "elf/file.h"
#include "elf/file_internal.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif

/* More than what was asked for, so that neighbours are there too. */
#define CSN_INFLATE_STEP (64 * CSN_KIB)

#define CSN_HUGE_PAGE (2 * CSN_MIB)

/* How one compressed section says it is packed. */
struct packing {
	uint32_t type; /* ELFCOMPRESS_... */
	uint64_t size; /* unpacked */
	struct csn_span payload;
};

struct csn_elf_inflated {
	struct csn_elf_inflated *next;
	uint32_t index;
	uint8_t *data; /* owned; room for packing.size and a byte that must not be filled */
	size_t ready;  /* bytes of it that are filled */
	size_t taken;  /* bytes of the payload that are used up */
	bool broken, ended;
	struct packing packing;
	struct inflate_state *zlib; /* owned; one of these two, as the packing says */
	ZSTD_DStream *zstd;
};

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

static void free_one(struct csn_elf_inflated *one)
{
	free(one->zlib);
	ZSTD_freeDStream(one->zstd);
	free(one->data);
	free(one);
}

void csn_elf_inflated_free(struct csn_elf_inflated *inflated)
{
	while (inflated) {
		struct csn_elf_inflated *next = inflated->next;

		free_one(inflated);
		inflated = next;
	}
}

/* One call of the library; room is what may be filled. False when it cannot go on. Its counts are
 * too narrow for gigabytes at once. */
static bool step_zlib(struct csn_elf_inflated *one, size_t room)
{
	const struct csn_span *payload = &one->packing.payload;
	uint32_t in = (uint32_t)csn_min_u64(payload->size - one->taken, CSN_GIB);
	uint32_t out = (uint32_t)csn_min_u64(room, CSN_GIB);
	int rc;

	one->zlib->next_in = (uint8_t *)payload->data + one->taken;
	one->zlib->avail_in = in;
	one->zlib->next_out = one->data + one->ready;
	one->zlib->avail_out = out;
	rc = isal_inflate(one->zlib);
	one->taken += in - one->zlib->avail_in;
	one->ready += out - one->zlib->avail_out;
	one->ended = one->zlib->block_state == ISAL_BLOCK_FINISH;
	return rc == ISAL_DECOMP_OK && (in != one->zlib->avail_in || out != one->zlib->avail_out);
}

static bool step_zstd(struct csn_elf_inflated *one, size_t room)
{
	const struct csn_span *payload = &one->packing.payload;
	ZSTD_inBuffer in = { payload->data, payload->size, one->taken };
	ZSTD_outBuffer out = { one->data, one->ready + room, one->ready };
	size_t rc = ZSTD_decompressStream(one->zstd, &out, &in);
	bool moved = in.pos != one->taken || out.pos != one->ready;

	one->taken = in.pos;
	one->ready = out.pos;
	one->ended = rc == 0;
	return !ZSTD_isError(rc) && moved;
}

static void inflate_to(struct csn_elf_inflated *one, uint64_t size_bytes)
{
	bool whole =
		one->packing.size - csn_min_u64(one->packing.size, size_bytes) <= CSN_INFLATE_STEP;
	size_t wanted = whole ? one->packing.size + 1 : size_bytes + CSN_INFLATE_STEP;

	while (one->ready < wanted && !one->ended && !one->broken) {
		size_t room = wanted - one->ready;

		one->broken = !(one->packing.type == ELFCOMPRESS_ZLIB ? step_zlib(one, room)
								      : step_zstd(one, room));
	}
	/* A section that lies about its size is not to be trusted in anything. */
	if (whole && (!one->ended || one->ready != one->packing.size))
		one->broken = true;
}

/* Filling fresh memory costs half as much as unpacking into it, page by page: large pages, where
 * the kernel has them. */
static void *allocate(size_t size_bytes)
{
	void *data;

	if (size_bytes < CSN_HUGE_PAGE)
		return malloc(size_bytes);
	if (posix_memalign(&data, CSN_HUGE_PAGE, size_bytes) != 0)
		return NULL;
	(void)madvise(data, size_bytes, MADV_HUGEPAGE);
	return data;
}

static int begin(struct csn_elf_file *file, const struct csn_elf_section *section,
		 const struct packing *packing, struct csn_elf_inflated **ret_one,
		 struct csn_error *err)
{
	struct csn_elf_inflated *one;
	bool started;

	if (packing->type != ELFCOMPRESS_ZLIB && packing->type != ELFCOMPRESS_ZSTD)
		return csn_fail(err, CSN_E_UNSUPPORTED, "section %s: compression %u is unknown",
				section->name, packing->type);
	if (packing->size > CSN_MAX_SECTION_INFLATED ||
	    packing->size / CSN_MAX_INFLATE_SECTION_RATIO > packing->payload.size)
		return csn_fail(err, CSN_E_LIMIT, "section %s claims to unpack to %llu bytes",
				section->name, (unsigned long long)packing->size);
	one = calloc(1, sizeof(*one));
	if (!one)
		return csn_fail_nomem(err);
	one->data = allocate(packing->size + 1);
	if (packing->type == ELFCOMPRESS_ZLIB) {
		one->zlib = malloc(sizeof(*one->zlib));
		started = one->zlib != NULL;
		if (started) {
			isal_inflate_init(one->zlib);
			one->zlib->crc_flag = ISAL_ZLIB;
		}
	} else {
		one->zstd = ZSTD_createDStream();
		started = one->zstd != NULL;
	}
	one->index = section->index;
	one->packing = *packing;
	if (!started || !one->data) {
		free_one(one);
		return csn_fail_nomem(err);
	}
	one->next = file->inflated;
	file->inflated = *ret_one = one;
	return 0;
}

static int find_or_begin(struct csn_elf_file *file, const struct csn_elf_section *section,
			 struct csn_span stored, struct csn_elf_inflated **ret_one,
			 struct csn_error *err)
{
	struct csn_elf_inflated *one;
	struct packing packing;

	for (one = file->inflated; one; one = one->next) {
		if (one->index != section->index)
			continue;
		*ret_one = one;
		return 0;
	}
	if (!read_packing(file, section, stored, &packing))
		return csn_fail(err, CSN_E_FORMAT, "section %s: bad compression header",
				section->name);
	return begin(file, section, &packing, ret_one, err);
}

int csn_elf_file_section_prefix(struct csn_elf_file *file, const struct csn_elf_section *section,
				uint64_t size_bytes, struct csn_span *ret_bytes,
				struct csn_error *err)
{
	struct csn_span stored = csn_elf_section_stored(file, section);
	struct csn_elf_inflated *one = NULL;
	int rc;

	if (!csn_span_ok(&stored))
		return csn_fail(err, CSN_E_FORMAT, "section %s has no bytes in the file",
				section->name);
	if (!is_packed(section)) {
		*ret_bytes = stored;
		return 0;
	}
	rc = find_or_begin(file, section, stored, &one, err);
	if (rc < 0 || !one)
		return rc;
	inflate_to(one, size_bytes);
	if (one->broken)
		return csn_fail(err, CSN_E_FORMAT, "section %s does not unpack", section->name);
	*ret_bytes = csn_span_of(one->data, one->ready);
	return 0;
}

int csn_elf_file_section_read(struct csn_elf_file *file, const struct csn_elf_section *section,
			      struct csn_span *ret_bytes, struct csn_error *err)
{
	return csn_elf_file_section_prefix(file, section, UINT64_MAX, ret_bytes, err);
}
