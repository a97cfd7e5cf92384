#include "base/json_load.h"

#include <string.h>

#include "base/json_read.h"
#include "base/limits.h"
#include "base/text.h"

/* jansson spends some hundred bytes per value: a document is measured before it is built. */
static int measure(const char *text, size_t length, struct csn_error *err)
{
	size_t i, values = 0, depth = 0;
	bool in_string = false;

	for (i = 0; i < length; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"')
			in_string = true;
		else if (c == '{' || c == '[')
			values++, depth++;
		else if ((c == '}' || c == ']') && depth)
			depth--;
		else if (c == ',')
			values++;
		if (depth > CSN_MAX_JSON_DEPTH)
			return csn_fail(err, CSN_E_LIMIT, "JSON nested deeper than %d",
					CSN_MAX_JSON_DEPTH);
		if (values > CSN_MAX_JSON_VALUES)
			return csn_fail(err, CSN_E_LIMIT, "JSON with more than %u values",
					CSN_MAX_JSON_VALUES);
	}
	return 0;
}

/* jansson without memory mostly blames the text; a text that another reader accepts is fine. What
 * only jansson refuses (duplicates, NUL, halves of surrogate pairs) it calls by other names. */
static bool is_out_of_memory(const char *text, size_t length, const json_error_t *error)
{
	struct csn_json_reader reader;
	int r;

	if (!error->text[0] || json_error_code(error) == json_error_out_of_memory)
		return true;
	if (json_error_code(error) != json_error_invalid_syntax || strstr(error->text, "Unicode"))
		return false;
	csn_json_reader_init(&reader, text, length);
	csn_json_skip(&reader);
	r = csn_json_reader_check(&reader, true, NULL);
	csn_json_reader_done(&reader);
	return r == 0 || r == -CSN_E_NOMEM;
}

int csn_json_load(const char *text, size_t length, json_t **ret_json, struct csn_error *err)
{
	json_error_t error;
	json_t *json;
	int r = measure(text, length, err);

	if (r < 0)
		return r;
	json = json_loadb(text, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	if (!json && is_out_of_memory(text, length, &error))
		return csn_fail_nomem(err);
	if (!json)
		return csn_fail(err, CSN_E_FORMAT, "not JSON: line %d, column %d: %s", error.line,
				error.column, error.text);
	*ret_json = json;
	return 0;
}

const char *csn_json_get_string(const json_t *object, const char *name, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : fallback;
}

int64_t csn_json_get_int(const json_t *object, const char *name, int64_t fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

bool csn_json_get_bool(const json_t *object, const char *name, bool fallback)
{
	const json_t *value = json_object_get(object, name);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}

bool csn_json_number_u64(const json_t *value, uint64_t *ret_value)
{
	if (json_is_integer(value)) {
		*ret_value = (uint64_t)json_integer_value(value);
		return true;
	}
	return json_is_string(value) && csn_parse_u64(json_string_value(value), 0, ret_value);
}
