/* Whatever fails, nothing is half done: each act is run with its first, second, third... call of a
 * kind failing, once and from then on, until it ends without meeting the failure. A failed act says
 * why, keeps no descriptor, and leaves the old state or the new one; sanitizers see to the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "elf/file.h"
#include "folder.h"
#include "inject.h"
#include "open_here.h"
#include "snapshot/document.h"
#include "spool/spool.h"
#include "target/core.h"

#define UUID "3d22c19c-09c0-4000-8000-000000000001"

struct lab {
	char folder[FOLDER_MAX], path[128], archive[128];
	struct csn_spool spool;
	struct csn_buf text; /* what an act reads or makes */
	struct csn_snapshot *snapshot;
};

static int lab_open(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	lab->text = (struct csn_buf)CSN_BUF_INIT(64 * CSN_MIB);
	lab->spool = (struct csn_spool)CSN_SPOOL_INIT;
	assert_true(folder_make(lab->folder));
	snprintf(lab->path, sizeof(lab->path), "%s/file", lab->folder);
	snprintf(lab->archive, sizeof(lab->archive), "%s/archive", lab->folder);
	*state = lab;
	return 0;
}

static int lab_close(void **state)
{
	struct lab *lab = *state;

	csn_spool_close(&lab->spool);
	csn_buf_done(&lab->text);
	csn_snapshot_free(lab->snapshot);
	folder_remove(lab->folder);
	free(lab);
	return 0;
}

/* ---- files ---- */

static void put(const char *path, const char *text)
{
	struct csn_error err;

	assert_int_equal(csn_write_file(AT_FDCWD, path, text, strlen(text), 0600, &err), 0);
}

static void put_old(struct lab *lab)
{
	put(lab->path, "old");
}

static void expect_text(const char *path, const char *old, const char *new, bool done)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_KIB);
	struct csn_error err;

	assert_int_equal(csn_read_file(AT_FDCWD, path, &text, &err), 0);
	if (done || strcmp(csn_buf_text(&text), old) != 0)
		assert_string_equal(csn_buf_text(&text), new);
}

static int write_new(struct lab *lab, struct csn_error *err)
{
	return csn_write_file(AT_FDCWD, lab->path, "new text", 8, 0600, err);
}

static void old_or_new(struct lab *lab, bool done)
{
	expect_text(lab->path, "old", "new text", done);
}

static void a_written_file_is_the_old_one_or_the_new_one(void **state)
{
	const struct inject_act act = { put_old, write_new, old_or_new,
					INJECT_MEETS(MEMORY) | INJECT_MEETS(WRITE) |
						INJECT_MEETS(SHORT) | INJECT_MEETS(SYNC) |
						INJECT_MEETS(NAME) | INJECT_MEETS(OPEN) };

	inject_everything(*state, &act);
	inject_no_tmpfile = true;
	inject_everything(*state, &act);
	inject_no_tmpfile = false;
}

static int read_back(struct lab *lab, struct csn_error *err)
{
	csn_buf_done(&lab->text);
	return csn_read_file(AT_FDCWD, lab->path, &lab->text, err);
}

static void is_whole(struct lab *lab, bool done)
{
	if (done)
		assert_string_equal(csn_buf_text(&lab->text), "old");
}

static void a_read_file_is_whole_or_an_error(void **state)
{
	inject_everything(*state, &(struct inject_act){ put_old, read_back, is_whole,
							INJECT_MEETS(MEMORY) | INJECT_MEETS(OPEN) |
								INJECT_MEETS(READ) });
}

static int load_json(struct lab *lab, struct csn_error *err)
{
	static const char text[] = "{\"a\":[1,2,{\"b\":\"c\"}],\"d\":null}";
	cleanup_json json_t *json = NULL;

	(void)lab;
	return csn_json_load(text, strlen(text), &json, err);
}

static void is_nothing(struct lab *lab, bool done)
{
	(void)lab;
	(void)done;
}

