/* The store through its public functions: what every engine behind the ops records must do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "folder.h"
#include "store/accounts.h"
#include "store/store.h"

#define FP_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FP_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct lab {
	char folder[FOLDER_MAX];
	struct csn_store *store;
};

static int lab_open(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct csn_error err;

	assert_true(folder_make(lab->folder));
	assert_int_equal(csn_store_open(lab->folder, &lab->store, &err), 0);
	*state = lab;
	return 0;
}

static int lab_close(void **state)
{
	struct lab *lab = *state;

	csn_store_close(lab->store);
	folder_remove(lab->folder);
	free(lab);
	return 0;
}

static void lab_reopen(struct lab *lab)
{
	struct csn_error err;

	csn_store_close(lab->store);
	lab->store = NULL;
	assert_int_equal(csn_store_open(lab->folder, &lab->store, &err), 0);
}

static struct csn_submission *submission(const char *host, uint64_t rss, const char *fingerprint)
{
	struct csn_submission *made = csn_submission_new(1 << 20);
	struct csn_attribute_value *values;

	assert_non_null(made);
	values = csn_arena_array(made->arena, 3, sizeof(*values));
	values[0] = (struct csn_attribute_value){ .name = "hostname",
						  .kind = CSN_CELL_TEXT,
						  .text = csn_arena_strdup(made->arena, host) };
	values[1] = (struct csn_attribute_value){ .name = "vm.rss.size",
						  .kind = CSN_CELL_NUMBER,
						  .number = rss };
	values[2] = (struct csn_attribute_value){ .name = "color",
						  .kind = CSN_CELL_TEXT,
						  .text = "blue" };
	made->project = 1;
	made->timestamp = 1700000000;
	made->format = "json";
	snprintf(made->fingerprint, sizeof(made->fingerprint), "%s", fingerprint);
	made->object = (struct csn_submission_file){ "", "application/json", "{\"a\":1}", 7 };
	made->attributes = values;
	made->n_attributes = 3;
	return made;
}

static struct csn_receipt submit(struct lab *lab, struct csn_submission *made)
{
	struct csn_receipt receipt;
	struct csn_error err;

	assert_int_equal(csn_objects_submit_wait(lab->store, made, &receipt, &err), 0);
	return receipt;
}

struct row_log {
	size_t n;
	uint64_t ids[64];
	char text[64][80];
	uint64_t number[64];
	enum csn_cell_kind kinds[64];
};

static bool log_row(void *context, uint64_t id, const struct csn_cell *cells)
{
	struct row_log *log = context;

	log->ids[log->n] = id;
	snprintf(log->text[log->n], sizeof(log->text[0]), "%s",
		 cells[0].text ? cells[0].text : "-");
	log->number[log->n] = cells[1].number;
	log->kinds[log->n] = cells[1].kind;
	log->n++;
	return log->n < 64;
}

static struct row_log scan(struct lab *lab, const char *text, const char *number)
{
	cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
	const struct csn_attribute *columns[2];
	struct csn_scan what = { .columns = columns, .n_columns = 2 };
	struct row_log log = { 0 };
	struct csn_error err;

	assert_int_equal(csn_reader_open(lab->store, 1, &reader, &err), 0);
	columns[0] = csn_reader_find_attribute(reader, text);
	columns[1] = csn_reader_find_attribute(reader, number);
	assert_non_null(columns[0]);
	assert_non_null(columns[1]);
	assert_int_equal(csn_reader_scan(reader, &what, log_row, &log, &err), 0);
	return log;
}

static void objects_are_read_back_as_typed_cells(void **state)
{
	struct lab *lab = *state;
	struct csn_receipt first = submit(lab, submission("h1", 100, FP_A));
	struct csn_receipt second = submit(lab, submission("h2", 200, FP_A));
	struct row_log log;

	assert_int_equal(first.id, 1);
	assert_int_equal(second.id, 2);
	assert_true(first.unique);
	assert_false(second.unique);
	log = scan(lab, "hostname", "vm.rss.size");
	assert_int_equal(log.n, 2);
	assert_string_equal(log.text[0], "h1");
	assert_string_equal(log.text[1], "h2");
	assert_int_equal(log.number[1], 200);
	log = scan(lab, "fingerprint", "timestamp");
	assert_string_equal(log.text[0], FP_A);
	assert_int_equal(log.number[0], 1700000000);
	log = scan(lab, "fingerprint;issues;state", "pid");
	assert_string_equal(log.text[0], "open");
	assert_int_equal(log.kinds[0], CSN_CELL_NULL);
}

static void repeated_uuid_is_answered_with_the_first_object(void **state)
{
	struct lab *lab = *state;
	struct csn_submission *again = submission("h2", 2, FP_B), *one = submission("h1", 1, FP_A);
	struct csn_receipt first, second;

	memcpy(again->uuid, one->uuid, 16);
	first = submit(lab, one);
	second = submit(lab, again);
	assert_false(first.duplicate);
	assert_true(second.duplicate);
	assert_int_equal(first.id, second.id);
	assert_string_equal(first.rxid, second.rxid);
	assert_string_equal(second.fingerprint, FP_A);
	assert_int_equal(scan(lab, "hostname", "pid").n, 1);
}

static void unknown_attributes_are_discovered_disabled(void **state)
{
	struct lab *lab = *state;
	cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
	const struct csn_attribute declare = { .name = "color",
					       .type = CSN_TYPE_DICTIONARY,
					       .format = "none",
					       .description = "paint" };
	const struct csn_attribute wrong = {
		.name = "color", .type = CSN_TYPE_UINT32, .format = "none", .description = ""
	};
	const struct csn_attribute *color;
	struct csn_error err;

	submit(lab, submission("h1", 1, FP_A));
	assert_int_equal(csn_reader_open(lab->store, 1, &reader, &err), 0);
	color = csn_reader_find_attribute(reader, "color");
	assert_int_equal(color->origin, CSN_ATTRIBUTE_DISCOVERED);
	assert_false(color->enabled);
	assert_string_equal(color->sample, "blue");
	assert_true(csn_reader_find_attribute(reader, "hostname")->enabled);
	csn_reader_close(csn_take(reader));

	assert_int_equal(csn_objects_declare(lab->store, 1, &wrong, &err), -CSN_E_USAGE);
	assert_int_equal(csn_objects_declare(lab->store, 1, &declare, &err), 0);
	assert_string_equal(scan(lab, "color", "pid").text[0], "blue");
}

static void set_changes_only_the_objects_named(void **state)
{
	struct lab *lab = *state;
	const struct csn_attribute reason = {
		.name = "reason", .type = CSN_TYPE_DICTIONARY, .format = "none", .description = ""
	};
	struct csn_attribute_value value = { .name = "reason",
					     .kind = CSN_CELL_TEXT,
					     .text = "oom" };
	struct csn_attribute_value unknown = { .name = "nope", .kind = CSN_CELL_TEXT, .text = "x" };
	struct csn_error err;
	struct row_log log;
	uint64_t id;

	id = submit(lab, submission("h1", 1, FP_A)).id;
	submit(lab, submission("h2", 2, FP_A));
	assert_int_equal(csn_objects_declare(lab->store, 1, &reason, &err), 0);
	assert_int_equal(csn_objects_set(lab->store, 1, &id, 1, &value, 1, &err), 0);
	assert_int_equal(csn_objects_set(lab->store, 1, &id, 1, &unknown, 1, &err),
			 -CSN_E_NOT_FOUND);
	log = scan(lab, "reason", "vm.rss.size");
	assert_string_equal(log.text[0], "oom");
	assert_string_equal(log.text[1], "-");
	assert_int_equal(log.number[0], 1);
	value.kind = CSN_CELL_NULL;
	assert_int_equal(csn_objects_set(lab->store, 1, &id, 1, &value, 1, &err), 0);
	assert_string_equal(scan(lab, "reason", "pid").text[0], "-");
}

static void merged_groups_take_later_objects_and_come_apart_again(void **state)
{
	struct lab *lab = *state;
	const char *both[] = { FP_A, FP_B };
	struct csn_receipt later;
	struct csn_error err;
	struct row_log log;

	submit(lab, submission("h1", 1, FP_A));
	submit(lab, submission("h2", 2, FP_B));
	assert_int_equal(csn_objects_merge(lab->store, 1, both, 2, &err), 0);
	later = submit(lab, submission("h3", 3, FP_B));
	assert_string_equal(later.fingerprint, FP_A);
	assert_false(later.unique);
	log = scan(lab, "fingerprint", "pid");
	assert_string_equal(log.text[1], FP_A);
	assert_string_equal(scan(lab, "fingerprint;original", "pid").text[1], FP_B);
	assert_int_equal(csn_objects_unmerge(lab->store, 1, both, 1, &err), 0);
	log = scan(lab, "fingerprint", "pid");
	assert_string_equal(log.text[0], FP_A);
	assert_string_equal(log.text[1], FP_B);
	assert_string_equal(log.text[2], FP_B);
}

static void documents_are_kept_byte_for_byte_small_and_large(void **state)
{
	struct lab *lab = *state;
	const size_t size = 700 * 1024;
	cleanup_free char *large = malloc(size);
	struct csn_submission *made = submission("h", 1, FP_A);
	struct csn_submission_file file = { "n.txt", "text/plain", "note", 4 };
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(1 << 20);
	struct csn_object_file info, *files = NULL;
	struct csn_error err;
	uint64_t small_id, large_id;
	int64_t attachment;
	size_t n;

	for (size_t i = 0; i < size; i++)
		large[i] = (char)(i * 7);
	made->object.data = large;
	made->object.size_bytes = size;
	large_id = submit(lab, made).id;
	small_id = submit(lab, submission("h", 1, FP_A)).id;
	assert_int_equal(csn_objects_attach(lab->store, 1, small_id, &file, &attachment, &err), 0);
	lab_reopen(lab);
	assert_int_equal(csn_objects_read(lab->store, 1, large_id, &out, &info, &err), 0);
	assert_int_equal(out.size, size);
	assert_memory_equal(out.data, large, size);
	csn_buf_clear(&out);
	assert_int_equal(csn_objects_read(lab->store, 1, small_id, &out, &info, &err), 0);
	assert_string_equal(csn_buf_text(&out), "{\"a\":1}");
	csn_buf_clear(&out);
	assert_int_equal(csn_objects_read_attachment(lab->store, 1, small_id, 0, "n.txt", &out,
						     &info, &err),
			 0);
	assert_string_equal(csn_buf_text(&out), "note");
	assert_int_equal(csn_objects_attachments(lab->store, 1, small_id, &files, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(files[0].content_type, "text/plain");
	free(files);
}

static void physical_delete_keeps_the_row(void **state)
{
	struct lab *lab = *state;
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(1 << 20);
	struct csn_object_file info;
	struct csn_error err;
	uint64_t id = submit(lab, submission("h", 1, FP_A)).id, deleted, other;

	other = submit(lab, submission("h", 1, FP_A)).id;
	assert_int_equal(csn_objects_delete(lab->store, 1, &id, 1, CSN_DELETE_PHYSICAL, &deleted,
					    &err),
			 0);
	assert_int_equal(deleted, 1);
	assert_int_equal(csn_objects_read(lab->store, 1, id, &out, &info, &err), -CSN_E_NOT_FOUND);
	assert_int_equal(csn_objects_read(lab->store, 1, other, &out, &info, &err), 0);
	assert_int_equal(scan(lab, "hostname", "_deleted").number[0], 1);
	assert_int_equal(csn_objects_delete(lab->store, 1, &id, 1,
					    CSN_DELETE_PHYSICAL | CSN_DELETE_INDEX, &deleted, &err),
			 0);
	assert_int_equal(scan(lab, "hostname", "_deleted").n, 1);
}

static void reader_does_not_see_what_is_committed_later(void **state)
{
	struct lab *lab = *state;
	cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
	struct csn_error err;
	uint64_t n;

	submit(lab, submission("h", 1, FP_A));
	assert_int_equal(csn_reader_open(lab->store, 1, &reader, &err), 0);
	submit(lab, submission("h9", 1, FP_B));
	assert_int_equal(csn_reader_count(reader, &n, &err), 0);
	assert_int_equal(n, 1);
	csn_reader_close(csn_take(reader));
	assert_int_equal(csn_reader_open(lab->store, 1, &reader, &err), 0);
	assert_int_equal(csn_reader_count(reader, &n, &err), 0);
	assert_int_equal(n, 2);
}

/* What the reader sees of one column of all objects, summed up. */
static bool add_cell(void *context, uint64_t id, const struct csn_cell *cells)
{
	(void)id;
	*(uint64_t *)context += cells[0].number;
	return true;
}

