/* The finder's course: look through the folders, wait until a file is whole, have it taken. */
#include "host/finder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "host/finder_internal.h"
#include "spool/core_identity.h"

#define SCAN_NS (600 * CSN_NS_PER_SECOND)
#define LOOK_NS (1 * CSN_NS_PER_SECOND)
/* How long a file that nobody closed must not change: one that is as long as its headers say, and
 * one that is not (it may go on growing, or was cut by a limit). */
#define WHOLE_NS (1 * CSN_NS_PER_SECOND)
#define CUT_NS (30 * CSN_NS_PER_SECOND)
#define NO_ROOM_NS (30 * CSN_NS_PER_SECOND)

int csn_finder_new(const struct csn_host *host, struct csn_finder **ret_finder,
		   struct csn_error *err)
{
	const struct csn_coresnap_conf *conf = &host->conf;
	struct csn_finder *finder;
	size_t i;
	int r;

	*ret_finder = NULL;
	if (conf->n_watch_paths == 0)
		return 0;
	finder = calloc(1, sizeof(*finder));
	if (!finder)
		return csn_fail_nomem(err);
	finder->host = host;
	finder->opener = (struct finder_opener){ .fd = -1, .paths = finder->paths };
	finder->taker = (struct csn_child)CSN_CHILD_INIT;
	finder->take.fd = -1;
	finder->kept = (struct csn_buf)CSN_BUF_INIT(CSN_MAX_FINDER_KEPT);
	finder->events.fd = -1;
	for (i = 0; i < CSN_MAX_FINDER_FOLDERS; i++)
		finder->folders[i].fd = finder->events.tokens[i] = -1;
	r = finder_events_ops.open(&finder->events.fd, err);
	finder->opener.events_fd = finder->events.fd;
	for (i = 0; r == 0 && i < conf->n_watch_paths; i++) {
		finder->folders[i].path = strdup(conf->watch_paths[i]);
		finder->paths[i] = finder->folders[i].path;
		finder->n_folders = finder->opener.n_paths = (unsigned)i + 1;
		r = finder->paths[i] ? 0 : csn_fail_nomem(err);
	}
	if (r == 0 && finder_opener_is_of_use())
		r = finder_opener_start(&finder->opener, host->spool.uid, host->spool.gid, err);
	if (r < 0)
		csn_finder_free(finder);
	else
		*ret_finder = finder;
	return r;
}

void csn_finder_free(struct csn_finder *finder)
{
	unsigned i;

	if (!finder)
		return;
	csn_child_done(&finder->taker);
	csn_closep(&finder->take.fd);
	finder_opener_stop(&finder->opener);
	while (finder->n_files)
		finder_drop(finder, &finder->files[finder->n_files - 1]);
	for (i = 0; i < finder->n_folders; i++) {
		csn_closep(&finder->folders[i].fd);
		free(finder->folders[i].path);
		free(finder->folders[i].problem);
	}
	csn_closep(&finder->events.fd);
	csn_buf_done(&finder->kept);
	free(finder->files);
	free(finder->taken_path);
	free(finder);
}

static bool open_folder(struct csn_finder *finder, unsigned folder)
{
	struct finder_folder *place = &finder->folders[folder];
	struct csn_error err = CSN_ERROR_INIT;

	if (place->fd >= 0)
		return true;
	if (finder_opener_open_folder(&finder->opener, folder, &place->fd,
				      &finder->events.tokens[folder], &err) < 0) {
		finder_set_folder_problem(finder, folder, err.text);
		return false;
	}
	/* Said once, also at the start. */
	if (!place->problem)
		place->problem = strdup("");
	finder_set_folder_problem(finder, folder, NULL);
	return true;
}

static void close_folder(struct csn_finder *finder, unsigned folder)
{
	if (finder->folders[folder].fd < 0)
		return;
	finder_events_ops.remove(finder->events.fd, finder->events.tokens[folder]);
	finder->events.tokens[folder] = -1;
	close(finder->folders[folder].fd);
	finder->folders[folder].fd = -1;
	finder_set_folder_problem(finder, folder, "it was removed or moved");
}

/* A file that came, or was found; hidden names are those of writers who rename in the end. */
static void note_file(struct csn_finder *finder, unsigned folder, const char *name, bool closed)
{
	struct finder_file *file = *name == '.' ? NULL : finder_note(finder, folder, name);

	if (!file)
		return;
	file->seen = true;
	if (file->state == FILE_TAKING || (file->state == FILE_DONE && !closed))
		return;
	if (file->state != FILE_WAITING || closed)
		file->due_ns = 0;
	file->state = FILE_WAITING;
	file->closed |= closed;
}

