#include "analyze/facts.h"

#include <string.h>

#include "analyze/facts_internal.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"

/* The note may hold unsigned 64-bit numbers, which the JSON library refuses: those become strings,
 * which csn_json_number_u64 reads as well. */
static void csn_quote_large_numbers(const char *text, size_t size, struct csn_buf *out)
{
	bool in_string = false;

	for (size_t i = 0; i < size;) {
		size_t digits = 0;

		while (!in_string && i + digits < size && text[i + digits] >= '0' &&
		       text[i + digits] <= '9')
			digits++;
		if (digits > 18)
			csn_buf_printf(out, "\"%.*s\"", (int)digits, text + i);
		else if (digits)
			csn_buf_append(out, text + i, digits);
		i += digits;
		if (digits)
			continue;
		if (in_string && text[i] == '\\' && i + 1 < size)
			csn_buf_putc(out, text[i++]);
		else if (text[i] == '"')
			in_string = !in_string;
		csn_buf_putc(out, text[i++]);
	}
}

static json_t *csn_facts_from_note(const struct csn_target *target)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(2 * CSN_MAX_CORESNAP_NOTE);
	json_t *facts = NULL;

	csn_quote_large_numbers(target->coresnap_note, target->coresnap_note_size, &text);
	if (!csn_buf_ok(&text) || csn_json_load(csn_buf_text(&text), text.size, &facts, NULL) < 0)
		return NULL;
	if (json_is_object(facts))
		return facts;
	json_decref(facts);
	return NULL;
}

int csn_facts_read(const struct csn_target *target, json_t **ret_facts, const char **ret_complaint,
		   struct csn_error *err)
{
	json_t *facts = NULL;

	*ret_complaint = NULL;
	if (target->live) {
		facts = csn_facts_from_proc(target->process.pid);
	} else if (target->coresnap_note) {
		facts = csn_facts_from_note(target);
		if (!facts)
			*ret_complaint = "the CORESNAP note of the core is broken and was ignored";
	}
	if (!facts)
		facts = json_object();
	if (!facts)
		return csn_fail_nomem(err);
	*ret_facts = facts;
	return 0;
}

const json_t *csn_facts_find(const json_t *facts, const char *path)
{
	while (facts && *path) {
		size_t length = strcspn(path, ".");
		char name[64];

		if (length >= sizeof(name))
			return NULL;
		memcpy(name, path, length);
		name[length] = '\0';
		facts = json_object_get(facts, name);
		path += length + (path[length] == '.');
	}
	return facts;
}

const char *csn_facts_string(const json_t *facts, const char *path)
{
	return json_string_value(csn_facts_find(facts, path));
}

bool csn_facts_number(const json_t *facts, const char *path, uint64_t *ret_value)
{
	const json_t *value = csn_facts_find(facts, path);

	return value && csn_json_number_u64(value, ret_value);
}

int64_t csn_facts_host_tid(const json_t *facts, int64_t tid)
{
	const json_t *pairs = json_object_get(facts, "tids");

	for (size_t i = 0; i < json_array_size(pairs); i++) {
		const json_t *pair = json_array_get(pairs, i);

		if (json_array_size(pair) == 2 &&
		    json_integer_value(json_array_get(pair, 0)) == tid)
			return json_integer_value(json_array_get(pair, 1));
	}
	return tid;
}