static uint64_t count_ticks(struct lab *lab, uint64_t *ret_of_project)
{
	cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
	const struct csn_attribute *column;
	struct csn_scan scan = { .columns = &column, .n_columns = 1 };
	struct csn_error err;
	uint64_t sum = 0;

	assert_int_equal(csn_reader_open(lab->store, 1, &reader, &err), 0);
	column = csn_reader_find_attribute(reader, "object.ticks");
	assert_non_null(column);
	assert_int_equal(csn_reader_scan(reader, &scan, add_cell, &sum, &err), 0);
	assert_int_equal(csn_reader_ticks(reader, ret_of_project, &err), 0);
	return sum;
}

static void ticks_are_added_once_and_leave_with_their_object(void **state)
{
	struct lab *lab = *state;
	struct csn_submission *made = submission("h", 1, FP_A);
	struct csn_tick_batch batch = {
		.project = 1, .batch = { 1 }, .count = 40, .first = 1, .last = 2, .hostname = "h"
	};
	struct csn_tick_receipt receipt = { 0 };
	struct csn_error err;
	uint64_t id, total, deleted;

	memcpy(batch.object, made->uuid, sizeof(batch.object));
	id = submit(lab, made).id;
	submit(lab, submission("h2", 1, FP_A));
	assert_int_equal(csn_objects_tick(lab->store, &batch, &receipt, &err), 0);
	assert_false(receipt.duplicate);
	assert_true(receipt.id == id);
	assert_int_equal(csn_objects_tick(lab->store, &batch, &receipt, &err), 0);
	assert_true(receipt.duplicate);
	assert_true(receipt.id == id);
	lab_reopen(lab);
	assert_int_equal(count_ticks(lab, &total), 40);
	assert_int_equal(total, 40);
	batch.batch[0] = 2;
	batch.count = 2;
	assert_int_equal(csn_objects_tick(lab->store, &batch, &receipt, &err), 0);
	submit(lab, submission("h3", 1, FP_A));
	assert_int_equal(count_ticks(lab, &total), 42);
	assert_int_equal(total, 42);
	batch.batch[0] = 3;
	batch.object[0] ^= 1;
	assert_int_equal(csn_objects_tick(lab->store, &batch, &receipt, &err), -CSN_E_NOT_FOUND);
	batch.object[0] ^= 1;
	assert_int_equal(csn_objects_delete(lab->store, 1, &id, 1, CSN_DELETE_INDEX, &deleted,
					    &err),
			 0);
	assert_int_equal(count_ticks(lab, &total), 0);
	assert_int_equal(total, 0);
	/* Sent again after all: still known. */
	batch.batch[0] = 1;
	assert_int_equal(csn_objects_tick(lab->store, &batch, &receipt, &err), 0);
	assert_true(receipt.duplicate);
}