static void list_folder(struct csn_finder *finder, unsigned folder)
{
	int fd = fcntl(finder->folders[folder].fd, F_DUPFD_CLOEXEC, 0);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	unsigned count = 0;

	if (!dir) {
		csn_closep(&fd);
		return;
	}
	/* The place in the folder is shared with the descriptor that was copied. */
	rewinddir(dir);
	while ((entry = readdir(dir)) && count++ < CSN_MAX_FINDER_NAMES)
		note_file(finder, folder, entry->d_name, false);
}

static void scan(struct csn_finder *finder, int64_t now_ns)
{
	struct csn_error err = CSN_ERROR_INIT;
	unsigned folder;
	size_t i;

	/* With what the last look found out. */
	if (finder->scanned && finder_prune_kept(finder, &err) < 0)
		finder_say(finder, LOG_WARNING, "%s", err.text);
	finder->scanned = true;
	finder->scan_due_ns = now_ns + SCAN_NS;
	finder->lines_left = CSN_MAX_FINDER_LINES;
	for (i = 0; i < finder->n_files; i++)
		finder->files[i].seen = false;
	for (folder = 0; folder < finder->n_folders; folder++)
		if (open_folder(finder, folder))
			list_folder(finder, folder);
	for (i = finder->n_files; i > 0; i--) {
		struct finder_file *file = &finder->files[i - 1];

		/* Of a folder that could not be opened nothing is known, nor forgotten. */
		if (!file->seen && file->state != FILE_TAKING &&
		    finder->folders[file->folder].fd >= 0)
			finder_drop(finder, file);
	}
}

/* What is not taken now, and why. */
static void wait_for(struct csn_finder *finder, struct finder_file *file, int64_t until_ns,
		     const char *problem)
{
	file->due_ns = until_ns;
	if (problem)
		finder_refuse(finder, file, LOG_ERR, problem);
}

static void refuse(struct csn_finder *finder, struct finder_file *file, const char *problem)
{
	file->state = FILE_REFUSED;
	file->closed = false;
	finder_refuse(finder, file, LOG_WARNING, problem);
}

static void clear_problem(struct csn_finder *finder, struct finder_file *file)
{
	if (file->problem)
		finder->report_due = true;
	free(csn_take(file->problem));
}

/* Has it stopped growing? ret_until: when to look again if not. */
static bool is_settled(struct finder_file *file, int fd, enum finder_packing packing,
		       int64_t now_ns, int64_t *ret_until)
{
	struct csn_core_identity identity;
	bool whole = packing != FINDER_PLAIN || csn_core_identify(fd, &identity, NULL) < 0 ||
		     identity.end <= file->mark.size_bytes;

	*ret_until = now_ns + LOOK_NS;
	if (file->mark.size_bytes && whole && file->closed)
		return true;
	return now_ns - file->stable_ns >= (whole ? WHOLE_NS : CUT_NS);
}

/* Notes what the file is now; since when it is so. */
static void measure(struct finder_file *file, const struct stat *status, int64_t now_ns)
{
	struct finder_mark mark = finder_mark_of(status);

	if (file->stable_ns == 0 || !finder_mark_is(&mark, &file->mark))
		file->stable_ns = now_ns;
	file->mark = mark;
}

static void start_taker(struct csn_service *service, struct finder_file *file, int fd,
			enum finder_packing packing, uid_t owner)
{
	struct csn_finder *finder = service->host->finder;
	struct finder_take *take = &finder->take;
	const struct csn_child_spec spec = {
		.run = finder_take,
		.context = take,
		.keep_fd = -1,
		.limits = { .cpu_seconds = CSN_MAX_FINDER_SECONDS,
			    .data_bytes = CSN_MAX_FINDER_DATA },
		.timeout_ms = CSN_MAX_FINDER_SECONDS * 1000ll,
		.max_output_bytes = CSN_MAX_CHILD_OUTPUT,
		.stdout_only = true,
	};
	struct csn_error err = CSN_ERROR_INIT;
	int r;

	free(finder->taken_path);
	finder->taken_path = finder_path_of(finder, file);
	*take = (struct finder_take){
		.host = finder->host,
		.fd = fd,
		.packing = packing,
		.owner = owner,
		.mark = file->mark,
		.path = finder->taken_path,
	};
	memcpy(take->uuid, file->uuid, sizeof(take->uuid));
	r = finder->taken_path ? csn_child_start(&spec, &finder->taker, &err)
			       : csn_fail_nomem(&err);
	if (r == 0)
		r = service_watch(service, finder->taker.pidfd, &finder->taker_end, &err);
	if (r == 0)
		r = service_watch(service, finder->taker.output_fd, &finder->taker_output, &err);
	if (r == 0) {
		file->state = FILE_TAKING;
		return;
	}
	csn_child_done(&finder->taker);
	csn_closep(&take->fd);
	take->fd = -1;
	wait_for(finder, file, csn_monotonic_ns() + NO_ROOM_NS, err.text);
}

