#include "capture/texts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"

enum source { FROM_FILE, FROM_LINK, FROM_LEADER, FROM_SYSTEM };

static const struct {
	const char *name;
	enum source source;
	size_t max_bytes;
} sources[CSN_N_TEXTS] = {
	[CSN_TEXT_STATUS] = { "status", FROM_FILE, 64 * CSN_KIB },
	[CSN_TEXT_STAT] = { "stat", FROM_FILE, 4 * CSN_KIB },
	[CSN_TEXT_COMM] = { "comm", FROM_LEADER, 64 },
	[CSN_TEXT_THREAD_COMM] = { "comm", FROM_FILE, 64 },
	[CSN_TEXT_EXE] = { "exe", FROM_LINK, CSN_MAX_PATH },
	[CSN_TEXT_CMDLINE] = { "cmdline", FROM_FILE, 64 * CSN_KIB },
	[CSN_TEXT_CWD] = { "cwd", FROM_LINK, CSN_MAX_PATH },
	[CSN_TEXT_ROOT] = { "root", FROM_LINK, CSN_MAX_PATH },
	[CSN_TEXT_CGROUP] = { "cgroup", FROM_FILE, 64 * CSN_KIB },
	[CSN_TEXT_LIMITS] = { "limits", FROM_FILE, 8 * CSN_KIB },
	[CSN_TEXT_SCHED] = { "sched", FROM_FILE, 32 * CSN_KIB },
	[CSN_TEXT_SCHEDSTAT] = { "schedstat", FROM_FILE, 256 },
	[CSN_TEXT_IO] = { "io", FROM_FILE, CSN_KIB },
	[CSN_TEXT_OOM_SCORE] = { "oom_score", FROM_FILE, 64 },
	[CSN_TEXT_OOM_SCORE_ADJ] = { "oom_score_adj", FROM_FILE, 64 },
	[CSN_TEXT_ENVIRON] = { "environ", FROM_FILE, CSN_MAX_CAPTURE_TEXT },
	[CSN_TEXT_MEMINFO] = { "/proc/meminfo", FROM_SYSTEM, 32 * CSN_KIB },
	[CSN_TEXT_NS_PID] = { "ns/pid", FROM_LINK, 64 },
	[CSN_TEXT_NS_MNT] = { "ns/mnt", FROM_LINK, 64 },
	[CSN_TEXT_NS_NET] = { "ns/net", FROM_LINK, 64 },
	[CSN_TEXT_NS_USER] = { "ns/user", FROM_LINK, 64 },
	[CSN_TEXT_NS_UTS] = { "ns/uts", FROM_LINK, 64 },
	[CSN_TEXT_NS_IPC] = { "ns/ipc", FROM_LINK, 64 },
	[CSN_TEXT_NS_CGROUP] = { "ns/cgroup", FROM_LINK, 64 },
	[CSN_TEXT_MAPS] = { "maps", FROM_FILE, CSN_MAX_CAPTURE_TEXTS / 2 },
};

const char *csn_text_name(enum csn_text_id id)
{
	return sources[id].name;
}

/* Into the region, cut at max_bytes. */
static void read_text(struct csn_region *region, int dir_fd, const char *path, bool link,
		      size_t max_bytes, struct csn_text *text)
{
	cleanup_close int fd = -1;
	char *place;
	ssize_t n;

	*text = (struct csn_text){ 0 };
	place = csn_region_alloc(region, max_bytes + 1);
	if (!place) {
		text->truncated = true;
		return;
	}
	if (link) {
		n = readlinkat(dir_fd, path, place, max_bytes);
	} else {
		fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		n = fd < 0 ? -1 : csn_read_full(fd, place, max_bytes);
	}
	if (n < 0) {
		csn_region_trim(region, max_bytes + 1, 0);
		return;
	}
	place[n] = '\0';
	text->data = place;
	text->size = (size_t)n;
	text->truncated = (size_t)n == max_bytes;
	csn_region_trim(region, max_bytes + 1, (size_t)n + 1);
}

bool csn_text_line(const struct csn_text *text, const char *name, const char **ret_value,
		   size_t *ret_length)
{
	size_t length = strlen(name);
	const char *at = text->data, *end;

	for (; at && *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, '\n');
		if (strncmp(at, name, length) != 0 || at[length] != ':')
			continue;
		at += length + 1;
		at += strspn(at, " \t");
		*ret_value = at < end ? at : end;
		*ret_length = (size_t)(end - *ret_value);
		return true;
	}
	return false;
}

/* Linux 6.2 tells the number of open files as the folder's size; before, they are counted. */
static int64_t count_files(int proc_fd)
{
	cleanup_close int fd = openat(proc_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = NULL;
	struct stat status;
	int64_t n = 0;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -1;
	if (status.st_size > 0)
		return status.st_size;
	dir = fdopendir(fd);
	if (!dir)
		return -1;
	(void)csn_take_fd(fd);
	for (struct dirent *entry; n < 65536 && (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	return n;
}

/* The last number of a line "NSpid:\t4711\t12"; 0 when there is only one. */
static int64_t innermost_tid(const struct csn_text *status)
{
	const char *value, *last;
	size_t length;

	if (!csn_text_line(status, "NSpid", &value, &length))
		return 0;
	last = memrchr(value, '\t', length);
	return last ? strtoll(last, NULL, 10) : 0;
}

static void read_tids(int proc_fd, struct csn_region *region, struct csn_texts *texts)
{
	cleanup_close int fd = openat(proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const size_t max = 4096;
	struct csn_text status;
	uint64_t tid;
	char path[64];

	if (!dir)
		return;
	(void)csn_take_fd(fd);
	texts->tids = csn_region_alloc(region, max * sizeof(*texts->tids));
	if (!texts->tids)
		return;
	for (struct dirent *entry; texts->n_tids < max && (entry = readdir(dir));) {
		size_t used = region->used;

		if (!csn_parse_u64(entry->d_name, 10, &tid))
			continue;
		snprintf(path, sizeof(path), "task/%llu/status", (unsigned long long)tid);
		read_text(region, proc_fd, path, false, 4 * CSN_KIB, &status);
		if (status.data && innermost_tid(&status))
			texts->tids[texts->n_tids++] = (struct csn_tid_pair){
				.ns_tid = innermost_tid(&status),
				.tid = (int64_t)tid,
			};
		region->used = used;
	}
}

void csn_texts_read(const struct csn_victim *victim, const struct csn_request *request, bool maps,
		    bool trusted, struct csn_region *region, struct csn_texts *texts)
{
	char leader[64];
	unsigned id;

	snprintf(leader, sizeof(leader), "task/%lld/comm", (long long)request->pid);
	for (id = 0; id < CSN_N_TEXTS; id++) {
		const char *path = sources[id].source == FROM_LEADER ? leader : sources[id].name;

		if ((id == CSN_TEXT_MAPS && !maps) || (id == CSN_TEXT_ENVIRON && !trusted))
			continue;
		read_text(region, victim->proc_fd, path, sources[id].source == FROM_LINK,
			  sources[id].max_bytes, &texts->items[id]);
	}
	texts->fd_count = count_files(victim->proc_fd);
	if (innermost_tid(&texts->items[CSN_TEXT_STATUS]))
		read_tids(victim->proc_fd, region, texts);
}