static void second_opener_of_a_folder_is_refused(void **state)
{
	struct lab *lab = *state;
	struct csn_store *other = NULL;
	struct csn_error err;

	assert_int_equal(csn_store_open(lab->folder, &other, &err), -CSN_E_DENIED);
	assert_non_null(strstr(err.text, "another coronerd"));
}

static json_t *create(struct lab *lab, const char *type, json_t *object)
{
	cleanup_json json_t *given = object;
	json_t *row = NULL;
	struct csn_error err;

	assert_non_null(given);
	if (csn_catalog_create(lab->store, csn_config_type_find(type), given, &row, &err) < 0)
		fail_msg("%s", err.text);
	return row;
}

static void accounts_hash_what_they_keep(void **state)
{
	struct lab *lab = *state;
	cleanup_json json_t *universe =
		create(lab, "universe", json_pack("{s:i,s:s}", "id", 0, "name", "acme"));
	cleanup_json json_t *user =
		create(lab, "users",
		       json_pack("{s:i,s:I,s:s,s:s,s:i}", "uid", 0, "universe",
				 (json_int_t)csn_json_get_int(universe, "id", 0), "username",
				 "root", "password", "733363726574", "superuser", 1));
	cleanup_json json_t *project =
		create(lab, "project",
		       json_pack("{s:I,s:s,s:i}", "universe",
				 (json_int_t)csn_json_get_int(universe, "id", 0), "name", "demo",
				 "owner", 1));
	cleanup_json json_t *token =
		create(lab, "api_token",
		       json_pack("{s:s,s:I,s:i,s:s}", "id", "0000", "project",
				 (json_int_t)csn_json_get_int(project, "pid", 0), "owner", 1,
				 "capabilities", "error:post query:post"));
	cleanup_json json_t *rows = NULL, *key = NULL;
	const char *secret = csn_json_get_string(token, "id", "");
	struct csn_api_token found;
	struct csn_user who;
	struct csn_error err;
	bool configured;
	char session[CSN_TOKEN_TEXT];

	assert_true(json_is_null(json_object_get(user, "password")));
	assert_int_equal(csn_accounts_configured(lab->store, &configured, &err), 0);
	assert_true(configured);
	assert_int_equal(csn_accounts_login(lab->store, "root", "s3cret", &who, &err), 0);
	assert_true(who.superuser);
	assert_string_equal(who.universe_name, "acme");
	assert_int_equal(csn_accounts_login(lab->store, "root", "wrong", &who, &err),
			 -CSN_E_DENIED);
	assert_int_equal(csn_accounts_login(lab->store, "nobody", "x", &who, &err), -CSN_E_DENIED);

	assert_int_equal(csn_api_token_find(lab->store, secret, &found, &err), 0);
	assert_int_equal(found.capabilities, CSN_CAP_ERROR_POST | CSN_CAP_QUERY_POST);
	assert_string_equal(found.project.name, "demo");
	assert_int_equal(csn_catalog_rows(lab->store, csn_config_type_find("api_token"), NULL,
					  &rows, &err),
			 0);
	assert_int_equal(json_array_size(rows), 1);
	key = json_pack("{s:O}", "id", json_object_get(json_array_get(rows, 0), "id"));
	assert_string_not_equal(csn_json_get_string(key, "id", ""), secret);
	assert_memory_equal(csn_json_get_string(key, "id", ""), secret, 12);
	assert_int_equal(csn_api_token_find(lab->store, csn_json_get_string(key, "id", ""), &found,
					    &err),
			 -CSN_E_DENIED);
	assert_int_equal(csn_catalog_delete(lab->store, csn_config_type_find("api_token"), key,
					    false, &err),
			 0);
	assert_int_equal(csn_api_token_find(lab->store, secret, &found, &err), -CSN_E_DENIED);

	assert_int_equal(csn_session_open(lab->store, who.uid, 60, session, &err), 0);
	assert_int_equal(csn_session_find(lab->store, session, &who, &err), 0);
	assert_int_equal(csn_session_end(lab->store, session, &err), 0);
	assert_int_equal(csn_session_find(lab->store, session, &who, &err), -CSN_E_DENIED);
}

