#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "query/footer.h"
#include "query/match.h"
#include "store/objects.h"

static void write_operators(const struct csn_attribute *attribute, struct csn_json *json)
{
	csn_json_key(json, "filter");
	csn_json_begin_array(json);
	for (int op = 0; op < CSN_OP_COUNT; op++)
		if (csn_operator_fits((enum csn_query_operator)op,
				      csn_type_is_text(attribute->type)))
			csn_json_string(json, csn_query_operator_name((enum csn_query_operator)op));
	csn_json_end_array(json);
}

static void write_attribute(const struct csn_attribute *attribute, uint64_t n_objects,
			    struct csn_json *json)
{
	/* A column of every object is used as soon as there is one. */
	bool used = attribute->id == 0 ? n_objects > 0 : attribute->seen > 0;

	csn_json_begin_object(json);
	csn_json_member_string(json, "name", attribute->name);
	csn_json_member_string(json, "description",
			       attribute->description ? attribute->description : "");
	csn_json_member_string(json, "type", csn_type_name(attribute->type));
	csn_json_member_string(json, "format",
			       attribute->format && *attribute->format ? attribute->format
								       : "none");
	csn_json_member_bool(json, "custom", attribute->origin != CSN_ATTRIBUTE_BUILTIN);
	csn_json_member_string(json, "state", attribute->enabled ? "enabled" : "disabled");
	csn_json_key(json, "statistics");
	csn_json_begin_object(json);
	csn_json_member_bool(json, "used", used);
	csn_json_end_object(json);
	csn_json_member_int(json, "seen", attribute->seen);
	csn_json_member_string(json, "value", attribute->sample ? attribute->sample : "");
	csn_json_member_bool(json, "group", attribute->enabled);
	write_operators(attribute, json);
	csn_json_end_object(json);
}

int csn_query_describe(const struct csn_query_context *context, bool disabled_too,
		       struct csn_buf *reply, struct csn_error *err)
{
	cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
	static const struct csn_attribute first_seen = {
		.name = "first_seen",
		.type = CSN_TYPE_UINT64,
		.format = "unix_timestamp",
		.description = "First crash of the group",
		.origin = CSN_ATTRIBUTE_BUILTIN,
		.enabled = true,
	};
	struct csn_query_times times = { 0 };
	struct csn_json json = csn_json_to(reply);
	const struct csn_attribute *attributes;
	int64_t start = csn_monotonic_ns();
	size_t count;
	int r = csn_reader_open(context->store, context->project, &reader, err);

	if (r < 0)
		return r;
	r = csn_reader_count(reader, &times.rows, err);
	if (r < 0)
		return r;
	attributes = csn_reader_attributes(reader, &count);
	csn_json_begin_object(&json);
	csn_json_key(&json, "describe");
	csn_json_begin_array(&json);
	for (size_t i = 0; i < count; i++)
		if (attributes[i].enabled || disabled_too)
			write_attribute(&attributes[i], times.rows, &json);
	write_attribute(&first_seen, times.rows, &json);
	csn_json_end_array(&json);
	times.total_us = (csn_monotonic_ns() - start) / 1000;
	csn_query_footer_write(context, &times, &json);
	csn_json_end_object(&json);
	return csn_buf_check(reply, "description of the attributes", err);
}
