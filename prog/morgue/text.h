/* How morgue writes things for people: times, sparklines, bars, values, call stacks.
 *
 * Everything that came from a server is escaped here. Nothing prints: all goes into a csn_buf.
 * Colours are empty strings unless the terminal wants them, so the plain text is the golden text.
 */
#ifndef MORGUE_TEXT_H
#define MORGUE_TEXT_H

#include <jansson.h>

#include "base/buf.h"

struct morgue_colors {
	const char *label, *key, *number, *faint, *off;
};

/* On a terminal, unless NO_COLOR is set or TERM is dumb; FORCE_COLOR=1 wins, FORCE_COLOR=0 too. */
struct morgue_colors morgue_colors_for(int fd);

/* "Mon Jan 23 2017 17:25:12 GMT-0500 (EST)", in the local zone. */
void morgue_put_date(struct csn_buf *out, int64_t seconds);
/* "5 seconds ago", "1 hour ago", "8 months ago"; a time ahead counts as now. */
void morgue_put_ago(struct csn_buf *out, int64_t seconds, int64_t now);
/* Escaped text. */
void morgue_put_text(struct csn_buf *out, const char *text);

#define MORGUE_SPARK_SLOTS 32

/* One character per slot, ▁ to █; a slot of 7 or more is full only if it is the largest. */
void morgue_put_sparkline(struct csn_buf *out, const uint64_t *slots, size_t n_slots);
/* A bar of at most width cells for value of largest; at least one cell for a value above 0. */
void morgue_put_bar(struct csn_buf *out, double value, double largest, unsigned width);

/* A cell's value as the column format says (unix_timestamp, kilobytes, memory_address, ...). */
void morgue_put_value(struct csn_buf *out, const json_t *value, const char *format);
/* A call stack ({"frame":[...]} as text): "a ← b ←" wrapped at width and indented. full: with
 * template arguments and parameters. */
void morgue_put_callstack(struct csn_buf *out, const json_t *value, unsigned indent, unsigned width,
			  bool full);

#endif
