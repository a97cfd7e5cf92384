/* morgue list in three parts: the flags into a query, the reply checked, the reply as text.
 *
 * The parts know nothing of the session or the network, so that canned replies test them. */
#ifndef MORGUE_LIST_H
#define MORGUE_LIST_H

#include <jansson.h>

#include "base/options.h"
#include "text.h"

/* The aggregation flags, in the order in which the public client sends them. */
enum list_fold {
	LIST_LAST,
	LIST_FIRST,
	LIST_TAIL,
	LIST_HEAD,
	LIST_OBJECT,
	LIST_HISTOGRAM,
	LIST_DISTRIBUTION,
	LIST_UNIQUE,
	LIST_MEAN,
	LIST_MIN,
	LIST_MAX,
	LIST_SUM,
	LIST_QUANTIZE,
	LIST_BIN,
	LIST_RANGE,
	LIST_COUNT,
	LIST_FOLDS,
};

struct list_options {
	struct csn_option_list folds[LIST_FOLDS];
	struct csn_option_list filters, selects, sorts, virtual_columns, wildcards;
	const char *factor, *fingerprint, *age, *time, *timestamp_attribute, *table, *template;
	const char *raw_query, *csv;
	uint64_t limit, offset;
	bool no_implicit_filters, json, raw, verbose, query_only;
};

void list_options_done(struct list_options *options);

/* The body of /api/query; now is the time that --age counts back from. The caller owns it. FORMAT
 * or USAGE names the flag that is wrong. */
int list_query_make(const struct list_options *options, int64_t now, json_t **ret_query,
		    struct csn_error *err) csn_must_check;

struct list_view {
	const char *universe, *project;
	const char *age;    /* as typed; NULL: 1M */
	const char *column; /* the timestamp's attribute */
	int64_t now;
	int64_t start, stop; /* of the implicit sparkline; equal: none asked for */
	unsigned width;      /* columns of the terminal */
	bool verbose;
	struct morgue_colors colors;
};

/* The reply as the user reads it. FORMAT when the server sent something else. */
int list_print(struct csn_buf *out, const json_t *reply, const struct list_view *view,
	       struct csn_error *err) csn_must_check;
/* The reply of a selection, one line per object: columns, decimal id, hex id. */
int list_print_csv(struct csn_buf *out, const json_t *reply, struct csn_error *err) csn_must_check;
/* {"*":[{"object":256,"id":"100",...}]} or {key:{"count":4,"op(attr)":cell}}; the caller owns it.
 */
int list_to_json(const json_t *reply, json_t **ret_json, struct csn_error *err) csn_must_check;

/* --- selections, unrolled --- */

/* One object of a selection; values borrowed from the reply, one per column. */
struct list_object {
	json_int_t id;
	const json_t **values;
};

struct list_group {
	const char *key;
	struct list_object *objects;
	size_t n_objects;
};

struct list_selection {
	struct csn_arena *arena;
	const json_t *columns; /* [[name, format], ...], borrowed */
	size_t n_columns;
	struct list_group *groups;
	size_t n_groups;
};

/* Undoes the run-lengths. Free with list_selection_done. */
int list_selection_read(const json_t *reply, struct list_selection *ret_selection,
			struct csn_error *err) csn_must_check;
void list_selection_done(struct list_selection *selection);
const char *list_column_name(const json_t *columns, size_t at);
const char *list_column_format(const json_t *columns, size_t at);

#endif
