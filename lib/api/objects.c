/* Queries, documents, attachments, deletes. */
#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "query/query.h"

/* ---- query ---- */

static struct csn_query_context query_context(struct csn_api *api, const struct csn_caller *caller,
					      const struct csn_project *project)
{
	return (struct csn_query_context){
		.store = api->store,
		.project = project->id,
		.user = caller->kind == CSN_CALLER_USER ? caller->user.username : "token",
		.universe_name = project->universe_name,
		.project_name = project->name,
		.may_write = csn_api_may_write(caller),
	};
}

static bool is_true(const char *text)
{
	return text && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

/* What is wrong with a query goes with status 200: the public client shows the text only then. A
 * body that is no JSON at all is no query. */
void csn_api_post_query(struct csn_api *api, struct csn_http_exchange *exchange)
{
	const struct csn_buf *body = &exchange->request.body;
	const char *action = csn_http_query(exchange, "action");
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_query_context context;
	struct csn_project project;
	struct csn_caller caller;
	int r;

	csn_api_identify(api, exchange, NULL, &caller);
	if (!csn_api_require(exchange, &caller, CSN_CAP_QUERY_POST) ||
	    !csn_api_project(api, exchange, &caller, csn_http_query(exchange, "universe"),
			     csn_http_query(exchange, "project"), 200, &project))
		return;
	context = query_context(api, &caller, &project);
	if (action && strcmp(action, "describe") == 0) {
		r = csn_query_describe(&context, is_true(csn_http_query(exchange, "disabled")),
				       &exchange->reply.body, &err);
	} else {
		cleanup_json json_t *object = csn_api_body(exchange);

		if (!object)
			return;
		r = csn_query_run(&context, csn_buf_text(body), body->size, &exchange->reply.body,
				  &err);
	}
	if (r == 0)
		csn_http_reply_json(exchange, 200);
	else
		csn_http_reply_error(exchange, 200,
				     r == -CSN_E_DENIED ? CSN_API_DENIED : CSN_API_BAD_REQUEST,
				     "%s", err.text);
}

/* ---- get, list ---- */

/* The object named by the request; false after replying. */
static bool find_object(struct csn_api *api, struct csn_http_exchange *exchange,
			struct csn_caller *caller, struct csn_project *project, uint64_t *ret_id)
{
	const char *object = csn_http_query(exchange, "object");
	struct csn_error err = CSN_ERROR_INIT;

	csn_api_identify(api, exchange, NULL, caller);
	if (!csn_api_require(exchange, caller, CSN_CAP_OBJECT_GET) ||
	    !csn_api_project(api, exchange, caller, csn_http_query(exchange, "universe"),
			     csn_http_query(exchange, "project"), 404, project))
		return false;
	if (csn_objects_find(api->store, project->id, object ? object : "", ret_id, &err) == 0)
		return true;
	csn_api_reply_failure(exchange, &err);
	return false;
}

/* A name that can stand in quotes in a header and be a file name on the other side. */
static void safe_name(const char *name, char *out, size_t out_size)
{
	size_t n = 0;

	for (const char *c = name; *c && n + 1 < out_size; c++)
		out[n++] = (unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f ||
					   strchr("\"\\/;", *c)
				   ? '_'
				   : *c;
	out[n] = '\0';
	if (n == 0 || out[0] == '.')
		out[0] = '_';
}

static void reply_file(struct csn_http_exchange *exchange, const char *name,
		       const char *content_type)
{
	char safe[256], header[320];

	safe_name(name, safe, sizeof(safe));
	snprintf(header, sizeof(header), "attachment; filename=\"%s\"", safe);
	csn_http_pairs_add(exchange->arena, &exchange->reply.headers, "Content-Disposition",
			   header);
	exchange->reply.status = 200;
	exchange->reply.content_type =
		csn_arena_strdup(exchange->arena,
				 *content_type &&
						 content_type[strcspn(content_type, "\r\n")] == '\0'
					 ? content_type
					 : "application/octet-stream");
}

void csn_api_get_object(struct csn_api *api, struct csn_http_exchange *exchange)
{
	const char *attachment_id = csn_http_query(exchange, "attachment_id");
	const char *attachment_name = csn_http_query(exchange, "attachment_name");
	const char *resource = csn_http_query(exchange, "resource");
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_object_file file = { 0 };
	struct csn_project project;
	struct csn_caller caller;
	uint64_t id, number = 0;
	char name[300] = "";
	int r;

	if (!find_object(api, exchange, &caller, &project, &id))
		return;
	if (attachment_id || attachment_name) {
		if (attachment_id && !csn_parse_u64(attachment_id, 16, &number))
			number = UINT32_MAX;
		r = csn_objects_read_attachment(api->store, project.id, id, (int64_t)number,
						attachment_name, &exchange->reply.body, &file,
						&err);
		snprintf(name, sizeof(name), "%s", r == 0 ? file.name : "");
	} else if (resource && *resource && strcmp(resource, "raw") != 0) {
		r = csn_fail(&err, CSN_E_NOT_FOUND, "the object has no resource %.60s", resource);
	} else {
		r = csn_objects_read(api->store, project.id, id, &exchange->reply.body, &file,
				     &err);
		if (r == 0)
			snprintf(name, sizeof(name), "%llx.%s", (unsigned long long)id,
				 *file.name ? file.name : "bin");
	}
	if (r < 0 && err.code == CSN_E_FORMAT) /* of ours, not of the request */
		csn_http_reply_error(exchange, 500, CSN_API_INTERNAL,
				     "the stored object is damaged: %s", err.text);
	else if (r < 0)
		csn_api_reply_failure(exchange, &err);
	else
		reply_file(exchange, name, file.content_type);
}

void csn_api_get_list(struct csn_api *api, struct csn_http_exchange *exchange)
{
	struct csn_json json = csn_json_to(&exchange->reply.body);
	cleanup_free struct csn_object_file *files = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	int64_t started = csn_monotonic_ns();
	struct csn_project project;
	struct csn_caller caller;
	char id_text[32];
	uint64_t id;
	size_t n;

	if (!find_object(api, exchange, &caller, &project, &id))
		return;
	if (csn_objects_attachments(api->store, project.id, id, &files, &n, &err) < 0) {
		csn_api_reply_failure(exchange, &err);
		return;
	}
	csn_json_begin_object(&json);
	csn_json_key(&json, "attachments");
	csn_json_begin_array(&json);
	for (size_t i = 0; i < n; i++) {
		snprintf(id_text, sizeof(id_text), "%llx", (unsigned long long)files[i].id);
		csn_json_begin_object(&json);
		csn_json_member_string(&json, "id", id_text);
		csn_json_member_string(&json, "name", files[i].name);
		csn_json_member_uint(&json, "size", files[i].size_bytes);
		csn_json_member_string(&json, "content_type", files[i].content_type);
		csn_json_member_bool(&json, "inline", false);
		csn_json_end_object(&json);
	}
	csn_json_end_array(&json);
	csn_api_write_envelope(&json, &caller, &project, started);
	csn_json_end_object(&json);
	csn_http_reply_json(exchange, 200);
}

/* ---- delete ---- */

struct deletion {
	struct csn_api *api;
	const struct csn_caller *caller;
	const struct csn_project *project;
	unsigned what;
	uint64_t *ids; /* owned */
	size_t n_ids, capacity;
	uint64_t n_deleted;
};

static void deletion_done(struct deletion *deletion)
{
	free(deletion->ids);
}

/* No subsets: everything; the client's --all. */
static unsigned subsets_of(const json_t *body)
{
	json_t *subsets = json_object_get(body, "subsets"), *subset;
	unsigned what = 0;
	size_t i;

	if (!json_is_array(subsets))
		return CSN_DELETE_PHYSICAL | CSN_DELETE_INDEX;
	json_array_foreach(subsets, i, subset)
	{
		const char *name = json_is_string(subset) ? json_string_value(subset) : "";

		if (strcmp(name, "physical") == 0)
			what |= CSN_DELETE_PHYSICAL;
		else if (strcmp(name, "crdb") == 0)
			what |= CSN_DELETE_INDEX;
	}
	return what;
}

static int add_id(struct deletion *deletion, const char *text, struct csn_error *err)
{
	uint64_t id;

	if (!csn_parse_u64(text, 16, &id))
		return csn_fail(err, CSN_E_USAGE, "%.40s is not an object", text);
	if (deletion->n_ids == deletion->capacity) {
		size_t capacity = deletion->capacity ? deletion->capacity * 2 : 64;
		uint64_t *grown = reallocarray(deletion->ids, capacity, sizeof(*grown));

		if (!grown)
			return csn_fail_nomem(err);
		deletion->ids = grown;
		deletion->capacity = capacity;
	}
	deletion->ids[deletion->n_ids++] = id;
	return 0;
}

/* "9d33", or {"id":"9d33"} with attachment_id or attachment_name for just that. */
static int take_object(struct deletion *deletion, const json_t *object, struct csn_error *err)
{
	const char *id = json_is_string(object) ? json_string_value(object)
						: csn_json_get_string(object, "id", "");
	const char *name = csn_json_get_string(object, "attachment_name", NULL);
	const char *hex = csn_json_get_string(object, "attachment_id", NULL);
	uint64_t number = 0, attachment = 0;
	int r;

	if (!name && !json_object_get(object, "attachment_id"))
		return add_id(deletion, id, err);
	if (!csn_parse_u64(id, 16, &number) || (hex && !csn_parse_u64(hex, 16, &attachment)))
		return csn_fail(err, CSN_E_USAGE, "%.40s is not an object", id);
	if (!hex)
		attachment = (uint64_t)csn_json_get_int(object, "attachment_id", 0);
	r = csn_objects_detach(deletion->api->store, deletion->project->id, number,
			       (int64_t)attachment, name, err);
	deletion->n_deleted += r == 0;
	return r;
}

static int run_deletion(struct deletion *deletion, const json_t *body, struct csn_error *err)
{
	json_t *objects = json_object_get(body, "objects"), *object;
	json_t *query = json_object_get(body, "query");
	struct csn_query_context context =
		query_context(deletion->api, deletion->caller, deletion->project);
	cleanup_free char *text = NULL;
	uint64_t n = 0;
	size_t i;
	int r = 0;

	if (query) {
		text = json_dumps(query, JSON_COMPACT);
		if (!text)
			return csn_fail_nomem(err);
		r = csn_query_select_ids(&context, text, strlen(text), &deletion->ids,
					 &deletion->n_ids, err);
	} else if (json_array_size(objects)) {
		json_array_foreach(objects, i, object)
		{
			r = take_object(deletion, object, err);
			if (r < 0)
				return r;
		}
	} else {
		return csn_fail(err, CSN_E_USAGE, "nothing to delete was named");
	}
	if (r < 0 || deletion->n_ids == 0)
		return r;
	if (!deletion->what)
		return csn_fail(err, CSN_E_USAGE, "subsets are physical and crdb");
	r = csn_objects_delete(deletion->api->store, deletion->project->id, deletion->ids,
			       deletion->n_ids, deletion->what, &n, err);
	deletion->n_deleted += n;
	return r;
}

void csn_api_post_delete(struct csn_api *api, struct csn_http_exchange *exchange)
{
	struct csn_json json = csn_json_to(&exchange->reply.body);
	cleanup_json json_t *body = csn_api_body(exchange);
	struct csn_error err = CSN_ERROR_INIT;
	int64_t started = csn_monotonic_ns();
	struct csn_project project;
	struct csn_caller caller;
	cleanup_(deletion_done) struct deletion deletion = { .api = api,
							     .caller = &caller,
							     .project = &project };

	if (!body)
		return;
	csn_api_identify(api, exchange, body, &caller);
	if (!csn_api_require(exchange, &caller, 0))
		return;
	if (!csn_api_may_write(&caller)) {
		csn_http_reply_error(exchange, 403, CSN_API_DENIED, "a guest may not delete");
		return;
	}
	if (!csn_api_project(api, exchange, &caller, csn_json_get_string(body, "universe", NULL),
			     csn_json_get_string(body, "project", NULL), 404, &project))
		return;
	deletion.what = subsets_of(body);
	if (run_deletion(&deletion, body, &err) < 0) {
		csn_api_reply_failure(exchange, &err);
		return;
	}
	csn_json_begin_object(&json);
	csn_json_key(&json, "response");
	csn_json_begin_object(&json);
	csn_json_member_uint(&json, "deleted", deletion.n_deleted);
	csn_json_end_object(&json);
	csn_api_write_envelope(&json, &caller, &project, started);
	csn_json_end_object(&json);
	csn_http_reply_json(exchange, 200);
}
