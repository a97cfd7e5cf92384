#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "store/store_internal.h"

int csn_store_begin(struct csn_store *store, struct csn_error *err)
{
	return store->index.ops->begin(store->index.state, err);
}

void csn_store_rollback(struct csn_store *store)
{
	store->index.ops->rollback(store->index.state);
	store->blobs.ops->undo(store->blobs.state);
}

int csn_store_commit(struct csn_store *store, struct csn_error *err)
{
	struct csn_blob_ref position;
	int r;

	r = store->blobs.ops->sync(store->blobs.state, err);
	if (r == 0) {
		store->blobs.ops->position(store->blobs.state, &position);
		r = store->index.ops->write_position(store->index.state, position.text, err);
	}
	if (r == 0)
		r = store->index.ops->commit(store->index.state, err);
	if (r < 0)
		csn_store_rollback(store);
	else
		store->blobs.ops->keep(store->blobs.state);
	return r;
}

int csn_store_collect(struct csn_store *store, struct csn_error *err)
{
	struct csn_blob_ref refs[64];
	size_t n = 0;
	int r;

	do {
		r = store->index.ops->list_garbage(store->index.state, refs, csn_countof(refs), &n,
						   err);
		for (size_t i = 0; r == 0 && i < n; i++)
			r = store->blobs.ops->drop(store->blobs.state, &refs[i], err);
		if (r < 0 || n == 0)
			return r;
		r = csn_store_begin(store, err);
		if (r < 0)
			return r;
		r = store->index.ops->forget_garbage(store->index.state, refs, n, err);
		if (r < 0) {
			csn_store_rollback(store);
			return r;
		}
		r = csn_store_commit(store, err);
	} while (r == 0);
	return r;
}

static int lock_folder(const char *folder, int *ret_fd, struct csn_error *err)
{
	cleanup_close int fd = -1;
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/lock", folder) >= (int)sizeof(path))
		return csn_fail(err, CSN_E_LIMIT, "%s: the path is too long", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return csn_fail_os(err, errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return csn_fail(err, CSN_E_DENIED,
					"%s: another coronerd has this data folder open", folder);
		return csn_fail_os(err, errno, "%s", path);
	}
	*ret_fd = csn_take_fd(fd);
	return 0;
}

static int open_parts(struct csn_store *store, const char *folder, struct csn_error *err)
{
	struct csn_blob_ref position = { "" };
	char path[4096];
	int r;

	r = lock_folder(folder, &store->lock_fd, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/catalog.db", folder);
	r = csn_catalog_open_sqlite(path, &store->catalog, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/index.db", folder);
	r = csn_index_open_sqlite(path, &store->index, err);
	if (r < 0)
		return r;
	r = csn_blobs_open_files(folder, &store->blobs, err);
	if (r == 0)
		r = store->index.ops->read_position(store->index.state, &position, err);
	if (r == 0)
		r = store->blobs.ops->restore(store->blobs.state, position.text, err);
	if (r == 0)
		r = csn_store_collect(store, err);
	return r < 0 ? r : csn_committer_start(store, &store->committer, err);
}

int csn_store_open(const char *folder, struct csn_store **ret_store, struct csn_error *err)
{
	cleanup_(csn_store_closep) struct csn_store *store = NULL;
	int r;

	r = csn_make_folders(folder, 0700, err);
	if (r < 0)
		return r;
	store = calloc(1, sizeof(*store));
	if (!store)
		return csn_fail_nomem(err);
	store->lock_fd = -1;
	pthread_mutex_init(&store->writer, NULL);
	r = open_parts(store, folder, err);
	if (r < 0)
		return r;
	*ret_store = csn_take(store);
	return 0;
}

int csn_store_open_catalog(const char *folder, struct csn_store **ret_store, struct csn_error *err)
{
	cleanup_(csn_store_closep) struct csn_store *store = NULL;
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/catalog.db", folder);
	if (access(path, R_OK | W_OK) < 0)
		return csn_fail(err, CSN_E_NOT_FOUND, "%s: %s", path, strerror(errno));
	store = calloc(1, sizeof(*store));
	if (!store)
		return csn_fail_nomem(err);
	store->lock_fd = -1;
	pthread_mutex_init(&store->writer, NULL);
	r = csn_catalog_open_sqlite(path, &store->catalog, err);
	if (r < 0)
		return r;
	*ret_store = csn_take(store);
	return 0;
}

void csn_store_close(struct csn_store *store)
{
	if (!store)
		return;
	csn_committer_stop(store->committer);
	if (store->blobs.ops)
		store->blobs.ops->close(store->blobs.state);
	if (store->index.ops)
		store->index.ops->close(store->index.state);
	if (store->catalog.ops)
		store->catalog.ops->close(store->catalog.state);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	pthread_mutex_destroy(&store->writer);
	free(store);
}

void csn_store_closep(struct csn_store **store)
{
	csn_store_close(*store);
}
