/* Submissions: a document and its attachments, or an attachment for an object that is there.
 *
 * Token and project are checked before the body is read. The document is read and grouped on the
 * server's thread; then the exchange waits, without a thread, for the committer. */
#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "http/body.h"
#include "ingest/ingest.h"

/* What admission found out, kept for handling. */
struct admission {
	struct csn_caller caller;
	struct csn_project project;
	const char *format;
};

/* Parameters of the protocol; every other one is an attribute of the object. */
static const char *const reserved[] = {
	"token",    "format",           "universe",      "project",           "object",
	"resource", "attachment_name",  "attachment_id", "attachment_inline", "sync",
	"tag",      "symbolication_id", "upload_file",
};

static bool is_reserved(const char *name)
{
	if (strncmp(name, "_mod_", 5) == 0)
		return true;
	for (size_t i = 0; i < csn_countof(reserved); i++)
		if (strcmp(reserved[i], name) == 0)
			return true;
	return false;
}

/* ---- admission ---- */

/* /<universe>/<token>/<format>: as if they were parameters. */
static const char *path_parts(struct csn_http_exchange *exchange)
{
	const char *path = exchange->request.path;
	struct csn_http_pairs *query = &exchange->request.query;
	char *copy, *token, *format;

	if (strcmp(path, "/post") == 0 || strncmp(path, "/api/", 5) == 0)
		return csn_http_query(exchange, "format");
	copy = csn_arena_strdup(exchange->arena, path + 1);
	token = copy ? strchr(copy, '/') : NULL;
	format = token ? strchr(token + 1, '/') : NULL;
	if (!format)
		return NULL;
	*token++ = '\0';
	*format++ = '\0';
	csn_http_pairs_add(exchange->arena, query, "universe", copy);
	csn_http_pairs_add(exchange->arena, query, "token", token);
	return format;
}

void csn_api_admit_submission(struct csn_api *api, struct csn_http_exchange *exchange)
{
	struct admission *admission = csn_arena_alloc(exchange->arena, sizeof(*admission));
	const char *universe, *project;

	if (!admission) {
		csn_http_reply_error(exchange, 503, CSN_API_LIMIT, "out of memory");
		return;
	}
	admission->format = path_parts(exchange);
	csn_api_identify(api, exchange, NULL, &admission->caller);
	if (!csn_api_require(exchange, &admission->caller, CSN_CAP_ERROR_POST))
		return;
	if (admission->caller.kind == CSN_CALLER_USER && !csn_api_may_write(&admission->caller)) {
		csn_http_reply_error(exchange, 403, CSN_API_DENIED, "a guest may not submit");
		return;
	}
	universe = csn_http_query(exchange, "universe");
	project = csn_http_query(exchange, "project");
	if (csn_api_project(api, exchange, &admission->caller, universe, project, 404,
			    &admission->project))
		exchange->handler_more = admission;
}

const struct csn_project *csn_api_admitted(const struct csn_http_exchange *exchange)
{
	const struct admission *admission = exchange->handler_more;

	return &admission->project;
}

/* ---- requests ---- */

static void add_pair(struct csn_ingest_request *request, struct csn_ingest_pair *pairs,
		     const char *key, const char *value)
{
	pairs[request->n_pairs++] = (struct csn_ingest_pair){ key, value };
}

static const char *plain_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Parts of a form: the object, attachments, attributes. */
static int take_parts(struct csn_http_exchange *exchange, struct csn_ingest_request *request,
		      struct csn_ingest_pair *pairs, const struct csn_http_part *parts,
		      size_t n_parts, struct csn_error *err)
{
	struct csn_submission_file *files =
		csn_arena_array(exchange->arena, n_parts + 1, sizeof(*files));

	if (!files)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < n_parts; i++) {
		const struct csn_http_part *part = &parts[i];
		struct csn_submission_file file = { plain_name(part->filename), part->content_type,
						    part->data, part->size_bytes };

		if (strcmp(part->name, "upload_file") == 0 ||
		    strcmp(part->name, "upload_file_minidump") == 0) {
			request->object = file;
		} else if (strncmp(part->name, "attachment", 10) == 0 && *part->filename) {
			if (strncmp(part->name, "attachment_", 11) == 0)
				file.name = plain_name(part->name + 11);
			files[request->n_attachments++] = file;
		} else if (!is_reserved(part->name)) {
			char *value =
				csn_arena_strndup(exchange->arena, part->data, part->size_bytes);

			if (!value)
				return csn_fail_nomem(err);
			add_pair(request, pairs, part->name, value);
		}
	}
	request->attachments = files;
	if (!request->object.data)
		return csn_fail(err, CSN_E_FORMAT, "the form has no part upload_file");
	return 0;
}

