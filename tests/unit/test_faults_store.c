/* The object store when its allocations, writes and syncs fail (inject.h). SQLite's own calls are
 * not ours to fail; the black-box tests fill its disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "folder.h"
#include "inject.h"
#include "store/store.h"

struct lab {
	char folder[FOLDER_MAX];
	struct csn_store *store;
	struct csn_buf text;
	uint64_t n_objects;
};

static int lab_open(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	lab->text = (struct csn_buf)CSN_BUF_INIT(CSN_MIB);
	assert_true(folder_make(lab->folder));
	*state = lab;
	return 0;
}

static int lab_close(void **state)
{
	struct lab *lab = *state;

	csn_store_close(lab->store);
	csn_buf_done(&lab->text);
	folder_remove(lab->folder);
	free(lab);
	return 0;
}

static void open_store(struct lab *lab)
{
	struct csn_error err;

	if (!lab->store)
		assert_int_equal(csn_store_open(lab->folder, &lab->store, &err), 0);
}

static struct csn_submission *new_object(size_t size_bytes)
{
	struct csn_submission *made = csn_submission_new(CSN_MIB + size_bytes);

	if (!made)
		return NULL;
	made->project = 1;
	made->format = "json";
	memset(made->fingerprint, 'a', CSN_SHA256_TEXT - 1);
	made->object = (struct csn_submission_file){ "", "application/json",
						     csn_arena_alloc(made->arena, size_bytes),
						     size_bytes };
	if (!made->object.data)
		csn_submission_free(csn_take(made));
	return made;
}

static int submit(struct lab *lab, size_t size_bytes, struct csn_error *err)
{
	struct csn_submission *made = new_object(size_bytes);
	struct csn_receipt receipt;

	if (!made)
		return csn_fail_nomem(err);
	return csn_objects_submit_wait(lab->store, made, &receipt, err);
}

static int submit_small(struct lab *lab, struct csn_error *err)
{
	return submit(lab, 1000, err);
}

static int submit_large(struct lab *lab, struct csn_error *err)
{
	return submit(lab, 400000, err);
}

static void count_is(struct lab *lab, uint64_t count)
{
	cleanup_(csn_reader_closep) struct csn_reader *reader = NULL;
	struct csn_error err;
	uint64_t found;

	assert_int_equal(csn_reader_open(lab->store, 1, &reader, &err), 0);
	assert_int_equal(csn_reader_count(reader, &found, &err), 0);
	assert_int_equal(found, count);
}

/* What failed left nothing, and the next one is taken. */
static void object_counts(struct lab *lab, bool done)
{
	struct csn_error err;

	count_is(lab, lab->n_objects + done);
	if (!done)
		assert_int_equal(submit_small(lab, &err), 0);
	count_is(lab, ++lab->n_objects);
}

static void a_submission_is_stored_or_refused(void **state)
{
	struct lab *lab = *state;
	const unsigned kinds = INJECT_MEETS(MEMORY) | INJECT_MEETS(WRITE) | INJECT_MEETS(SYNC);

	inject_everything(lab,
			  &(struct inject_act){ open_store, submit_small, object_counts, kinds });
	inject_everything(lab,
			  &(struct inject_act){ open_store, submit_large, object_counts, kinds });
	csn_store_close(csn_take(lab->store));
	open_store(lab);
	count_is(lab, lab->n_objects);
}

static void put_object(struct lab *lab)
{
	struct csn_error err;

	open_store(lab);
	if (!lab->n_objects++)
		assert_int_equal(submit_small(lab, &err), 0);
}

static int read_object(struct lab *lab, struct csn_error *err)
{
	struct csn_object_file file;
	int rc;

	csn_buf_done(&lab->text);
	rc = csn_objects_read(lab->store, 1, 1, &lab->text, &file, err);
	if (rc == 0)
		assert_int_equal(lab->text.size, 1000);
	return rc;
}

static int reopen_store(struct lab *lab, struct csn_error *err)
{
	struct csn_store *store = NULL;
	int rc = csn_store_open(lab->folder, &store, err);

	csn_store_close(store);
	return rc;
}

static void put_and_close(struct lab *lab)
{
	put_object(lab);
	csn_store_close(csn_take(lab->store));
}

static void object_is_there(struct lab *lab, bool done)
{
	struct csn_error err;

	(void)done;
	open_store(lab);
	assert_int_equal(read_object(lab, &err), 0);
}

static void a_store_is_opened_and_read_whole_or_not_at_all(void **state)
{
	const unsigned kinds = INJECT_MEETS(MEMORY) | INJECT_MEETS(OPEN) | INJECT_MEETS(READ);

	inject_everything(*state,
			  &(struct inject_act){ put_object, read_object, object_is_there, kinds });
	inject_everything(*state, &(struct inject_act){ put_and_close, reopen_store,
							object_is_there, kinds });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_submission_is_stored_or_refused, lab_open,
						lab_close),
		cmocka_unit_test_setup_teardown(a_store_is_opened_and_read_whole_or_not_at_all,
						lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
