/* /proc of a live process into the members of the CORESNAP note that attributes are made of. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "analyze/facts_internal.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "target/proc.h"
#include "target/proc_json.h"

static void csn_read_text(struct csn_buf *buf, int64_t pid, const char *file)
{
	csn_buf_clear(buf);
	if (pid >= 0 ? csn_proc_read(pid, file, buf, NULL) < 0
		     : csn_read_file(AT_FDCWD, file, buf, NULL) < 0)
		csn_buf_clear(buf);
}

static void csn_facts_descriptors(json_t *facts, int64_t pid)
{
	char path[64];
	json_int_t count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%lld/fd", (long long)pid);
	dir = opendir(path);
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	json_object_set_new(facts, "fd_count", json_integer(count));
}

static void csn_facts_machine(json_t *facts)
{
	struct utsname name;
	json_t *object = json_object();

	if (uname(&name) == 0) {
		json_object_set_new(object, "sysname", json_string(name.sysname));
		json_object_set_new(object, "release", json_string(name.release));
		json_object_set_new(object, "version", json_string(name.version));
		json_object_set_new(object, "machine", json_string(name.machine));
		json_object_set_new(facts, "hostname", json_string(name.nodename));
	}
	json_object_set_new(facts, "uname", object);
}

/* Arguments, each ended by NUL. */
static json_t *csn_facts_words(const struct csn_buf *text)
{
	json_t *words = json_array();
	size_t at = 0;

	while (at < text->size) {
		size_t length = strnlen(text->data + at, text->size - at);

		/* Bytes that are not UTF-8 make NULL, which is left out. */
		json_array_append_new(words, json_stringn(text->data + at, length));
		at += length + 1;
	}
	return words;
}

static void csn_facts_link(json_t *facts, int64_t pid, const char *file, const char *name)
{
	static const char deleted[] = " (deleted)";
	char path[64], target[CSN_MAX_PATH];
	size_t tail = sizeof(deleted) - 1;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%lld/%s", (long long)pid, file);
	length = readlink(path, target, sizeof(target));
	if (length <= 0 || (size_t)length >= sizeof(target))
		return;
	if ((size_t)length > tail && memcmp(target + length - tail, deleted, tail) == 0)
		length -= (ssize_t)tail;
	json_object_set_new(facts, name, json_stringn(target, (size_t)length));
}

static json_t *csn_facts_numbers(int64_t pid, struct csn_buf *text)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_CORESNAP_NOTE);
	struct csn_json json = csn_json_to(&out);
	struct timespec now = { 0 };
	int64_t start, ticks = sysconf(_SC_CLK_TCK);
	json_t *facts = NULL;

	csn_json_begin_object(&json);
	csn_read_text(text, pid, "limits");
	csn_proc_put_limits(&json, csn_buf_text(text));
	csn_read_text(text, pid, "status");
	csn_proc_put_lines(&json, "status", csn_buf_text(text), false);
	csn_read_text(text, pid, "stat");
	csn_proc_put_stat(&json, csn_buf_text(text));
	if (ticks > 0 && clock_gettime(CLOCK_BOOTTIME, &now) == 0 &&
	    csn_proc_stat_field(csn_buf_text(text), 22, &start))
		csn_json_member_int(&json, "age_ms",
				    (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 -
					    start * 1000 / ticks);
	csn_read_text(text, -1, "/proc/meminfo");
	csn_proc_put_lines(&json, "meminfo", csn_buf_text(text), true);
	csn_proc_put_machine(&json);
	csn_json_end_object(&json);
	if (!csn_buf_ok(&out) || csn_json_load(csn_buf_text(&out), out.size, &facts, NULL) < 0)
		return NULL;
	return facts;
}

/* Pairs of the number that a thread has in its own pid namespace and ours, where they differ. */
static void csn_facts_tids(json_t *facts, int64_t pid, struct csn_buf *text)
{
	cleanup_free int64_t *tids = NULL;
	size_t n = 0;
	char path[64];
	json_t *pairs;

	csn_read_text(text, pid, "status");
	if (csn_proc_status_own_pid(csn_buf_text(text)) == pid ||
	    csn_proc_list_threads(pid, &tids, &n, NULL) < 0)
		return;
	pairs = json_array();
	for (size_t i = 0; i < n; i++) {
		int64_t own;

		snprintf(path, sizeof(path), "task/%lld/status", (long long)tids[i]);
		csn_read_text(text, pid, path);
		own = csn_proc_status_own_pid(csn_buf_text(text));
		if (own > 0)
			json_array_append_new(pairs, json_pack("[I,I]", (json_int_t)own,
							       (json_int_t)tids[i]));
	}
	json_object_set_new(facts, "tids", pairs);
}

json_t *csn_facts_from_proc(int64_t pid)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_PROC_FILE);
	json_t *facts = csn_facts_numbers(pid, &text);

	if (!facts)
		return NULL;
	json_object_set_new(facts, "pid", json_integer(pid));
	json_object_set_new(facts, "dumpable", json_integer(1));
	csn_facts_machine(facts);
	csn_read_text(&text, pid, "cmdline");
	json_object_set_new(facts, "cmdline", csn_facts_words(&text));
	csn_facts_link(facts, pid, "exe", "exe");
	csn_facts_link(facts, pid, "cwd", "cwd");
	csn_facts_descriptors(facts, pid);
	csn_facts_tids(facts, pid, &text);
	return facts;
}
