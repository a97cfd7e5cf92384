#include "analyze/facts.h"

#include <string.h>

#include "analyze/facts_internal.h"

int csn_facts_read(const struct csn_target *target, json_t **ret_facts, const char **ret_complaint,
		   struct csn_error *err)
{
	json_t *facts = NULL;

	*ret_complaint = NULL;
	if (target->live) {
		facts = csn_facts_from_proc(target->process.pid);
	} else if (target->coresnap_note) {
		if (csn_json_load(target->coresnap_note, target->coresnap_note_size, &facts, NULL) <
			    0 ||
		    !json_is_object(facts)) {
			json_decref(facts);
			facts = NULL;
			*ret_complaint = "the CORESNAP note of the core is broken and was ignored";
		}
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
