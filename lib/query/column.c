#include "query/column.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"

void csn_texts_done(struct csn_column_texts *texts)
{
	free(texts->by_code);
	*texts = (struct csn_column_texts){ 0 };
}

static bool make_room(struct csn_column_texts *texts, size_t code)
{
	size_t capacity = texts->capacity ? texts->capacity : 64;
	const char **by_code;

	if (code < texts->capacity)
		return true;
	if (code >= CSN_MAX_QUERY_CODES)
		return false;
	while (capacity <= code)
		capacity *= 2;
	by_code = realloc(texts->by_code, capacity * sizeof(*by_code));
	if (!by_code)
		return false;
	memset(by_code + texts->capacity, 0, (capacity - texts->capacity) * sizeof(*by_code));
	texts->by_code = by_code;
	texts->capacity = capacity;
	return true;
}

uint32_t csn_texts_add(struct csn_column_texts *texts, struct csn_arena *arena,
		       const struct csn_cell *cell)
{
	uint32_t code = cell->code ? cell->code : (uint32_t)texts->count + 1;

	if (code < texts->count + 1 && texts->by_code[code])
		return code;
	if (!make_room(texts, code))
		return 0;
	texts->by_code[code] = cell->code ? cell->text : csn_arena_strdup(arena, cell->text);
	if (!texts->by_code[code])
		return 0;
	if (code > texts->count)
		texts->count = code;
	return code;
}

int csn_value_compare(const struct csn_column *column, uint64_t a, uint64_t b)
{
	if (a == b)
		return 0;
	if (column->is_text)
		return strcmp(column->texts->by_code[a], column->texts->by_code[b]);
	if (column->is_signed)
		return (int64_t)a < (int64_t)b ? -1 : 1;
	return a < b ? -1 : 1;
}

double csn_value_double(const struct csn_column *column, uint64_t bits)
{
	return column->is_signed ? (double)(int64_t)bits : (double)bits;
}

void csn_value_write(const struct csn_column *column, uint64_t bits, struct csn_json *json)
{
	if (column->is_text)
		csn_json_string(json, column->texts->by_code[bits]);
	else if (column->is_signed)
		csn_json_int(json, (int64_t)bits);
	else
		csn_json_uint(json, bits);
}

uint64_t csn_quantize(const struct csn_query_virtual *column, uint64_t value)
{
	uint64_t offset = (uint64_t)column->offset;

	return (value + offset) / column->size * column->size - offset;
}

uint64_t csn_truncate_timestamp(enum csn_granularity granularity, uint64_t timestamp)
{
	time_t seconds = (time_t)timestamp;
	struct tm tm;

	if (granularity == CSN_EACH_HOUR)
		return timestamp - timestamp % 3600;
	if (granularity == CSN_EACH_DAY)
		return timestamp - timestamp % 86400;
	if (granularity == CSN_EACH_WEEK) {
		/* The epoch was a Thursday; the Monday before it is three days away. */
		uint64_t days = timestamp / 86400 + 3;

		days -= days % 7;
		return days < 3 ? 0 : (days - 3) * 86400;
	}
	if (!gmtime_r(&seconds, &tm))
		return timestamp;
	tm.tm_sec = tm.tm_min = tm.tm_hour = 0;
	tm.tm_mday = 1;
	if (granularity == CSN_EACH_QUARTER)
		tm.tm_mon -= tm.tm_mon % 3;
	else if (granularity == CSN_EACH_YEAR)
		tm.tm_mon = 0;
	return (uint64_t)timegm(&tm);
}