static void names_are_unique_within_their_universe(void **state)
{
	struct lab *lab = *state;
	cleanup_json json_t *universe = create(lab, "universe", json_pack("{s:s}", "name", "acme"));
	cleanup_json json_t *one =
		create(lab, "project", json_pack("{s:i,s:s}", "universe", 1, "name", "demo"));
	cleanup_json json_t *again = json_pack("{s:i,s:s}", "universe", 1, "name", "demo");
	cleanup_json json_t *key = json_pack("{s:O}", "pid", json_object_get(one, "pid"));
	const struct csn_config_type *type = csn_config_type_find("project");
	json_t *row = NULL;
	struct csn_error err;

	assert_non_null(universe);
	assert_int_equal(csn_catalog_create(lab->store, type, again, &row, &err), -CSN_E_USAGE);
	assert_int_equal(csn_catalog_delete(lab->store, type, key, false, &err), 0);
	assert_int_equal(csn_catalog_create(lab->store, type, again, &row, &err), 0);
	assert_int_equal(csn_json_get_int(row, "pid", 0), 2);
	json_decref(row);
}

#define LARGE 300000

/* The child submits and writes each acknowledged uuid to the pipe; it is killed; whatever was
 * acknowledged is there once, whole. */
static void submit_forever(const char *folder, int pipe_fd)
{
	struct csn_store *store = NULL;
	struct csn_error err;

	if (csn_store_open(folder, &store, &err) < 0)
		_exit(3);
	for (unsigned n = 0;; n++) {
		struct csn_submission *made = submission("h1", n, n % 2 ? FP_A : FP_B);
		struct csn_receipt receipt;
		uint8_t uuid[16];

		/* Every fifth is too large for a pack. */
		if (n % 5 == 4) {
			made->object.data = csn_arena_alloc(made->arena, LARGE);
			made->object.size_bytes = LARGE;
		}
		memcpy(uuid, made->uuid, 16);
		if (csn_objects_submit_wait(store, made, &receipt, &err) < 0)
			_exit(4);
		if (write(pipe_fd, uuid, 16) != 16)
			_exit(5);
	}
}