static void json_without_memory_is_not_called_broken(void **state)
{
	inject_everything(*state, &(struct inject_act){ NULL, load_json, is_nothing,
							INJECT_MEETS(MEMORY) });
}

static void json_that_is_broken_is_called_so(void **state)
{
	static const char *const texts[] = {
		"",         "{",    "[1,]",     "{\"a\":1,\"a\":2}", "\"\\ud800\"",
		"\"\x01\"", "[01]", "\"\xff\"", "\"\\u0000\"",       "1e999",
		"nulls",    "{} {}"
	};
	struct csn_error err;
	json_t *json;

	(void)state;
	for (size_t i = 0; i < csn_countof(texts); i++)
		if (csn_json_load(texts[i], strlen(texts[i]), &json, &err) != -CSN_E_FORMAT)
			fail_msg("%s: %d", texts[i], (int)err.code);
}

/* ---- spool ---- */

static void put_core(struct lab *lab)
{
	char path[256];
	struct csn_error err;

	if (lab->spool.dir_fd < 0) {
		assert_int_equal(csn_spool_make(lab->archive, getuid(), getgid(), &err), 0);
		assert_int_equal(csn_spool_open(lab->archive, &lab->spool, &err), 0);
	}
	assert_int_equal(csn_spool_remove(&lab->spool, CSN_STAGE_KEPT, UUID, &err), 0);
	put(csn_spool_path(&lab->spool, "pending", UUID, path, sizeof(path)), "core");
}

static int open_spool(struct lab *lab, struct csn_error *err)
{
	struct csn_spool spool = CSN_SPOOL_INIT;
	int rc = csn_spool_make(lab->archive, getuid(), getgid(), err);

	if (rc == 0)
		rc = csn_spool_open(lab->archive, &spool, err);
	csn_spool_close(&spool);
	return rc;
}

static void core_is_there(struct lab *lab, bool done)
{
	(void)done;
	assert_true(csn_spool_has(&lab->spool, CSN_STAGE_PENDING, UUID));
}

static int list_spool(struct lab *lab, struct csn_error *err)
{
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	int rc = csn_spool_list(&lab->spool, CSN_STAGE_PENDING, &list, err);

	if (rc == 0)
		assert_int_equal(list.count, 1);
	return rc;
}

static int lock_core(struct lab *lab, struct csn_error *err)
{
	cleanup_close int fd = -1;

	return csn_spool_lock(&lab->spool, CSN_STAGE_PENDING, UUID, &fd, err);
}

static void a_spool_is_opened_listed_and_locked_or_said_why_not(void **state)
{
	inject_everything(*state, &(struct inject_act){ put_core, open_spool, core_is_there,
							INJECT_MEETS(OPEN) | INJECT_MEETS(READ) |
								INJECT_MEETS(NAME) });
	inject_everything(*state,
			  &(struct inject_act){ put_core, list_spool, core_is_there,
						INJECT_MEETS(MEMORY) | INJECT_MEETS(OPEN) });
	inject_everything(*state, &(struct inject_act){ put_core, lock_core, core_is_there,
							INJECT_MEETS(OPEN) | INJECT_MEETS(READ) });
}

static int keep_core(struct lab *lab, struct csn_error *err)
{
	return csn_spool_move(&lab->spool, CSN_STAGE_PENDING, CSN_STAGE_KEPT, UUID, err);
}

static void core_is_kept(struct lab *lab, bool done)
{
	bool pending = csn_spool_has(&lab->spool, CSN_STAGE_PENDING, UUID);
	bool kept = csn_spool_has(&lab->spool, CSN_STAGE_KEPT, UUID);

	assert_true(pending != kept);
	assert_true(kept || !done);
}

static int remove_core(struct lab *lab, struct csn_error *err)
{
	return csn_spool_remove(&lab->spool, CSN_STAGE_PENDING, UUID, err);
}

