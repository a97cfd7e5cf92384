#include "base/span.h"

#include <string.h>

struct csn_span csn_span_of(const void *data, size_t size_bytes)
{
	return (struct csn_span){ .data = data, .size = size_bytes };
}

struct csn_span csn_span_part(const struct csn_span *span, uint64_t offset, uint64_t size_bytes)
{
	struct csn_span part = { .big_endian = span->big_endian, .failed = true };

	if (span->failed || offset > span->size || size_bytes > span->size - offset)
		return part;
	part.data = span->data + offset;
	part.size = size_bytes;
	part.failed = false;
	return part;
}

const void *csn_span_bytes(struct csn_span *span, uint64_t size_bytes)
{
	const uint8_t *bytes;

	if (span->failed || size_bytes > span->size - span->at) {
		span->failed = true;
		return NULL;
	}
	bytes = span->data + span->at;
	span->at += size_bytes;
	return bytes;
}

struct csn_span csn_span_take(struct csn_span *span, uint64_t size_bytes)
{
	struct csn_span taken = { .big_endian = span->big_endian };
	const void *bytes = csn_span_bytes(span, size_bytes);

	taken.data = bytes;
	taken.size = bytes ? size_bytes : 0;
	taken.failed = !bytes && (size_bytes || span->failed);
	return taken;
}

uint64_t csn_span_uint(struct csn_span *span, unsigned width)
{
	const uint8_t *bytes;
	uint64_t value = 0;
	unsigned i;

	if (width != 1 && width != 2 && width != 4 && width != 8) {
		span->failed = true;
		return 0;
	}
	bytes = csn_span_bytes(span, width);
	if (!bytes)
		return 0;
	if (!span->big_endian && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
		memcpy(&value, bytes, width);
		return value;
	}
	for (i = 0; i < width; i++)
		value |= (uint64_t)bytes[i] << 8 * (span->big_endian ? width - 1 - i : i);
	return value;
}

int64_t csn_span_int(struct csn_span *span, unsigned width)
{
	uint64_t value = csn_span_uint(span, width);
	unsigned shift = width < 8 ? 64 - 8 * width : 0;

	return (int64_t)(value << shift) >> shift;
}

uint64_t csn_span_uleb_long(struct csn_span *span)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = csn_span_u8(span);
		if (span->failed)
			return 0;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if ((shift == 63 && (byte & 0x7e)) || (shift > 63 && (byte & 0x7f))) {
			span->failed = true;
			return 0;
		}
		shift += 7;
	} while (byte & 0x80);
	return value;
}

int64_t csn_span_sleb_long(struct csn_span *span)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = csn_span_u8(span);
		if (span->failed)
			return 0;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
		if (shift > 140) {
			span->failed = true;
			return 0;
		}
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= ~(uint64_t)0 << shift;
	return (int64_t)value;
}

const char *csn_span_cstr(struct csn_span *span)
{
	const uint8_t *start, *end;

	if (span->failed || span->at >= span->size) {
		span->failed = true;
		return NULL;
	}
	start = span->data + span->at;
	end = memchr(start, 0, span->size - span->at);
	if (!end) {
		span->failed = true;
		return NULL;
	}
	span->at += (size_t)(end - start) + 1;
	return (const char *)start;
}

void csn_span_seek(struct csn_span *span, uint64_t offset)
{
	if (span->failed || offset > span->size)
		span->failed = true;
	else
		span->at = offset;
}

void csn_span_align(struct csn_span *span, size_t alignment)
{
	csn_span_skip(span, (alignment - span->at % alignment) % alignment);
}
