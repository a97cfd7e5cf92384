/* What the finder knows: files by folder and name, and the list of cores that stay. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "host/finder_internal.h"

#define KEPT_FILE "watched"
#define KEPT_LINE (CSN_UUID_TEXT - 1)

bool finder_has_folders(const struct csn_finder *finder, const struct csn_coresnap_conf *conf)
{
	size_t n_folders = finder ? finder->n_folders : 0, i;

	for (i = 0; i < n_folders && i < conf->n_watch_paths; i++)
		if (strcmp(finder->paths[i], conf->watch_paths[i]) != 0)
			return false;
	return n_folders == conf->n_watch_paths;
}

struct finder_file *finder_find(struct csn_finder *finder, unsigned folder, const char *name)
{
	size_t i;

	for (i = finder->n_files; i > 0; i--) {
		struct finder_file *file = &finder->files[i - 1];

		if (file->folder == folder && strcmp(file->name, name) == 0)
			return file;
	}
	return NULL;
}

struct finder_file *finder_note(struct csn_finder *finder, unsigned folder, const char *name)
{
	struct finder_file *file = finder_find(finder, folder, name), *files;
	size_t capacity = finder->files_capacity ? 2 * finder->files_capacity : 64;

	if (file || finder->n_files >= CSN_MAX_FINDER_FILES)
		return file;
	if (finder->n_files == finder->files_capacity) {
		files = realloc(finder->files, capacity * sizeof(*files));
		if (!files)
			return NULL;
		finder->files = files;
		finder->files_capacity = capacity;
	}
	file = &finder->files[finder->n_files];
	*file = (struct finder_file){ .folder = folder, .name = strdup(name) };
	if (!file->name)
		return NULL;
	finder->n_files++;
	return file;
}

void finder_drop(struct csn_finder *finder, struct finder_file *file)
{
	if (file->problem)
		finder->report_due = true;
	free(file->name);
	free(file->problem);
	*file = finder->files[--finder->n_files];
}

char *finder_path_of(const struct csn_finder *finder, const struct finder_file *file)
{
	char *path;

	return asprintf(&path, "%s/%s", finder->folders[file->folder].path, file->name) < 0 ? NULL
											    : path;
}

/* Anybody's bytes may stand there: what is no uuid is no line. */
int finder_load_kept(struct csn_finder *finder, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_FINDER_KEPT);
	int r = csn_read_file(finder->host->spool.beside_fd, KEPT_FILE, &text, err);
	const char *at = csn_buf_text(&text);

	if (r < 0)
		return err->os_errno == ENOENT ? 0 : r;
	while (*at) {
		size_t length = strcspn(at, "\n");
		char uuid[CSN_UUID_TEXT];

		snprintf(uuid, sizeof(uuid), "%.*s", (int)KEPT_LINE, at);
		if (length == KEPT_LINE && csn_uuid_parse(uuid, NULL))
			csn_buf_printf(&finder->kept, "%s\n", uuid);
		at += length + (at[length] == '\n');
	}
	return csn_buf_check(&finder->kept, KEPT_FILE, err);
}

bool finder_is_kept(const struct csn_finder *finder, const char *uuid)
{
	size_t at;

	for (at = 0; at + KEPT_LINE < finder->kept.size; at += KEPT_LINE + 1)
		if (memcmp(finder->kept.data + at, uuid, KEPT_LINE) == 0)
			return true;
	return false;
}

int finder_keep(struct csn_finder *finder, const char *uuid, struct csn_error *err)
{
	const struct csn_spool *spool = &finder->host->spool;
	cleanup_close int fd = openat(spool->beside_fd, KEPT_FILE,
				      O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	char line[CSN_UUID_TEXT + 1];
	int r;

	if (finder_is_kept(finder, uuid))
		return 0;
	snprintf(line, sizeof(line), "%s\n", uuid);
	csn_buf_puts(&finder->kept, line);
	r = csn_buf_check(&finder->kept, KEPT_FILE, err);
	if (r < 0)
		return r;
	if (fd < 0)
		return csn_fail_os(err, errno, KEPT_FILE);
	r = csn_write_full(fd, line, strlen(line));
	if (r < 0)
		return csn_fail_os(err, -r, KEPT_FILE);
	return fsync(fd) < 0 ? csn_fail_os(err, errno, KEPT_FILE) : 0;
}

/* What is done and still there is all that needs to be remembered; when every file was looked at.
 */
int finder_prune_kept(struct csn_finder *finder, struct csn_error *err)
{
	struct csn_buf left = CSN_BUF_INIT(CSN_MAX_FINDER_KEPT);
	size_t i;
	int r = 0;

	for (i = 0; i < finder->n_files; i++)
		if (finder->files[i].state == FILE_WAITING)
			return 0;
	for (i = 0; i < finder->n_files; i++)
		if (finder->files[i].state == FILE_DONE)
			csn_buf_printf(&left, "%s\n", finder->files[i].uuid);
	if (left.size != finder->kept.size && csn_buf_ok(&left))
		r = csn_write_file(finder->host->spool.beside_fd, KEPT_FILE, csn_buf_text(&left),
				   left.size, 0600, err);
	csn_buf_done(&finder->kept);
	finder->kept = left;
	return r;
}