static void core_is_gone(struct lab *lab, bool done)
{
	assert_true(!done || !csn_spool_has(&lab->spool, CSN_STAGE_PENDING, UUID));
}

static void a_core_is_never_in_two_stages_or_none(void **state)
{
	const unsigned kinds = INJECT_MEETS(NAME) | INJECT_MEETS(SYNC);

	inject_everything(*state, &(struct inject_act){ put_core, keep_core, core_is_kept, kinds });
	inject_everything(*state,
			  &(struct inject_act){ put_core, remove_core, core_is_gone, kinds });
}

static void put_assets(struct lab *lab)
{
	cleanup_close int fd = -1;
	struct csn_error err;

	put_core(lab);
	assert_int_equal(csn_spool_make_assets(&lab->spool, UUID, &fd, &err), 0);
	assert_int_equal(csn_write_file(fd, "0011", "x", 1, 0600, &err), 0);
}

static int remove_assets(struct lab *lab, struct csn_error *err)
{
	return csn_spool_remove_assets(&lab->spool, UUID, err);
}

static void assets_are_gone(struct lab *lab, bool done)
{
	assert_true(!done || !csn_spool_has_assets(&lab->spool, UUID));
}

static void assets_are_removed_or_said_why_not(void **state)
{
	inject_everything(*state, &(struct inject_act){ put_assets, remove_assets, assets_are_gone,
							INJECT_MEETS(NAME) | INJECT_MEETS(OPEN) });
}

static void put_policy(struct lab *lab)
{
	struct csn_policy policy;
	struct csn_error err;

	csn_policy_init(&policy, "");
	policy.uid = getuid();
	assert_int_equal(csn_policy_write(lab->path, &policy, &err), 0);
}

static int change_policy(struct lab *lab, struct csn_error *err)
{
	struct csn_policy policy;

	csn_policy_init(&policy, "");
	policy.uid = getuid();
	policy.budget_bytes = 7 * CSN_MIB;
	return csn_policy_write(lab->path, &policy, err);
}

static void policy_is_whole(struct lab *lab, bool done)
{
	struct csn_policy policy;
	struct csn_error err;

	assert_int_equal(csn_policy_read(lab->path, &policy, &err), 0);
	if (done)
		assert_int_equal(policy.budget_bytes, 7 * CSN_MIB);
}

static int read_policy(struct lab *lab, struct csn_error *err)
{
	struct csn_policy policy;

	return csn_policy_read(lab->path, &policy, err);
}

static void a_policy_is_always_whole(void **state)
{
	inject_everything(*state, &(struct inject_act){ put_policy, change_policy, policy_is_whole,
							INJECT_MEETS(WRITE) | INJECT_MEETS(SHORT) |
								INJECT_MEETS(SYNC) });
	inject_everything(*state, &(struct inject_act){ put_policy, read_policy, is_nothing,
							INJECT_MEETS(OPEN) | INJECT_MEETS(READ) });
}

/* ---- snapshots ---- */

static void make_snapshot(struct lab *lab)
{
	char path[512];
	struct csn_error err;

	csn_buf_done(&lab->text);
	if (lab->snapshot)
		return;
	snprintf(path, sizeof(path), "%s/tests/golden/snapshot.json", getenv("CSN_SOURCE_ROOT"));
	assert_int_equal(csn_snapshot_read_file(path, &lab->snapshot, &err), 0);
	assert_true(lab->snapshot->n_threads > 0);
}

static int write_btt(struct lab *lab, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(64 * CSN_MIB);
	int rc = csn_snapshot_write_json(lab->snapshot, &json, err);

	if (rc == 0)
		rc = csn_btt_pack(json.data, json.size, &lab->text, err);
	return rc < 0 ? rc
		      : csn_write_file(AT_FDCWD, lab->path, lab->text.data, lab->text.size, 0600,
				       err);
}

