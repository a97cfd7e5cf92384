#include "capture/request.h"

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

struct field {
	const char *what;
	uint64_t max;
};

int csn_request_parse(size_t n_words, const char *const *words, struct csn_request *ret_request,
		      struct csn_error *err)
{
	static const struct field fields[CSN_REQUEST_WORDS + 1] = {
		{ "process id (%P)", INT32_MAX },  { "thread id (%I)", INT32_MAX },
		{ "signal (%s)", CSN_MAX_SIGNAL }, { "dumpable (%d)", 2 },
		{ "time (%t)", INT64_MAX / 2 },    { "user id (%u)", UINT32_MAX },
		{ "group id (%g)", UINT32_MAX },   { "pidfd (%F)", 1024 },
	};
	uint64_t values[CSN_REQUEST_WORDS + 1] = { 0 };
	size_t i;

	if (n_words == CSN_REQUEST_WORDS + 1 && !*words[CSN_REQUEST_WORDS])
		n_words = CSN_REQUEST_WORDS;
	if (n_words < CSN_REQUEST_WORDS || n_words > CSN_REQUEST_WORDS + 1)
		return csn_fail(err, CSN_E_USAGE, "%zu words instead of %d (%%P ... %%g) or %d",
				n_words, CSN_REQUEST_WORDS, CSN_REQUEST_WORDS + 1);
	for (i = 0; i < n_words; i++)
		if (!csn_parse_u64(words[i], 10, &values[i]) || values[i] > fields[i].max)
			return csn_fail(err, CSN_E_USAGE, "'%s' is no %s", words[i],
					fields[i].what);
	if (values[0] == 0 || values[1] == 0)
		return csn_fail(err, CSN_E_USAGE, "process and thread id cannot be 0");
	*ret_request = (struct csn_request){
		.pid = (int64_t)values[0],
		.tid = (int64_t)values[1],
		.signal = (int)values[2],
		.dumpable = (int)values[3],
		.time = (int64_t)values[4],
		.uid = (uint32_t)values[5],
		.gid = (uint32_t)values[6],
		.pidfd = n_words > CSN_REQUEST_WORDS ? (int)values[7] : -1,
	};
	return 0;
}

/* The number of a thread in the innermost of its pid namespaces, the last of "NSpid:"; 0 unknown.
 * The name of the thread stands before it, with its newlines escaped. */
static int64_t read_ns_tid(int tasks_fd, const char *name)
{
	char text[4096], path[48], *at, *last;
	cleanup_close int fd = -1;
	ssize_t n = -1;

	if ((size_t)snprintf(path, sizeof(path), "%s/status", name) < sizeof(path))
		fd = openat(tasks_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = csn_read_full(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "\nNSpid:\t");
	if (!at)
		return 0;
	at[1 + strcspn(at + 1, "\n")] = '\0';
	last = strrchr(at, '\t');
	return strtoll(last + 1, NULL, 10);
}

static int64_t search_thread(int tasks_fd, int64_t pid, int64_t ns_tid)
{
	cleanup_closedir DIR *tasks = fdopendir(dup(tasks_fd));
	const struct dirent *entry;
	size_t i;

	for (i = 0; tasks && i < CSN_MAX_THREADS && (entry = readdir(tasks)); i++)
		if (*entry->d_name != '.' && read_ns_tid(tasks_fd, entry->d_name) == ns_tid)
			return strtoll(entry->d_name, NULL, 10);
	return pid;
}

/* In our own pid namespace the numbers are ours. */
static bool shares_pid_namespace(int64_t pid)
{
	char path[48];
	struct stat ours, theirs;

	snprintf(path, sizeof(path), "/proc/%lld/ns/pid", (long long)pid);
	return stat(path, &theirs) == 0 && stat("/proc/self/ns/pid", &ours) == 0 &&
	       ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

/* In another one the crashed thread is often the leader. */
static int64_t find_thread(int64_t pid, int64_t ns_tid)
{
	cleanup_close int tasks_fd = -1;
	char path[48], leader[24];

	snprintf(path, sizeof(path), "/proc/%lld/task", (long long)pid);
	tasks_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tasks_fd < 0)
		return pid;
	snprintf(leader, sizeof(leader), "%lld", (long long)pid);
	return read_ns_tid(tasks_fd, leader) == ns_tid ? pid : search_thread(tasks_fd, pid, ns_tid);
}

void csn_request_complete(struct csn_request *request, int signal, int64_t ns_tid)
{
	if (!request->signal)
		request->signal = signal;
	if (request->tid)
		return;
	if (ns_tid <= 0)
		request->tid = request->pid;
	else if (shares_pid_namespace(request->pid))
		request->tid = ns_tid;
	else
		request->tid = find_thread(request->pid, ns_tid);
}