static void killed_at_any_moment_keeps_what_was_acknowledged_once(void **state)
{
	struct lab *lab = *state;
	uint64_t total = 0;

	for (int round = 0; round < 8; round++) {
		int fds[2];
		uint8_t uuid[16];
		pid_t pid;

		csn_store_close(lab->store);
		lab->store = NULL;
		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			close(fds[0]);
			submit_forever(lab->folder, fds[1]);
		}
		close(fds[1]);
		usleep(30000 + (unsigned)round * 7300);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		lab_reopen(lab);
		while (read(fds[0], uuid, 16) == 16) {
			struct csn_submission *again = submission("h1", 0, FP_A);

			memcpy(again->uuid, uuid, 16);
			assert_true(submit(lab, again).duplicate);
			total++;
		}
		close(fds[0]);
	}
	assert_true(total > 0);
	for (uint64_t id = 1; id <= total; id++) {
		cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(1 << 20);
		struct csn_object_file info;
		struct csn_error err;

		assert_int_equal(csn_objects_read(lab->store, 1, id, &out, &info, &err), 0);
		if (out.size != LARGE)
			assert_string_equal(csn_buf_text(&out), "{\"a\":1}");
	}
}

static void run_sql(const struct lab *lab, const char *file, const char *text)
{
	char path[128];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/%s", lab->folder, file);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void older_catalogs_are_brought_forward(void **state)
{
	struct lab *lab = *state;
	cleanup_json json_t *universe = create(lab, "universe", json_pack("{s:s}", "name", "acme"));
	cleanup_json json_t *project =
		create(lab, "project", json_pack("{s:i,s:s}", "universe", 1, "name", "demo"));
	cleanup_json json_t *token = NULL;

	assert_true(universe && project);
	csn_store_close(csn_take(lab->store));
	run_sql(lab, "catalog.db",
		"DROP TABLE cfg_metric; ALTER TABLE cfg_api_token DROP COLUMN metadata");
	lab_reopen(lab);
	token = create(lab, "api_token",
		       json_pack("{s:i,s:s,s:s}", "project", 1, "capabilities", "error:post",
				 "metadata", "{}"));
	assert_string_equal(csn_json_get_string(token, "metadata", ""), "{}");
	assert_string_equal(csn_json_get_string(token, "capabilities", ""), "error:post");
}

static void an_index_without_ticks_is_brought_forward(void **state)
{
	struct lab *lab = *state;
	uint64_t total;

	submit(lab, submission("h", 1, FP_A));
	csn_store_close(csn_take(lab->store));
	run_sql(lab, "index.db",
		"ALTER TABLE object DROP COLUMN ticks; ALTER TABLE project DROP COLUMN ticks;"
		"DROP TABLE tick; PRAGMA user_version=1");
	lab_reopen(lab);
	assert_int_equal(count_ticks(lab, &total), 0);
	assert_int_equal(total, 0);
	assert_int_equal(submit(lab, submission("h", 1, FP_A)).id, 2);
}

static void newer_stores_are_refused(void **state)
{
	static const char *const files[] = { "index.db", "catalog.db" };
	struct lab *lab = *state;

	csn_store_close(csn_take(lab->store));
	for (size_t i = 0; i < csn_countof(files); i++) {
		struct csn_error err;

		run_sql(lab, files[i], "PRAGMA user_version=99");
		assert_int_equal(csn_store_open(lab->folder, &lab->store, &err),
				 -CSN_E_UNSUPPORTED);
		assert_non_null(strstr(err.text, files[i]));
		assert_non_null(strstr(err.text, "newer"));
		run_sql(lab, files[i], i == 0 ? "PRAGMA user_version=2" : "PRAGMA user_version=1");
	}
	lab_reopen(lab);
}

/* What a kill between writing the blobs and committing the rows leaves behind. */
static void bytes_behind_the_last_commit_are_taken_back(void **state)
{
	struct lab *lab = *state;
	static const char *const strays[] = { "packs/00000002.pack",
					      "files/000000/0000000000000007" };
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(1 << 20);
	struct csn_object_file info;
	struct csn_error err;
	struct stat before, after;
	char path[128];
	uint64_t id = submit(lab, submission("h", 1, FP_A)).id;
	int fd;

	csn_store_close(csn_take(lab->store));
	snprintf(path, sizeof(path), "%s/packs/00000001.pack", lab->folder);
	assert_int_equal(stat(path, &before), 0);
	fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "half a record", 13), 13);
	close(fd);
	snprintf(path, sizeof(path), "%s/files/000000", lab->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; i < csn_countof(strays); i++) {
		snprintf(path, sizeof(path), "%s/%s", lab->folder, strays[i]);
		assert_int_equal(csn_write_file(AT_FDCWD, path, "x", 1, 0600, &err), 0);
	}
	lab_reopen(lab);
	for (size_t i = 0; i < csn_countof(strays); i++) {
		snprintf(path, sizeof(path), "%s/%s", lab->folder, strays[i]);
		assert_int_equal(stat(path, &after), -1);
	}
	snprintf(path, sizeof(path), "%s/packs/00000001.pack", lab->folder);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_int_equal(csn_objects_read(lab->store, 1, id, &out, &info, &err), 0);
}