static void same_threads(const struct csn_snapshot *one, const struct csn_snapshot *two)
{
	assert_int_equal(one->n_threads, two->n_threads);
	assert_int_equal(one->n_modules, two->n_modules);
	assert_int_equal(one->n_attributes, two->n_attributes);
	assert_int_equal(one->threads[0].n_frames, two->threads[0].n_frames);
	for (size_t i = 0; i < one->n_attributes; i++)
		assert_string_equal(one->attributes[i].name, two->attributes[i].name);
}

static void btt_is_whole(struct lab *lab, bool done)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *back = NULL;
	struct csn_error err;

	if (!done)
		return;
	assert_int_equal(csn_snapshot_read_file(lab->path, &back, &err), 0);
	same_threads(lab->snapshot, back);
}

static void a_snapshot_is_written_whole_or_not_at_all(void **state)
{
	inject_everything(*state, &(struct inject_act){ make_snapshot, write_btt, btt_is_whole,
							INJECT_MEETS(MEMORY) | INJECT_MEETS(WRITE) |
								INJECT_MEETS(SYNC) });
}

static void put_btt(struct lab *lab)
{
	struct csn_error err;

	make_snapshot(lab);
	if (access(lab->path, F_OK) != 0)
		assert_int_equal(write_btt(lab, &err), 0);
}

static int read_btt(struct lab *lab, struct csn_error *err)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *back = NULL;
	int rc = csn_snapshot_read_file(lab->path, &back, err);

	if (rc == 0)
		same_threads(lab->snapshot, back);
	return rc;
}

static void a_snapshot_is_read_whole_or_not_at_all(void **state)
{
	inject_everything(*state, &(struct inject_act){ put_btt, read_btt, is_nothing,
							INJECT_MEETS(MEMORY) | INJECT_MEETS(OPEN) |
								INJECT_MEETS(READ) });
}

/* ---- cores and objects ---- */

static int open_core(struct lab *lab, struct csn_error *err)
{
	cleanup_(csn_target_freep) struct csn_target *target = NULL;
	char path[512];
	int rc;

	(void)lab;
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/core/nullderef",
		 getenv("CSN_SOURCE_ROOT"));
	rc = csn_core_open(path, &target, err);
	if (rc == 0)
		assert_true(target->n_threads == 1 && target->n_mappings > 0);
	return rc;
}

static int open_elf(struct lab *lab, struct csn_error *err)
{
	cleanup_(csn_elf_file_freep) struct csn_elf_file *file = NULL;
	struct csn_elf_section section;
	struct csn_span bytes;
	char path[512];
	int rc;

	(void)lab;
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/elf/sections",
		 getenv("CSN_SOURCE_ROOT"));
	rc = open_here(path, &file, err);
	for (uint32_t i = 0; rc == 0 && csn_elf_file_section(file, i, &section); i++)
		if (section.type != SHT_NOBITS && section.size)
			rc = csn_elf_file_section_read(file, &section, &bytes, err);
	return rc;
}

static void cores_and_objects_open_whole_or_not_at_all(void **state)
{
	const unsigned kinds = INJECT_MEETS(MEMORY) | INJECT_MEETS(OPEN) | INJECT_MEETS(READ);

	inject_everything(*state, &(struct inject_act){ NULL, open_core, is_nothing, kinds });
	inject_everything(*state, &(struct inject_act){ NULL, open_elf, is_nothing, kinds });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define LAB(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close)
		LAB(a_written_file_is_the_old_one_or_the_new_one),
		LAB(a_read_file_is_whole_or_an_error),
		LAB(json_without_memory_is_not_called_broken),
		cmocka_unit_test(json_that_is_broken_is_called_so),
		LAB(a_spool_is_opened_listed_and_locked_or_said_why_not),
		LAB(a_core_is_never_in_two_stages_or_none),
		LAB(assets_are_removed_or_said_why_not),
		LAB(a_policy_is_always_whole),
		LAB(a_snapshot_is_written_whole_or_not_at_all),
		LAB(a_snapshot_is_read_whole_or_not_at_all),
		LAB(cores_and_objects_open_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