/* Below dump.quota after it nothing is taken: it is safe where it is. */
static bool has_room(const struct csn_host *host, const struct stat *status)
{
	struct csn_quota quota = csn_host_get_quota(host);
	struct csn_spool_space space;

	if (csn_spool_get_space(&host->spool, &quota, &space, NULL) < 0)
		return true;
	return space.free_bytes >= space.threshold_bytes + (uint64_t)status->st_blocks * 512;
}

/* Why an open file is not taken for now or for good; NULL: it is. */
static const char *find_obstacle(const struct csn_host *host, const struct stat *status,
				 enum finder_packing packing)
{
	if (packing == FINDER_UNKNOWN_PACKING)
		return "packed with lz4 or xz; unpack it, or have cores packed with zstd or gzip";
	if (packing == FINDER_NO_CORE)
		return "not a core";
	if ((uint64_t)status->st_size > host->conf.watch_max_bytes)
		return "larger than watch.max";
	return NULL;
}

static void look_at(struct csn_service *service, struct finder_file *file, int64_t now_ns)
{
	struct csn_finder *finder = service->host->finder;
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_close int fd = -1;
	enum finder_packing packing;
	const char *obstacle;
	struct stat status = { 0 };
	int64_t until_ns;
	int r = finder_opener_open_file(&finder->opener, file->folder,
					finder->folders[file->folder].fd, file->name, &fd, &err);

	if (r == 0 && fstat(fd, &status) < 0)
		r = csn_fail_os(&err, errno, "fstat");
	if (r == -CSN_E_NOT_FOUND) {
		finder_drop(finder, file);
		return;
	}
	if (r < 0) {
		refuse(finder, file, err.text);
		return;
	}
	measure(file, &status, now_ns);
	finder_mark_uuid(&file->mark, finder->folders[file->folder].path, file->name, file->uuid);
	packing = finder_packing_of(fd);
	obstacle = find_obstacle(service->host, &status, packing);
	if (finder_is_kept(finder, file->uuid)) {
		file->state = FILE_DONE;
		clear_problem(finder, file);
	} else if (!is_settled(file, fd, packing, now_ns, &until_ns)) {
		wait_for(finder, file, until_ns, NULL);
	} else if (obstacle) {
		refuse(finder, file, obstacle);
	} else if (!has_room(service->host, &status)) {
		wait_for(finder, file, now_ns + NO_ROOM_NS,
			 "free space would be below dump.quota; free some or set watch.max");
	} else {
		start_taker(service, file, csn_take_fd(fd), packing, status.st_uid);
	}
}

/* One at a time; the loop comes back when it has ended. */
void finder_work(struct csn_service *service, int64_t now_ns)
{
	struct csn_finder *finder = service->host->finder;
	size_t i;

	if (!finder)
		return;
	if (finder->scan_due_ns <= now_ns)
		scan(finder, now_ns);
	if (finder->taker.pid > 0 && finder->taker.deadline_ns <= now_ns)
		csn_child_kill(&finder->taker);
	for (i = finder->n_files; i > 0 && finder->taker.pid <= 0; i--) {
		struct finder_file *file = &finder->files[i - 1];

		if (file->state == FILE_WAITING && file->due_ns <= now_ns)
			look_at(service, file, now_ns);
	}
	finder_report(finder);
}

void finder_look_again(struct csn_finder *finder)
{
	size_t i;

	if (!finder)
		return;
	finder->scan_due_ns = 0;
	for (i = 0; i < finder->n_files; i++)
		if (finder->files[i].state == FILE_WAITING && finder->files[i].problem)
			finder->files[i].due_ns = 0;
}

int64_t finder_next_due(const struct csn_finder *finder, int64_t now_ns)
{
	int64_t next_ns;
	size_t i;

	if (!finder)
		return 0;
	next_ns = finder->scan_due_ns;
	if (finder->taker.pid > 0)
		return finder->taker.deadline_ns < next_ns ? finder->taker.deadline_ns : next_ns;
	for (i = 0; i < finder->n_files; i++)
		if (finder->files[i].state == FILE_WAITING && finder->files[i].due_ns > now_ns &&
		    finder->files[i].due_ns < next_ns)
			next_ns = finder->files[i].due_ns;
	return next_ns;
}

size_t finder_list_processes(const struct csn_finder *finder, pid_t pids[FINDER_PROCESSES])
{
	size_t n = 0;

	if (finder && finder->taker.pid > 0)
		pids[n++] = finder->taker.pid;
	if (finder && finder->opener.pid > 0)
		pids[n++] = finder->opener.pid;
	return n;
}

bool finder_is_taking(const struct csn_finder *finder, const char *uuid)
{
	return finder && finder->taker.pid > 0 && strcmp(finder->take.uuid, uuid) == 0;
}

