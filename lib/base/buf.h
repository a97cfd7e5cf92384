/* A growing byte buffer that cannot be made without its maximum.
 *
 * Always NUL-terminated once something was written, so text.data can be printed. An append past
 * the maximum or out of memory fails stickily: append freely, check csn_buf_ok once. */
#ifndef CSN_BASE_BUF_H
#define CSN_BASE_BUF_H

#include <stdarg.h>

#include "base/error.h"
#include "base/types.h"

struct csn_buf {
	char *data; /* owned; NULL while empty */
	size_t size, capacity, max;
	bool failed, no_memory; /* no_memory: why it failed; else past max */
};

#define CSN_BUF_INIT(max_bytes) \
	{ \
		.max = (max_bytes) \
	}

void csn_buf_done(struct csn_buf *buf);
/* Keeps the memory, drops the content and the failure. */
void csn_buf_clear(struct csn_buf *buf);

/* Appends: bytes, a string, one byte, formatted text. A failure is kept in the buffer. */
void csn_buf_append(struct csn_buf *buf, const void *data, size_t size_bytes);
void csn_buf_puts(struct csn_buf *buf, const char *text);
void csn_buf_putc(struct csn_buf *buf, char c);
void csn_buf_printf(struct csn_buf *buf, const char *format, ...) csn_printf(2, 3);
void csn_buf_vprintf(struct csn_buf *buf, const char *format, va_list args) csn_printf(2, 0);
/* size_bytes of uninitialised room at the end, already counted in size; NULL on failure. */
void *csn_buf_extend(struct csn_buf *buf, size_t size_bytes);

static inline bool csn_buf_ok(const struct csn_buf *buf)
{
	return !buf->failed;
}

/* The text, "" when empty; borrowed. */
const char *csn_buf_text(const struct csn_buf *buf);
/* Moves the NUL-terminated memory out (free() it); NULL when the buffer failed. */
char *csn_buf_take(struct csn_buf *buf) csn_must_check;
/* 0, or LIMIT/NOMEM naming what. */
int csn_buf_check(const struct csn_buf *buf, const char *what, struct csn_error *err)
	csn_must_check;

#endif
