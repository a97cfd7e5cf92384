#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void csn_buf_done(struct csn_buf *buf)
{
	free(buf->data);
	*buf = (struct csn_buf){ .max = buf->max };
}

void csn_buf_clear(struct csn_buf *buf)
{
	buf->size = 0;
	buf->failed = buf->no_memory = false;
	if (buf->data)
		buf->data[0] = '\0';
}

/* Room for extra bytes and the final NUL. */
static bool make_room(struct csn_buf *buf, size_t extra)
{
	size_t wanted, capacity;
	char *data;

	if (buf->failed)
		return false;
	if (extra > buf->max || buf->size > buf->max - extra) {
		buf->failed = true;
		return false;
	}
	wanted = buf->size + extra + 1;
	if (wanted <= buf->capacity)
		return true;
	capacity = buf->capacity ? buf->capacity * 2 : 256;
	if (capacity < wanted)
		capacity = wanted;
	data = realloc(buf->data, capacity);
	if (!data) {
		buf->failed = buf->no_memory = true;
		return false;
	}
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

void *csn_buf_extend(struct csn_buf *buf, size_t size_bytes)
{
	char *place;

	if (!make_room(buf, size_bytes))
		return NULL;
	place = buf->data + buf->size;
	buf->size += size_bytes;
	buf->data[buf->size] = '\0';
	return place;
}

void csn_buf_append(struct csn_buf *buf, const void *data, size_t size_bytes)
{
	char *place = csn_buf_extend(buf, size_bytes);

	if (place && size_bytes)
		memcpy(place, data, size_bytes);
}

void csn_buf_puts(struct csn_buf *buf, const char *text)
{
	csn_buf_append(buf, text, strlen(text));
}

void csn_buf_putc(struct csn_buf *buf, char c)
{
	csn_buf_append(buf, &c, 1);
}

void csn_buf_vprintf(struct csn_buf *buf, const char *format, va_list args)
{
	va_list again;
	int length;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0 || !make_room(buf, (size_t)length)) {
		buf->failed = true;
		return;
	}
	vsnprintf(buf->data + buf->size, (size_t)length + 1, format, args);
	buf->size += (size_t)length;
}

void csn_buf_printf(struct csn_buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	csn_buf_vprintf(buf, format, args);
	va_end(args);
}

const char *csn_buf_text(const struct csn_buf *buf)
{
	return buf->data ? buf->data : "";
}

char *csn_buf_take(struct csn_buf *buf)
{
	char *data;

	if (!make_room(buf, 0)) {
		csn_buf_done(buf);
		return NULL;
	}
	buf->data[buf->size] = '\0';
	data = buf->data;
	*buf = (struct csn_buf){ .max = buf->max };
	return data;
}

int csn_buf_check(const struct csn_buf *buf, const char *what, struct csn_error *err)
{
	if (!buf->failed)
		return 0;
	if (buf->no_memory)
		return csn_fail(err, CSN_E_NOMEM, "%s: out of memory", what);
	return csn_fail(err, CSN_E_LIMIT, "%s: larger than %zu bytes", what, buf->max);
}
