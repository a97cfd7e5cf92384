/* Packed cores: gzip and zstd, any number of members or frames in a row. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits_host.h"
#include "host/finder_copy.h"

#define IN_BYTES (128 * CSN_KIB)
#define OUT_BYTES (256 * CSN_KIB)
#define HOLE_BYTES 4096u

/* Where unpacked bytes go. */
struct sink {
	int fd;
	const struct finder_unpack_limits *limits;
	uint64_t size_bytes, stored_bytes;
};

static bool is_zero(const char *data, size_t size)
{
	return size == 0 || (data[0] == '\0' && memcmp(data, data + 1, size - 1) == 0);
}

/* A packed hole costs nothing, so it may be large; what is not a hole must be in proportion. */
static int check_stored(const struct sink *sink, struct csn_error *err)
{
	const struct finder_unpack_limits *limits = sink->limits;

	if (sink->stored_bytes > limits->room_bytes)
		return csn_fail_os(err, ENOSPC, "write");
	if (sink->stored_bytes > CSN_MAX_UNPACK_SLACK &&
	    (sink->stored_bytes - CSN_MAX_UNPACK_SLACK) / CSN_MAX_UNPACK_RATIO >
		    limits->packed_bytes)
		return csn_fail(err, CSN_E_LIMIT, "it unpacks to more than %llu times its size",
				CSN_MAX_UNPACK_RATIO);
	return 0;
}

static int put(struct sink *sink, const char *data, size_t size, struct csn_error *err)
{
	size_t at = 0;

	if (size > sink->limits->max_bytes - sink->size_bytes)
		return csn_fail(err, CSN_E_LIMIT, "unpacked it is larger than watch.max");
	while (at < size) {
		/* Up to the next border of the file's blocks. */
		size_t part = HOLE_BYTES - (size_t)((sink->size_bytes + at) % HOLE_BYTES);
		int r;

		if (part > size - at)
			part = size - at;
		if (!is_zero(data + at, part)) {
			sink->stored_bytes += part;
			r = check_stored(sink, err);
			if (r < 0)
				return r;
			r = csn_pwrite_full(sink->fd, data + at, part,
					    (off_t)(sink->size_bytes + at));
			if (r < 0)
				return csn_fail_os(err, -r, "write");
		}
		at += part;
	}
	sink->size_bytes += size;
	return 0;
}

/* Buffers of both. */
struct work {
	int from_fd;
	char in[IN_BYTES], out[OUT_BYTES];
	size_t in_size, in_at;
};

/* False at the end of the file. */
static int refill(struct work *work, bool *ret_more, struct csn_error *err)
{
	ssize_t n;

	*ret_more = true;
	if (work->in_at < work->in_size)
		return 0;
	n = csn_read_full(work->from_fd, work->in, sizeof(work->in));
	if (n < 0)
		return csn_fail_os(err, (int)-n, "read");
	work->in_at = 0;
	work->in_size = (size_t)n;
	*ret_more = n > 0;
	return 0;
}

static int unpack_zstd(struct work *work, struct sink *sink, struct csn_error *err)
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	size_t left = 1; /* 0 between frames */
	bool more = true;
	int r = stream ? 0 : csn_fail_nomem(err);

	while (r == 0 && (r = refill(work, &more, err)) == 0 && more) {
		ZSTD_inBuffer in = { work->in, work->in_size, work->in_at };
		ZSTD_outBuffer out = { work->out, sizeof(work->out), 0 };

		left = ZSTD_decompressStream(stream, &out, &in);
		if (ZSTD_isError(left)) {
			r = csn_fail(err, CSN_E_FORMAT, "zstd: %s", ZSTD_getErrorName(left));
			break;
		}
		work->in_at = in.pos;
		r = put(sink, work->out, out.pos, err);
	}
	ZSTD_freeDStream(stream);
	if (r == 0 && left != 0)
		r = csn_fail(err, CSN_E_FORMAT, "zstd: it is cut");
	return r;
}

static int inflate_some(struct work *work, z_stream *stream, struct sink *sink, bool *whole,
			struct csn_error *err)
{
	int status;

	if (*whole && inflateReset(stream) != Z_OK)
		return csn_fail_nomem(err);
	stream->next_in = (unsigned char *)work->in + work->in_at;
	stream->avail_in = (unsigned)(work->in_size - work->in_at);
	stream->next_out = (unsigned char *)work->out;
	stream->avail_out = sizeof(work->out);
	status = inflate(stream, Z_NO_FLUSH);
	*whole = status == Z_STREAM_END;
	if (status != Z_OK && status != Z_STREAM_END)
		return csn_fail(err, CSN_E_FORMAT, "gzip: %s",
				stream->msg ? stream->msg : "damaged");
	work->in_at = work->in_size - stream->avail_in;
	return put(sink, work->out, sizeof(work->out) - stream->avail_out, err);
}

static int unpack_gzip(struct work *work, struct sink *sink, struct csn_error *err)
{
	z_stream stream = { 0 };
	bool more = true, whole = false;
	int r = inflateInit2(&stream, 15 + 16) == Z_OK ? 0 : csn_fail_nomem(err);

	while (r == 0 && (r = refill(work, &more, err)) == 0 && more)
		r = inflate_some(work, &stream, sink, &whole, err);
	inflateEnd(&stream);
	if (r == 0 && !whole)
		r = csn_fail(err, CSN_E_FORMAT, "gzip: it is cut");
	return r;
}

int finder_unpack(enum finder_packing packing, int from_fd, int to_fd,
		  const struct finder_unpack_limits *limits, struct csn_error *err)
{
	cleanup_free struct work *work = calloc(1, sizeof(*work));
	struct sink sink = { .fd = to_fd, .limits = limits };
	int r;

	if (!work)
		return csn_fail_nomem(err);
	work->from_fd = from_fd;
	r = packing == FINDER_ZSTD ? unpack_zstd(work, &sink, err) : unpack_gzip(work, &sink, err);
	if (r == 0 && ftruncate(to_fd, (off_t)sink.size_bytes) < 0)
		r = csn_fail_os(err, errno, "write");
	return r;
}