static void damaged_documents_are_not_handed_out(void **state)
{
	struct lab *lab = *state;
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(1 << 20);
	struct csn_object_file info;
	struct csn_error err;
	uint64_t id = submit(lab, submission("h", 1, FP_A)).id;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/packs/00000001.pack", lab->folder);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, 34), 1);
	close(fd);
	assert_int_equal(csn_objects_read(lab->store, 1, id, &out, &info, &err), -CSN_E_FORMAT);
	assert_non_null(strstr(err.text, "damaged"));
}

/* 64 MiB and one record, so that the first pack is full and a second one is written. */
#define N_BLOBS 258

static void put_two_packs(struct csn_blobs *blobs, struct csn_blob_ref refs[N_BLOBS])
{
	static char data[256 * 1024];
	struct csn_error err;

	assert_int_equal(blobs->ops->restore(blobs->state, "", &err), 0);
	for (unsigned i = 0; i < N_BLOBS; i++) {
		uint8_t uuid[16] = { (uint8_t)i };

		memset(data, (int)i, sizeof(data));
		assert_int_equal(blobs->ops->put(blobs->state, uuid, data, sizeof(data), &refs[i],
						 &err),
				 0);
	}
	blobs->ops->keep(blobs->state);
	assert_memory_equal(refs[0].text, "p:1:", 4);
	assert_memory_equal(refs[N_BLOBS - 1].text, "p:2:", 4);
}