/* It is in the spool, or counted: the original has served, unless it is to stay. */
static void settle_original(struct csn_finder *finder, struct finder_file *file)
{
	struct csn_error err = CSN_ERROR_INIT;
	int r = -CSN_E_DENIED;

	clear_problem(finder, file);
	file->closed = false;
	file->stable_ns = 0;
	if (!finder->host->conf.watch_keep) {
		r = finder_opener_remove_file(&finder->opener, file->folder,
					      finder->folders[file->folder].fd, file->name,
					      &finder->take.mark, &err);
		if (r == 0) {
			finder_drop(finder, file);
			return;
		}
		if (r == -CSN_E_NOT_FOUND) {
			file->state = FILE_WAITING; /* another one has its name */
			file->due_ns = 0;
			return;
		}
		finder_say(finder, LOG_WARNING, "%s cannot be removed: %s", finder->taken_path,
			   err.text);
	}
	file->state = FILE_DONE;
	if (finder_keep(finder, finder->take.uuid, &err) < 0)
		finder_say(finder, LOG_WARNING, "%s: %s", finder->taken_path, err.text);
}

static void archived(struct csn_service *service, bool notes_only)
{
	struct csn_finder *finder = service->host->finder;
	struct csn_error err = CSN_ERROR_INIT;

	finder->n_taken++;
	finder->report_due = true;
	if (notes_only)
		csn_host_say(service->host, LOG_NOTICE,
			     "%s: notes only: it crashes too often (dump.rate.full)",
			     finder->taken_path);
	csn_host_say(service->host, LOG_INFO, "Crash dump archived in %s/pending/%s",
		     service->host->spool.path, finder->take.uuid);
	if (csn_service_add(service, CSN_STAGE_PENDING, finder->take.uuid, &err) < 0)
		csn_host_say(service->host, LOG_ERR, "crash %s: %s", finder->take.uuid, err.text);
}

static struct finder_file *find_taken(struct csn_finder *finder)
{
	size_t i;

	for (i = 0; i < finder->n_files; i++)
		if (finder->files[i].state == FILE_TAKING)
			return &finder->files[i];
	return NULL;
}

static void taker_ended(struct csn_service *service, int status)
{
	struct csn_finder *finder = service->host->finder;
	struct finder_file *file = find_taken(finder);
	const char *words = csn_child_last_line(&finder->taker);

	csn_closep(&finder->take.fd);
	finder->take.fd = -1;
	if (!file)
		return;
	if (status == FINDER_NO_ROOM) {
		file->state = FILE_WAITING;
		wait_for(finder, file, csn_monotonic_ns() + NO_ROOM_NS, words);
		return;
	}
	if (status > FINDER_THERE) {
		refuse(finder, file, *words ? words : "taking it took too long");
		return;
	}
	if (status == FINDER_COUNTED)
		csn_host_say(service->host, LOG_NOTICE,
			     "%s: only counted: it crashes too often (dump.rate.notes)",
			     finder->taken_path);
	else
		archived(service, status == FINDER_NOTES_TAKEN);
	settle_original(finder, file);
}

static void read_events(struct csn_finder *finder)
{
	struct finder_event event;

	while (finder_events_ops.next(&finder->events, &event)) {
		if (event.scan)
			finder->scan_due_ns = 0;
		if (event.folder >= finder->n_folders)
			continue;
		if (event.gone)
			close_folder(finder, event.folder);
		else if (*event.name)
			note_file(finder, event.folder, event.name, true);
	}
}

void finder_handle(struct csn_service *service, const struct watch *watch)
{
	struct csn_finder *finder = service->host->finder;
	int status;

	switch (watch->kind) {
	case WATCH_FOLDERS:
		read_events(finder);
		break;
	case WATCH_TAKER_OUTPUT:
		if (!csn_child_read(&finder->taker, false))
			service_unwatch(service, finder->taker.output_fd);
		break;
	default:
		if (!csn_child_reap(&finder->taker, false, &status))
			break;
		taker_ended(service, status);
		service_unwatch(service, finder->taker.pidfd);
		service_unwatch(service, finder->taker.output_fd);
		csn_child_done(&finder->taker);
		break;
	}
}

int finder_begin(struct csn_service *service, struct csn_error *err)
{
	struct csn_finder *finder = service->host->finder;
	struct csn_error why;

	if (!finder) {
		(void)unlinkat(service->host->spool.beside_fd, "watch", 0);
		return 0;
	}
	finder->events_watch.kind = WATCH_FOLDERS;
	finder->taker_end.kind = WATCH_TAKER_END;
	finder->taker_output.kind = WATCH_TAKER_OUTPUT;
	finder->report_due = true;
	if (finder_load_kept(finder, &why) < 0)
		csn_host_say(service->host, LOG_WARNING, "watch: %s", why.text);
	return service_watch(service, finder->events.fd, &finder->events_watch, err);
}
