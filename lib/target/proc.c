#include "target/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"

/* In the flags of /proc/PID/stat, which nobody may see in a header. */
#define PF_KTHREAD 0x00200000

int csn_proc_read(int64_t pid, const char *file, struct csn_buf *out, struct csn_error *err)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%lld/%s", (long long)pid, file);
	return csn_read_file(AT_FDCWD, path, out, err);
}

/* The path column: what follows, with " (deleted)" cut off. */
static void csn_mapping_set_path(struct csn_arena *arena, struct csn_mapping *mapping,
				 const char *path, size_t size, bool has_inode)
{
	static const char deleted[] = " (deleted)";
	size_t tail = sizeof(deleted) - 1;

	if (size > tail && memcmp(path + size - tail, deleted, tail) == 0) {
		mapping->deleted = true;
		size -= tail;
	}
	mapping->path = csn_arena_strndup(arena, path, size);
	mapping->is_file = mapping->path && mapping->path[0] == '/' && has_inode &&
			   strncmp(mapping->path, "/dev/zero", 9) != 0 &&
			   strncmp(mapping->path, "/memfd:", 7) != 0 &&
			   strncmp(mapping->path, "/SYSV", 5) != 0;
}

/* "55d0-55e0 r-xp 0001 08:01 123    /path": the kernel wrote it, so only its shape is checked. */
static bool csn_parse_map_line(struct csn_arena *arena, const char *line, const char *end,
			       struct csn_mapping *ret_mapping)
{
	struct csn_mapping mapping = { .perms_known = true };
	const char *perms;
	char *at;
	bool has_inode;

	mapping.start = strtoull(line, &at, 16);
	if (*at != '-')
		return false;
	mapping.end = strtoull(at + 1, &at, 16);
	if (*at != ' ' || end - at < 6)
		return false;
	perms = at + 1;
	mapping.readable = perms[0] == 'r';
	mapping.writable = perms[1] == 'w';
	mapping.executable = perms[2] == 'x';
	mapping.shared = perms[3] == 's';
	mapping.offset = strtoull(perms + 4, &at, 16);
	at += strspn(at, " ");
	at += strcspn(at, " \n");
	has_inode = strtoull(at, &at, 10) != 0;
	at += strspn(at, " ");
	if (at < end)
		csn_mapping_set_path(arena, &mapping, at, (size_t)(end - at), has_inode);
	*ret_mapping = mapping;
	return mapping.start < mapping.end;
}

int csn_proc_parse_maps(struct csn_target *target, const char *text, struct csn_error *err)
{
	struct csn_mapping *mappings = NULL;
	size_t count = 0, capacity = 0;

	for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
		struct csn_mapping mapping;

		end = strchrnul(line, '\n');
		if (!csn_parse_map_line(target->arena, line, end, &mapping))
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

int64_t csn_proc_status_own_pid(const char *text)
{
	const char *line = strstr(text, "\nNSpid:");
	int64_t number = 0;
	char *end;

	for (const char *at = line ? line + 7 : NULL; at && *at && *at != '\n'; at = end) {
		int64_t next = strtoll(at, &end, 10);

		if (end == at || next <= 0)
			break;
		number = next;
		end += strspn(end, " \t");
	}
	return number;
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

bool csn_proc_is_kernel_thread(int64_t pid)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(4096);
	const char *at;

	if (csn_proc_read(pid, "stat", &text, NULL) < 0)
		return false;
	/* ") S parent group session terminal its-group flags ..." */
	at = strrchr(csn_buf_text(&text), ')');
	for (int blanks = 0; at && blanks < 7; blanks++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	return at && (strtoull(at, NULL, 10) & PF_KTHREAD);
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
