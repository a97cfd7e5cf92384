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
#include "base/limits.h"
#include "base/text.h"
#include "target/proc.h"

static void csn_read_text(struct csn_buf *buf, int64_t pid, const char *file)
{
	csn_buf_clear(buf);
	if (pid >= 0 ? csn_proc_read(pid, file, buf, NULL) < 0
		     : csn_read_file(AT_FDCWD, file, buf, NULL) < 0)
		csn_buf_clear(buf);
}

/* "Name:   123 kB" lines: numbers as integers, one-word texts as strings. */
static json_t *csn_colon_lines(const char *text)
{
	json_t *object = json_object();

	for (const char *line = text, *end; line && *line; line = *end ? end + 1 : end) {
		const char *colon = strchr(line, ':'), *value;
		char name[64], word[64];
		size_t length;
		uint64_t number;

		end = strchrnul(line, '\n');
		if (!colon || colon > end || (size_t)(colon - line) >= sizeof(name))
			continue;
		value = colon + 1 + strspn(colon + 1, " \t");
		length = strcspn(value, " \t\n");
		if (!length || length >= sizeof(word))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(colon - line), line);
		snprintf(word, sizeof(word), "%.*s", (int)length, value);
		if (csn_parse_u64(word, 10, &number) && number <= INT64_MAX)
			json_object_set_new(object, name, json_integer((json_int_t)number));
		else
			json_object_set_new(object, name, json_string(word));
	}
	return object;
}

static void csn_facts_stat(json_t *facts, const char *text)
{
	static const struct {
		const char *name;
		int field; /* as proc(5) counts, 3 is the state */
	} fields[] = { { "ppid", 4 },       { "pgrp", 5 },      { "session", 6 },
		       { "minflt", 10 },    { "majflt", 12 },   { "utime", 14 },
		       { "stime", 15 },     { "priority", 18 }, { "nice", 19 },
		       { "starttime", 22 }, { "processor", 39 } };
	const char *at = strrchr(text, ')');
	json_t *stat = json_object();
	struct timespec now = { 0 };
	uint64_t start, ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	int number = 3;

	for (at = at ? at + 1 : ""; *at; number++) {
		char *end;
		long long value;

		at += strspn(at, " ");
		value = strtoll(at, &end, 10);
		for (size_t i = 0; i < csn_countof(fields); i++)
			if (fields[i].field == number)
				json_object_set_new(stat, fields[i].name, json_integer(value));
		at += strcspn(at, " ");
	}
	json_object_set_new(facts, "stat", stat);
	clock_gettime(CLOCK_BOOTTIME, &now);
	if (ticks && csn_facts_number(facts, "stat.starttime", &start))
		json_object_set_new(facts, "age_ms",
				    json_integer((json_int_t)now.tv_sec * 1000 +
						 now.tv_nsec / 1000000 -
						 (json_int_t)(start * 1000 / ticks)));
}

/* The sum line and the single lines of /proc/stat. */
static void csn_facts_cpu(json_t *facts, const char *text)
{
	static const char *const names[] = { "user", "nice",    "system", "idle",  "iowait",
					     "irq",  "softirq", "steal",  "guest", "guest_nice" };
	json_t *cpu = json_object(), *machine = json_object();
	json_int_t count = 0;

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		size_t length;

		line += *line == '\n';
		length = strcspn(line, " \n");
		if (strncmp(line, "cpu ", 4) == 0) {
			const char *at = line + 4;
			char *end;

			for (size_t i = 0; i < csn_countof(names); i++, at = end)
				json_object_set_new(cpu, names[i],
						    json_integer(strtoll(at, &end, 10)));
		} else if (strncmp(line, "cpu", 3) == 0) {
			count++;
		} else if (length && length < 32 && line[length] == ' ') {
			char name[32];

			/* Of "intr" and "softirq" only the sum, which comes first. */
			snprintf(name, sizeof(name), "%.*s", (int)length, line);
			json_object_set_new(machine, name,
					    json_integer(strtoll(line + length, NULL, 10)));
		}
	}
	json_object_set_new(cpu, "count", json_integer(count));
	json_object_set_new(facts, "cpu", cpu);
	json_object_set_new(facts, "system", machine);
}

/* "Max open files            1024                 4096                 files" */
static json_t *csn_facts_limits(const char *text)
{
	json_t *limits = json_object();

	for (const char *line = strchr(text, '\n'); line && line[1];
	     line = strchr(line + 1, '\n')) {
		char name[26];
		const char *at = line + 1;
		json_t *pair;

		if (strnlen(at, 26) < 26)
			break;
		snprintf(name, sizeof(name), "%s", at);
		for (size_t i = strlen(name); i && name[i - 1] == ' '; i--)
			name[i - 1] = '\0';
		at += 25;
		pair = json_array();
		for (int i = 0; i < 2; i++) {
			char *end;
			long long value;

			at += strspn(at, " ");
			value = strtoll(at, &end, 10);
			json_array_append_new(pair, end == at ? json_null() : json_integer(value));
			at += strcspn(at, " \n");
		}
		json_object_set_new(limits, name, pair);
	}
	return limits;
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

static void csn_facts_process(json_t *facts, int64_t pid, struct csn_buf *text)
{
	csn_read_text(text, pid, "status");
	json_object_set_new(facts, "status", csn_colon_lines(csn_buf_text(text)));
	csn_read_text(text, pid, "stat");
	csn_facts_stat(facts, csn_buf_text(text));
	csn_read_text(text, pid, "limits");
	json_object_set_new(facts, "limits", csn_facts_limits(csn_buf_text(text)));
	csn_read_text(text, pid, "cmdline");
	json_object_set_new(facts, "cmdline", csn_facts_words(text));
	csn_facts_link(facts, pid, "exe", "exe");
	csn_facts_link(facts, pid, "cwd", "cwd");
	csn_facts_descriptors(facts, pid);
}

json_t *csn_facts_from_proc(int64_t pid)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_PROC_FILE);
	json_t *facts = json_object();

	if (!facts)
		return NULL;
	json_object_set_new(facts, "pid", json_integer(pid));
	json_object_set_new(facts, "dumpable", json_integer(1));
	csn_facts_machine(facts);
	csn_facts_process(facts, pid, &text);
	csn_read_text(&text, -1, "/proc/meminfo");
	json_object_set_new(facts, "meminfo", csn_colon_lines(csn_buf_text(&text)));
	csn_read_text(&text, -1, "/proc/stat");
	csn_facts_cpu(facts, csn_buf_text(&text));
	return facts;
}
