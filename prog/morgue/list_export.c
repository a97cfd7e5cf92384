/* A query's reply for other programs: JSON and CSV. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "list.h"

static json_t *object_json(const struct list_selection *selection, const struct list_object *object)
{
	json_t *row = json_object();
	char id[24];
	size_t i;

	snprintf(id, sizeof(id), "%" PRIx64, (uint64_t)object->id);
	json_object_set_new(row, "object", json_integer(object->id));
	json_object_set_new(row, "id", json_string(id));
	for (i = 0; i < selection->n_columns; i++)
		json_object_set(row, list_column_name(selection->columns, i),
				(json_t *)object->values[i]);
	return row;
}

static int selection_json(const json_t *reply, json_t **ret_json, struct csn_error *err)
{
	cleanup_(list_selection_done) struct list_selection selection = { 0 };
	cleanup_json json_t *root = json_object();
	size_t g, i;
	int r = list_selection_read(reply, &selection, err);

	if (r < 0)
		return r;
	for (g = 0; g < selection.n_groups; g++) {
		json_t *rows = json_array();

		for (i = 0; i < selection.groups[g].n_objects; i++)
			json_array_append_new(rows, object_json(&selection,
								&selection.groups[g].objects[i]));
		json_object_set_new(root, selection.groups[g].key, rows);
	}
	*ret_json = csn_take(root);
	return 0;
}

static json_t *group_json(const json_t *columns, const json_t *group)
{
	const json_t *cells = json_array_get(group, 1);
	json_t *row = json_object();
	size_t i;

	json_object_set(row, "count", json_array_get(group, 2));
	for (i = 0; i < json_array_size(columns); i++)
		json_object_set(row, list_column_name(columns, i), json_array_get(cells, i));
	return row;
}

int list_to_json(const json_t *reply, json_t **ret_json, struct csn_error *err)
{
	const json_t *response = json_object_get(reply, "response");
	const json_t *values = json_object_get(response, "values");
	cleanup_json json_t *root = NULL;
	size_t i;

	if (json_object_get(response, "objects"))
		return selection_json(reply, ret_json, err);
	if (!json_is_array(values))
		return csn_fail(err, CSN_E_FORMAT, "the server's answer has no values");
	root = json_object();
	for (i = 0; i < json_array_size(values); i++) {
		const json_t *group = json_array_get(values, i), *key = json_array_get(group, 0);
		char number[32];

		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(key));
		json_object_set_new(root,
				    json_is_string(key)    ? json_string_value(key)
				    : json_is_integer(key) ? number
							   : "*",
				    group_json(json_object_get(response, "columns"), group));
	}
	*ret_json = csn_take(root);
	return 0;
}

/* RFC 4180: quoted when it must be. */
static void put_field(struct csn_buf *out, const json_t *value)
{
	const char *text = json_string_value(value);
	cleanup_free char *dumped = NULL;

	if (!text && value && !json_is_null(value)) {
		dumped = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		text = dumped;
	}
	if (!text)
		text = "";
	if (!text[strcspn(text, ",\"\r\n")]) {
		csn_buf_puts(out, text);
		return;
	}
	csn_buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			csn_buf_putc(out, '"');
		csn_buf_putc(out, *text);
	}
	csn_buf_putc(out, '"');
}

int list_print_csv(struct csn_buf *out, const json_t *reply, struct csn_error *err)
{
	cleanup_(list_selection_done) struct list_selection selection = { 0 };
	size_t g, i, column;
	int r;

	if (!json_object_get(json_object_get(reply, "response"), "objects"))
		return csn_fail(err, CSN_E_USAGE, "--csv needs --select");
	r = list_selection_read(reply, &selection, err);
	if (r < 0)
		return r;
	for (g = 0; g < selection.n_groups; g++) {
		for (i = 0; i < selection.groups[g].n_objects; i++) {
			const struct list_object *object = &selection.groups[g].objects[i];

			for (column = 0; column < selection.n_columns; column++) {
				put_field(out, object->values[column]);
				csn_buf_putc(out, ',');
			}
			csn_buf_printf(out, "%" JSON_INTEGER_FORMAT ",%" PRIx64 "\n", object->id,
				       (uint64_t)object->id);
		}
	}
	return 0;
}
