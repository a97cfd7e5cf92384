/* A bounds-checked cursor: the only way foreign bytes are read.
 *
 * It borrows its bytes. A read past the end yields zero (or NULL) and makes the span fail
 * stickily, so a parser reads a whole struct and checks csn_span_ok once. Little-endian unless
 * big_endian is set. */
#ifndef CSN_BASE_SPAN_H
#define CSN_BASE_SPAN_H

#include <string.h>

#include "base/types.h"

struct csn_span {
	const uint8_t *data; /* borrowed */
	size_t size, at;
	bool failed, big_endian;
};

/* A cursor at the first of the bytes, which it borrows. */
struct csn_span csn_span_of(const void *data, size_t size_bytes);
/* A part [offset, offset + size) of the span's bytes; failed when outside. Same byte order. */
struct csn_span csn_span_part(const struct csn_span *span, uint64_t offset, uint64_t size_bytes);

static inline bool csn_span_ok(const struct csn_span *span)
{
	return !span->failed;
}

static inline size_t csn_span_left(const struct csn_span *span)
{
	return span->failed ? 0 : span->size - span->at;
}

/* Inline where parsers spend their time: debug information is hundreds of megabytes of these. */
static inline uint8_t csn_span_u8(struct csn_span *span)
{
	if (span->failed || span->at >= span->size) {
		span->failed = true;
		return 0;
	}
	return span->data[span->at++];
}

/* width in bytes: 1, 2, 4 or 8; anything else fails the span. In the span's byte order; 0 and
 * failed past the end. */
uint64_t csn_span_uint(struct csn_span *span, unsigned width);

/* The bytes of the next integer when nothing but copying is to be done; NULL otherwise. */
static inline const void *csn_span_plain(struct csn_span *span, size_t width)
{
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__ || span->big_endian || span->failed ||
	    width > span->size - span->at)
		return NULL;
	span->at += width;
	return span->data + span->at - width;
}

/* The next integer of that many bits, like csn_span_uint. */
static inline uint16_t csn_span_u16(struct csn_span *span)
{
	const void *plain = csn_span_plain(span, 2);
	uint16_t value;

	if (!plain)
		return (uint16_t)csn_span_uint(span, 2);
	memcpy(&value, plain, sizeof(value));
	return value;
}

static inline uint32_t csn_span_u32(struct csn_span *span)
{
	const void *plain = csn_span_plain(span, 4);
	uint32_t value;

	if (!plain)
		return (uint32_t)csn_span_uint(span, 4);
	memcpy(&value, plain, sizeof(value));
	return value;
}

static inline uint64_t csn_span_u64(struct csn_span *span)
{
	const void *plain = csn_span_plain(span, 8);
	uint64_t value;

	if (!plain)
		return csn_span_uint(span, 8);
	memcpy(&value, plain, sizeof(value));
	return value;
}

/* Sign-extended from width bytes. */
int64_t csn_span_int(struct csn_span *span, unsigned width);
/* What csn_span_uleb does with more than one byte. */
uint64_t csn_span_uleb_long(struct csn_span *span);
/* DWARF 5 section 7.6; more than 64 significant bits fail the span. */
static inline uint64_t csn_span_uleb(struct csn_span *span)
{
	if (!span->failed && span->at < span->size && span->data[span->at] < 0x80)
		return span->data[span->at++];
	return csn_span_uleb_long(span);
}

/* What csn_span_sleb does with more than one byte. */
int64_t csn_span_sleb_long(struct csn_span *span);
/* The signed form; what is more than 64 bits is cut, more than 20 bytes fail the span. */
static inline int64_t csn_span_sleb(struct csn_span *span)
{
	if (!span->failed && span->at < span->size && span->data[span->at] < 0x80) {
		uint8_t byte = span->data[span->at++];

		return byte & 0x40 ? (int64_t)byte - 0x80 : byte;
	}
	return csn_span_sleb_long(span);
}

/* A NUL-terminated string inside the span; NULL and failed when unterminated. */
const char *csn_span_cstr(struct csn_span *span);
/* Pointer to size_bytes bytes, advancing; NULL and failed when fewer are left. */
const void *csn_span_bytes(struct csn_span *span, uint64_t size_bytes);
/* Consumes size_bytes and returns them as a span of their own. */
struct csn_span csn_span_take(struct csn_span *span, uint64_t size_bytes);
static inline void csn_span_skip(struct csn_span *span, uint64_t size_bytes)
{
	if (span->failed || size_bytes > span->size - span->at)
		span->failed = true;
	else
		span->at += size_bytes;
}

/* Moves the cursor to offset from the span's start; failed when outside. */
void csn_span_seek(struct csn_span *span, uint64_t offset);
/* Advances to the next multiple of alignment (a power of two) counted from the span's start. */
void csn_span_align(struct csn_span *span, size_t alignment);

#endif
