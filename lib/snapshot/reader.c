#include "snapshot/reader_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"

void *csn_vec_push(struct csn_vec *vec, size_t item_bytes, size_t max, const char *what,
		   struct csn_error *err)
{
	size_t capacity = vec->capacity ? vec->capacity * 2 : 16;
	void *slot, *items;

	if (vec->count >= max) {
		csn_fail(err, CSN_E_LIMIT, "more than %zu %s", max, what);
		return NULL;
	}
	if (vec->count == vec->capacity) {
		items = reallocarray(vec->items, capacity, item_bytes);
		if (!items) {
			csn_fail_nomem(err);
			return NULL;
		}
		vec->items = items;
		vec->capacity = capacity;
	}
	slot = (char *)vec->items + vec->count++ * item_bytes;
	memset(slot, 0, item_bytes);
	return slot;
}

void *csn_reader_take(struct csn_snapshot_reader *reader, struct csn_vec *vec, size_t item_bytes,
		      size_t *ret_count)
{
	void *copy = NULL;

	*ret_count = 0;
	if (vec->count) {
		copy = csn_arena_copy(reader->arena, vec->items, vec->count * item_bytes);
		if (copy)
			*ret_count = vec->count;
		else
			reader->out_of_memory = true;
	}
	vec->count = 0;
	return copy;
}

const char *csn_reader_keep(struct csn_snapshot_reader *reader, const char *text, size_t length)
{
	uint64_t slot = csn_hash_bytes(text, length) % CSN_RECENT_TEXTS;
	const char *known = reader->recent[slot];

	if (known && strlen(known) == length && memcmp(known, text, length) == 0)
		return known;
	known = csn_arena_strndup(reader->arena, text, length);
	if (known)
		reader->recent[slot] = known;
	else
		reader->out_of_memory = true;
	return known;
}

const char *csn_reader_text(struct csn_snapshot_reader *reader)
{
	char kind = csn_json_peek(&reader->json);
	const char *raw;
	size_t length;

	if (kind == '"') {
		csn_buf_clear(&reader->scratch);
		if (!csn_json_read_text(&reader->json, &reader->scratch))
			return NULL;
		return csn_reader_keep(reader, csn_buf_text(&reader->scratch),
				       reader->scratch.size);
	}
	raw = csn_json_read_raw(&reader->json, &length);
	return raw && kind == '0' ? csn_reader_keep(reader, raw, length) : NULL;
}

bool csn_reader_u64(struct csn_snapshot_reader *reader, uint64_t *ret_value)
{
	char kind = csn_json_peek(&reader->json);
	struct csn_json_number number;

	if (kind == '"') {
		csn_buf_clear(&reader->scratch);
		return csn_json_read_text(&reader->json, &reader->scratch) &&
		       csn_parse_u64(csn_buf_text(&reader->scratch), 0, ret_value);
	}
	if (kind != '0') {
		csn_json_skip(&reader->json);
		return false;
	}
	number = csn_json_read_number(&reader->json);
	*ret_value = number.kind == CSN_JSON_UINT ? number.uint : (uint64_t)number.int_;
	return number.kind == CSN_JSON_UINT || number.kind == CSN_JSON_INT;
}

bool csn_reader_i64(struct csn_snapshot_reader *reader, int64_t *ret_value)
{
	char kind = csn_json_peek(&reader->json);
	struct csn_json_number number;

	if (kind == '"') {
		csn_buf_clear(&reader->scratch);
		return csn_json_read_text(&reader->json, &reader->scratch) &&
		       csn_parse_i64(csn_buf_text(&reader->scratch), ret_value);
	}
	if (kind != '0') {
		csn_json_skip(&reader->json);
		return false;
	}
	number = csn_json_read_number(&reader->json);
	if (number.kind == CSN_JSON_INT)
		*ret_value = number.int_;
	else if (number.kind == CSN_JSON_UINT && number.uint <= INT64_MAX)
		*ret_value = (int64_t)number.uint;
	else if (number.kind == CSN_JSON_DOUBLE && number.double_ > -1e15 && number.double_ < 1e15)
		*ret_value = (int64_t)number.double_;
	else
		return false;
	return true;
}

bool csn_reader_flag(struct csn_snapshot_reader *reader)
{
	char kind = csn_json_peek(&reader->json);

	if (kind == 't' || kind == 'f')
		return csn_json_read_bool(&reader->json);
	csn_json_skip(&reader->json);
	return false;
}

int csn_reader_member(struct csn_snapshot_reader *reader, const struct csn_member *member,
		      void *object, struct csn_error *err)
{
	char *place = (char *)object + member->offset;
	uint64_t u64 = 0;
	int64_t i64 = 0;

	switch (member->kind) {
	case CSN_MEMBER_TEXT:
		*(const char **)place = csn_reader_text(reader);
		break;
	case CSN_MEMBER_U32:
		*(uint32_t *)place =
			csn_reader_u64(reader, &u64) && u64 <= UINT32_MAX ? (uint32_t)u64 : 0;
		break;
	case CSN_MEMBER_U64:
		*(uint64_t *)place = csn_reader_u64(reader, &u64) ? u64 : 0;
		break;
	case CSN_MEMBER_I64:
		if (csn_reader_i64(reader, &i64))
			*(int64_t *)place = i64;
		break;
	case CSN_MEMBER_INT:
		*(int *)place = csn_reader_i64(reader, &i64) ? (int)i64 : 0;
		break;
	case CSN_MEMBER_FLAG:
		*(bool *)place = csn_reader_flag(reader);
		break;
	case CSN_MEMBER_OTHER:
		return member->read(reader, object, err);
	}
	return 0;
}

int csn_reader_object(struct csn_snapshot_reader *reader, const struct csn_member *members,
		      void *object, struct csn_error *err)
{
	const struct csn_member *member;
	const char *name;
	int r = 0;

	if (csn_json_peek(&reader->json) != '{')
		return csn_fail(err, CSN_E_FORMAT, "is no object");
	csn_json_enter(&reader->json, '{');
	while (r == 0 && (name = csn_json_next_member(&reader->json))) {
		for (member = members; member->name; member++)
			if (strcmp(member->name, name) == 0)
				break;
		if (member->name)
			r = csn_reader_member(reader, member, object, err);
		else
			csn_json_skip(&reader->json);
	}
	return r;
}

bool csn_reader_enter(struct csn_snapshot_reader *reader, char open)
{
	if (csn_json_peek(&reader->json) == open)
		return csn_json_enter(&reader->json, open);
	csn_json_skip(&reader->json);
	return false;
}