static int make_request(struct csn_http_exchange *exchange, const struct admission *admission,
			struct csn_ingest_request *request, struct csn_error *err)
{
	const struct csn_http_pairs *query = &exchange->request.query;
	const struct csn_buf *body = &exchange->request.body;
	const char *content_type = csn_http_header(exchange, "Content-Type");
	struct csn_http_part *parts = NULL;
	struct csn_ingest_pair *pairs;
	size_t n_parts = 0;
	int r = 0;

	if (csn_http_is_multipart(content_type))
		r = csn_http_parse_multipart(exchange->arena, content_type, csn_buf_text(body),
					     body->size, &parts, &n_parts, err);
	if (r < 0)
		return r;
	pairs = csn_arena_array(exchange->arena, query->count + n_parts + 1, sizeof(*pairs));
	if (!pairs)
		return csn_fail_nomem(err);
	request->project = admission->project.id;
	request->format = admission->format;
	request->pairs = pairs;
	for (size_t i = 0; i < query->count; i++)
		if (!is_reserved(query->items[i].name))
			add_pair(request, pairs, query->items[i].name, query->items[i].value);
	if (csn_http_is_multipart(content_type))
		return take_parts(exchange, request, pairs, parts, n_parts, err);
	request->object = (struct csn_submission_file){ "", content_type ? content_type : "",
							csn_buf_text(body), body->size };
	return 0;
}

/* ---- replies ---- */

static void write_receipt(struct csn_http_exchange *exchange, const struct csn_receipt *receipt)
{
	struct csn_json json = csn_json_to(&exchange->reply.body);
	char id[32];

	snprintf(id, sizeof(id), "%llx", (unsigned long long)receipt->id);
	csn_json_begin_object(&json);
	csn_json_member_string(&json, "response", "ok");
	csn_json_member_string(&json, "object", id);
	csn_json_member_string(&json, "fingerprint", receipt->fingerprint);
	csn_json_member_bool(&json, "unique", receipt->unique);
	csn_json_member_string(&json, "_rxid", receipt->rxid);
	csn_json_end_object(&json);
	csn_http_reply_json(exchange, 200);
}

void csn_api_reply_not_kept(struct csn_http_exchange *exchange, const struct csn_error *err)
{
	bool full = err->code == CSN_E_LIMIT && strstr(err->text, "disk");

	csn_http_reply_error(exchange, full ? 507 : 503, CSN_API_LIMIT, "not stored: %s",
			     err->text);
	csn_http_pairs_add(exchange->arena, &exchange->reply.headers, "Retry-After",
			   full ? "60" : "10");
}

static void on_committed(void *context, const struct csn_receipt *receipt,
			 const struct csn_error *err)
{
	struct csn_http_exchange *exchange = context;

	if (err)
		csn_api_reply_not_kept(exchange, err);
	else
		write_receipt(exchange, receipt);
	csn_http_finish(exchange);
}

/* ---- handlers ---- */

static void submit(struct csn_api *api, struct csn_http_exchange *exchange,
		   const struct admission *admission)
{
	struct csn_ingest_request request = { 0 };
	struct csn_submission *submission = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	r = make_request(exchange, admission, &request, &err);
	if (r == 0)
		r = csn_ingest_prepare(&request, &submission, &err);
	if (r < 0) {
		csn_api_reply_failure(exchange, &err);
		return;
	}
	csn_buf_done(&exchange->request.body);
	csn_http_defer(exchange);
	if (csn_objects_submit(api->store, submission, on_committed, exchange, &err) < 0)
		on_committed(exchange, NULL, &err);
}