/* As if the disk had failed under one header: what is alive behind it cannot be counted. */
static void packs_that_cannot_be_counted_are_kept(void **state)
{
	struct lab *lab = *state;
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(1 << 20);
	static struct csn_blob_ref refs[N_BLOBS];
	struct csn_blobs blobs;
	char path[128];
	struct csn_error err;
	int fd;

	snprintf(path, sizeof(path), "%s/blobs", lab->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(csn_blobs_open_files(path, &blobs, &err), 0);
	put_two_packs(&blobs, refs);
	snprintf(path, sizeof(path), "%s/blobs/packs/00000001.pack", lab->folder);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "XXXX", 4, strtol(refs[2].text + 4, NULL, 10)), 4);
	close(fd);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(blobs.ops->drop(blobs.state, &refs[i], &err), 0);
	assert_int_equal(blobs.ops->get(blobs.state, &refs[2], &out, &err), -CSN_E_FORMAT);
	assert_int_equal(blobs.ops->get(blobs.state, &refs[3], &out, &err), 0);
	blobs.ops->close(blobs.state);
}

static void packs_without_a_live_record_go(void **state)
{
	struct lab *lab = *state;
	static struct csn_blob_ref refs[N_BLOBS];
	struct csn_blobs blobs;
	struct stat status;
	char path[128];
	struct csn_error err;

	snprintf(path, sizeof(path), "%s/blobs", lab->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(csn_blobs_open_files(path, &blobs, &err), 0);
	put_two_packs(&blobs, refs);
	snprintf(path, sizeof(path), "%s/blobs/packs/00000001.pack", lab->folder);
	for (unsigned i = 0; i < N_BLOBS; i++) {
		assert_int_equal(stat(path, &status), refs[i].text[2] == '1' ? 0 : -1);
		assert_int_equal(blobs.ops->drop(blobs.state, &refs[i], &err), 0);
	}
	blobs.ops->close(blobs.state);
}

#define WITH_LAB(test) cmocka_unit_test_setup_teardown(test, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LAB(objects_are_read_back_as_typed_cells),
		WITH_LAB(repeated_uuid_is_answered_with_the_first_object),
		WITH_LAB(unknown_attributes_are_discovered_disabled),
		WITH_LAB(set_changes_only_the_objects_named),
		WITH_LAB(merged_groups_take_later_objects_and_come_apart_again),
		WITH_LAB(documents_are_kept_byte_for_byte_small_and_large),
		WITH_LAB(physical_delete_keeps_the_row),
		WITH_LAB(reader_does_not_see_what_is_committed_later),
		WITH_LAB(ticks_are_added_once_and_leave_with_their_object),
		WITH_LAB(second_opener_of_a_folder_is_refused),
		WITH_LAB(accounts_hash_what_they_keep),
		WITH_LAB(names_are_unique_within_their_universe),
		WITH_LAB(older_catalogs_are_brought_forward),
		WITH_LAB(an_index_without_ticks_is_brought_forward),
		WITH_LAB(newer_stores_are_refused),
		WITH_LAB(bytes_behind_the_last_commit_are_taken_back),
		WITH_LAB(damaged_documents_are_not_handed_out),
		WITH_LAB(packs_that_cannot_be_counted_are_kept),
		WITH_LAB(packs_without_a_live_record_go),
		WITH_LAB(killed_at_any_moment_keeps_what_was_acknowledged_once),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
