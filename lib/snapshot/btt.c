/* The .btt container (docs/formats/btt.md): 44 bytes of payload in a zstd skippable frame, then
 * zstd frames. The header's SHA-256 makes a file that was cut or changed known before anything
 * reads the JSON. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/span.h"
#include "snapshot/document.h"

#define SKIPPABLE_MAGIC 0x184D2A50u
#define BTT_VERSION 1
static const char btt_tag[4] = { 'B', 'T', 'T', BTT_VERSION };

#define PAYLOAD_BYTES (3 + 1 + 8 + CSN_SHA256_BYTES)
#define HEADER_BYTES (8 + PAYLOAD_BYTES)

/* A snapshot of a few threads is squeezed as hard as zstd can; a huge one must not take seconds. */
static int level_for(size_t length)
{
	if (length <= 128 * CSN_KIB)
		return 22;
	return length <= 4 * CSN_MIB ? 12 : 4;
}

static void put_le(uint8_t *to, uint64_t value, unsigned width)
{
	unsigned i;

	for (i = 0; i < width; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static void free_cctx(ZSTD_CCtx **context)
{
	ZSTD_freeCCtx(*context);
}

static void free_dctx(ZSTD_DCtx **context)
{
	ZSTD_freeDCtx(*context);
}

static void put_header(uint8_t header[HEADER_BYTES], const char *json, size_t length)
{
	put_le(header, SKIPPABLE_MAGIC, 4);
	put_le(header + 4, PAYLOAD_BYTES, 4);
	memcpy(header + 8, btt_tag, sizeof(btt_tag));
	put_le(header + 12, length, 8);
	csn_sha256(json, length, header + 20);
}

int csn_btt_pack(const char *json, size_t length, struct csn_buf *out, struct csn_error *err)
{
	cleanup_(free_cctx) ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t bound = ZSTD_compressBound(length), start = out->size, n;
	void *room;

	if (!context)
		return csn_fail_nomem(err);
	room = csn_buf_extend(out, HEADER_BYTES + bound);
	if (!room)
		return csn_buf_check(out, "snapshot", err);
	put_header(room, json, length);
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level_for(length));
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0);
	n = ZSTD_compress2(context, (char *)room + HEADER_BYTES, bound, json, length);
	if (ZSTD_isError(n))
		return csn_fail(err, CSN_E_NOMEM, "cannot compress: %s", ZSTD_getErrorName(n));
	out->size = start + HEADER_BYTES + n;
	out->data[out->size] = '\0';
	return 0;
}

bool csn_btt_probe(const void *data, size_t size_bytes)
{
	struct csn_span span = csn_span_of(data, size_bytes);
	uint32_t magic = csn_span_u32(&span);
	const char *tag;

	csn_span_u32(&span);
	tag = csn_span_bytes(&span, 3);
	return tag && magic == SKIPPABLE_MAGIC && memcmp(tag, btt_tag, 3) == 0;
}

/* What a document may unpack to: a small file cannot claim gigabytes. */
static uint64_t unpacked_cap(size_t size_bytes)
{
	return csn_min_u64(CSN_MAX_SNAPSHOT_JSON,
			   csn_max_u64(64 * CSN_MIB, (uint64_t)size_bytes * CSN_MAX_INFLATE_RATIO));
}

static int unpack_frames(struct csn_span *span, char *to, uint64_t length, struct csn_error *err)
{
	cleanup_(free_dctx) ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer in = { span->data + span->at, csn_span_left(span), 0 };
	ZSTD_outBuffer out = { to, length, 0 };
	size_t n = 0;

	if (!context)
		return csn_fail_nomem(err);
	while (in.pos < in.size) {
		size_t before = in.pos;

		n = ZSTD_decompressStream(context, &out, &in);
		if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
			return csn_fail_nomem(err);
		if (ZSTD_isError(n))
			return csn_fail(err, CSN_E_FORMAT, "damaged: %s", ZSTD_getErrorName(n));
		if (out.pos == out.size && in.pos == before && n != 0)
			return csn_fail(err, CSN_E_FORMAT,
					"damaged: more than the %llu bytes its header names",
					(unsigned long long)length);
	}
	if (out.pos < out.size || n != 0)
		return csn_fail(err, CSN_E_FORMAT,
				"cut short: %llu of %llu bytes of the document are there",
				(unsigned long long)out.pos, (unsigned long long)length);
	return 0;
}

int csn_btt_unpack(const void *data, size_t size_bytes, struct csn_buf *out_json,
		   struct csn_error *err)
{
	struct csn_span span = csn_span_of(data, size_bytes);
	uint8_t digest[CSN_SHA256_BYTES];
	const uint8_t *version, *expected;
	size_t start = out_json->size;
	uint64_t length;
	char *room;
	int r;

	if (!csn_btt_probe(data, size_bytes))
		return csn_fail(err, CSN_E_FORMAT, "not a snapshot (no .btt header)");
	csn_span_skip(&span, 11);
	version = csn_span_bytes(&span, 1);
	length = csn_span_u64(&span);
	expected = csn_span_bytes(&span, CSN_SHA256_BYTES);
	if (!csn_span_ok(&span))
		return csn_fail(err, CSN_E_FORMAT, "cut short: the header is not whole");
	if (*version != BTT_VERSION)
		return csn_fail(err, CSN_E_UNSUPPORTED, "format version %u, known is %d", *version,
				BTT_VERSION);
	if (length > unpacked_cap(size_bytes))
		return csn_fail(err, CSN_E_LIMIT, "claims %llu bytes of JSON in a file of %zu",
				(unsigned long long)length, size_bytes);
	room = csn_buf_extend(out_json, length);
	if (!room)
		return csn_buf_check(out_json, "snapshot", err);
	r = unpack_frames(&span, room, length, err);
	if (r == 0) {
		csn_sha256(room, length, digest);
		if (memcmp(digest, expected, sizeof(digest)) != 0)
			r = csn_fail(err, CSN_E_FORMAT, "damaged: its checksum does not match");
	}
	if (r < 0) {
		out_json->size = start;
		out_json->data[start] = '\0';
	}
	return r;
}

int csn_snapshot_read_fd(int fd, const char *name, struct csn_snapshot **ret_snapshot,
			 struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf file = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_FILE);
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON + 1);
	struct csn_buf *text = &file;
	int r = csn_read_fd(fd, name, &file, err);

	if (r < 0)
		return r;
	if (csn_btt_probe(csn_buf_text(&file), file.size)) {
		r = csn_btt_unpack(file.data, file.size, &json, err);
		text = &json;
	}
	if (r == 0)
		r = csn_snapshot_read_json(csn_buf_text(text), text->size, ret_snapshot, err);
	if (r < 0)
		return csn_wrap(err, "%s", name);
	return 0;
}

int csn_snapshot_read_file(const char *path, struct csn_snapshot **ret_snapshot,
			   struct csn_error *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return csn_fail_os(err, errno, "%s", path);
	return csn_snapshot_read_fd(fd, path, ret_snapshot, err);
}