static void attach(struct csn_api *api, struct csn_http_exchange *exchange,
		   const struct admission *admission, uint64_t id, const char *name)
{
	struct csn_json json = csn_json_to(&exchange->reply.body);
	const struct csn_buf *body = &exchange->request.body;
	const char *content_type = csn_http_header(exchange, "Content-Type");
	struct csn_submission_file file = { plain_name(name), content_type, csn_buf_text(body),
					    body->size };
	struct csn_error err = CSN_ERROR_INIT;
	char id_text[32], attachment_text[32];
	int64_t attachment;

	if (!*file.name || strlen(file.name) > 255) {
		csn_http_reply_error(exchange, 400, CSN_API_BAD_REQUEST,
				     "attachment_name must be 1 to 255 bytes");
		return;
	}
	if (csn_objects_attach(api->store, admission->project.id, id, &file, &attachment, &err) <
	    0) {
		if (err.code == CSN_E_NOT_FOUND)
			csn_api_reply_failure(exchange, &err);
		else
			csn_api_reply_not_kept(exchange, &err);
		return;
	}
	snprintf(id_text, sizeof(id_text), "%llx", (unsigned long long)id);
	snprintf(attachment_text, sizeof(attachment_text), "%llx", (unsigned long long)attachment);
	csn_json_begin_object(&json);
	csn_json_member_string(&json, "response", "ok");
	csn_json_member_string(&json, "attachment_name", file.name);
	csn_json_member_string(&json, "attachment_id", attachment_text);
	csn_json_member_string(&json, "object", id_text);
	csn_json_end_object(&json);
	csn_http_reply_json(exchange, 200);
}

/* {"name":"value"} onto an object that is there; null clears. */
static void edit(struct csn_api *api, struct csn_http_exchange *exchange,
		 const struct admission *admission, uint64_t id)
{
	cleanup_json json_t *body = csn_api_body(exchange);
	struct csn_attribute_value *values;
	struct csn_error err = CSN_ERROR_INIT;
	const char *name;
	json_t *value;
	size_t n = 0;

	if (!body)
		return;
	values = csn_arena_array(exchange->arena, json_object_size(body) + 1, sizeof(*values));
	json_object_foreach(body, name, value)
	{
		if (!values)
			break;
		values[n].name = name;
		if (json_is_string(value)) {
			values[n].kind = CSN_CELL_TEXT;
			values[n].text = json_string_value(value);
		} else if (json_is_integer(value)) {
			values[n].kind = CSN_CELL_NUMBER;
			values[n].negative = json_integer_value(value) < 0;
			values[n].number = (uint64_t)json_integer_value(value);
		}
		n++;
	}
	if (csn_objects_set(api->store, admission->project.id, &id, 1, values, n, &err) < 0) {
		csn_api_reply_failure(exchange, &err);
		return;
	}
	csn_buf_puts(&exchange->reply.body, "{\"response\":\"ok\"}");
	csn_http_reply_json(exchange, 200);
}

void csn_api_post_submission(struct csn_api *api, struct csn_http_exchange *exchange)
{
	const struct admission *admission = exchange->handler_more;
	const char *object = csn_http_query(exchange, "object");
	const char *name = csn_http_query(exchange, "attachment_name");
	const char *resource = csn_http_query(exchange, "resource");
	struct csn_error err = CSN_ERROR_INIT;
	uint64_t id;

	if (!object) {
		submit(api, exchange, admission);
		return;
	}
	if (csn_objects_find(api->store, admission->project.id, object, &id, &err) < 0)
		csn_api_reply_failure(exchange, &err);
	else if (name)
		attach(api, exchange, admission, id, name);
	else if (resource && strcmp(resource, "_kv") == 0 &&
		 admission->caller.kind == CSN_CALLER_USER)
		edit(api, exchange, admission, id);
	else
		csn_http_reply_error(exchange, 400, CSN_API_BAD_REQUEST,
				     "attachment_name is missing");
}
