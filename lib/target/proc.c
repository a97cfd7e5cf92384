#include "target/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"

int csn_proc_read(int64_t pid, const char *file, struct csn_buf *out, struct csn_error *err)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%lld/%s", (long long)pid, file);
	return csn_read_file(AT_FDCWD, path, out, err);
}

/* "55d0-55e0 r-xp 0001 08:01 123    /path" */
static bool csn_parse_map_line(struct csn_arena *arena, const char *line, size_t length,
			       struct csn_mapping *ret_mapping)
{
	static const char deleted[] = " (deleted)";
	struct csn_mapping mapping = { .perms_known = true };
	unsigned long long start, end, offset, inode;
	char perms[5], text[128];
	size_t tail = sizeof(deleted) - 1;
	int at = 0;

	snprintf(text, sizeof(text), "%.*s", (int)csn_min_u64(length, sizeof(text) - 1), line);
	if (sscanf(text, "%llx-%llx %4s %llx %*s %llu %n", &start, &end, perms, &offset, &inode,
		   &at) < 5)
		return false;
	mapping.start = start;
	mapping.end = end;
	mapping.offset = offset;
	mapping.readable = perms[0] == 'r';
	mapping.writable = perms[1] == 'w';
	mapping.executable = perms[2] == 'x';
	mapping.shared = perms[3] == 's';
	if (at > 0 && (size_t)at < length) {
		size_t size = length - (size_t)at;

		if (size > tail && memcmp(line + length - tail, deleted, tail) == 0) {
			mapping.deleted = true;
			size -= tail;
		}
		mapping.path = csn_arena_strndup(arena, line + at, size);
		mapping.is_file = mapping.path && mapping.path[0] == '/' && inode != 0 &&
				  strncmp(mapping.path, "/dev/zero", 9) != 0 &&
				  strncmp(mapping.path, "/memfd:", 7) != 0 &&
				  strncmp(mapping.path, "/SYSV", 5) != 0;
	}
	*ret_mapping = mapping;
	return start < end;
}

int csn_proc_parse_maps(struct csn_target *target, const char *text, struct csn_error *err)
{
	struct csn_mapping *mappings = NULL;
	size_t count = 0, capacity = 0;

	for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
		struct csn_mapping mapping;

		end = strchrnul(line, '\n');
		if (!csn_parse_map_line(target->arena, line, (size_t)(end - line), &mapping))
			continue;
		/* The list is read in pieces while the process runs: keep it sorted. */
		if (count && mapping.start < mappings[count - 1].end)
			continue;
		mappings = csn_arena_grow(target->arena, mappings, count, &capacity,
					  sizeof(*mappings));
		if (!mappings)
			return csn_fail_nomem(err);
		mappings[count++] = mapping;
	}
	target->mappings = mappings;
	target->n_mappings = count;
	target->last_mapping = NULL;
	return 0;
}

int64_t csn_proc_status_number(const char *text, const char *name, int64_t fallback)
{
	size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			return strtoll(line + length + 1, NULL, 10);
	}
	return fallback;
}

int csn_proc_list_threads(int64_t pid, int64_t **ret_tids, size_t *ret_count, struct csn_error *err)
{
	cleanup_free int64_t *tids = NULL;
	cleanup_closedir DIR *dir = NULL;
	size_t count = 0, capacity = 0;
	struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%lld/task", (long long)pid);
	dir = opendir(path);
	if (!dir)
		return csn_fail_os(err, errno, "%s", path);
	while ((entry = readdir(dir))) {
		uint64_t tid;

		if (!csn_parse_u64(entry->d_name, 10, &tid))
			continue;
		if (count == capacity) {
			int64_t *grown;

			if (count >= CSN_MAX_THREADS)
				break;
			capacity = capacity ? capacity * 2 : 64;
			grown = reallocarray(tids, capacity, sizeof(*tids));
			if (!grown)
				return csn_fail_nomem(err);
			tids = grown;
		}
		tids[count++] = (int64_t)tid;
	}
	*ret_tids = csn_take(tids);
	*ret_count = count;
	return 0;
}

char csn_proc_task_state(int64_t pid, int64_t tid)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(4096);
	char file[64];
	const char *close;

	snprintf(file, sizeof(file), "task/%lld/stat", (long long)tid);
	if (csn_proc_read(pid, file, &text, NULL) < 0)
		return 0;
	/* "pid (comm) S ...", and comm may hold anything. */
	close = strrchr(csn_buf_text(&text), ')');
	return close && close[1] == ' ' ? close[2] : 0;
}
