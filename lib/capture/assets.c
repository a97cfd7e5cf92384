#include "capture/assets.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/uuid.h"

#define DELETED " (deleted)"
/* Build-ids stand in the first pages of every file that a linker made. */
#define HEAD_BYTES (64 * CSN_KIB)
#define COMPARE_BYTES (32 * CSN_KIB)
/* Folders of earlier crashes that are looked at for the same file. */
#define MAX_FOLDERS 1024u

static bool is_known(const struct csn_assets *assets, const struct stat *status)
{
	size_t i;

	for (i = 0; i < assets->count; i++)
		if (assets->items[i].device == status->st_dev &&
		    assets->items[i].inode == status->st_ino)
			return true;
	return false;
}

static void open_mapping(struct csn_assets *assets, int folder_fd,
			 const struct csn_prefix_file *file)
{
	struct stat status;
	char name[40];
	int fd;

	snprintf(name, sizeof(name), "%llx-%llx", (unsigned long long)file->start,
		 (unsigned long long)file->end);
	fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || is_known(assets, &status)) {
		close(fd);
		return;
	}
	assets->items[assets->count] = (struct csn_asset){
		.fd = fd,
		.path = file->path ? file->path : "",
		.device = status.st_dev,
		.inode = status.st_ino,
	};
	assets->count++;
}

void csn_assets_open(const struct csn_prefix *prefix, const struct csn_victim *victim,
		     struct csn_capture_memory *memory, struct csn_assets *assets)
{
	cleanup_close int folder_fd =
		openat(victim->proc_fd, "map_files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct csn_elf_segment *segment;
	size_t i;

	assets->items =
		csn_region_alloc(memory->region, CSN_MAX_CAPTURE_OPENED * sizeof(*assets->items));
	if (folder_fd < 0 || !assets->items)
		return;
	for (i = 0; i < prefix->n_files && !memory->closed; i++) {
		segment = csn_prefix_find(prefix, prefix->files[i].start);
		if (!segment || !(segment->flags & PF_X))
			continue;
		if (assets->count == CSN_MAX_CAPTURE_OPENED) {
			csn_memory_omit(memory,
					(struct csn_omission){ .what = "assets", .why = "limit" });
			return;
		}
		open_mapping(assets, folder_fd, &prefix->files[i]);
	}
}

void csn_assets_close(struct csn_assets *assets)
{
	size_t i;

	for (i = 0; i < assets->count; i++)
		csn_closep(&assets->items[i].fd);
	assets->count = 0;
}

static bool is_deleted(const char *path)
{
	size_t length = strlen(path), suffix = strlen(DELETED);

	return length > suffix && strcmp(path + length - suffix, DELETED) == 0;
}

/* Whether whoever analyses the core, as this user, finds that very file at its path. */
static bool can_be_opened(const struct csn_asset *asset)
{
	cleanup_close int fd = -1;
	struct stat status;

	/* The path may be a container's and here be a pipe or a device: it is looked at before it
	 * is opened. */
	if (stat(asset->path, &status) < 0 || status.st_dev != asset->device ||
	    status.st_ino != asset->inode)
		return false;
	fd = open(asset->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd >= 0;
}

bool csn_assets_choose(struct csn_assets *assets)
{
	bool any = false;
	size_t i;

	for (i = 0; i < assets->count; i++) {
		struct csn_asset *asset = &assets->items[i];

		asset->deleted = is_deleted(asset->path);
		if (!asset->deleted && can_be_opened(asset)) {
			close(asset->fd);
			asset->fd = -1;
		}
		any |= asset->fd >= 0;
	}
	return any;
}

static void set_name(struct csn_asset *asset)
{
	uint8_t head[HEAD_BYTES];
	ssize_t n = csn_pread_full(asset->fd, head, sizeof(head), 0);
	struct csn_span image = csn_span_of(head, n < 0 ? 0 : (size_t)n), notes, id;
	struct csn_elf_header header;
	struct csn_elf_segment segment;
	uint32_t i;

	snprintf(asset->name, sizeof(asset->name), "path-%016llx",
		 (unsigned long long)csn_hash_bytes(asset->path, strlen(asset->path)));
	if (csn_elf_header_read(&image, &header, NULL) < 0)
		return;
	for (i = 0; i < header.n_segments; i++) {
		if (!csn_elf_segment_read(&header, &image, i, &segment))
			return;
		if (segment.type != PT_NOTE)
			continue;
		notes = csn_span_part(&image, segment.offset, segment.file_size);
		if (!csn_span_ok(&notes) || !csn_elf_build_id_find(&notes, segment.alignment, &id))
			continue;
		csn_hex_format(id.data, id.size, asset->build_id);
		memcpy(asset->name, asset->build_id, sizeof(asset->name));
		return;
	}
}

/* A build-id can be forged, so bytes are compared before a file of another crash is trusted. */
static bool same_bytes(int a, int b, uint64_t size)
{
	uint8_t left[COMPARE_BYTES], right[COMPARE_BYTES];
	uint64_t at;
	ssize_t n;

	for (at = 0; at < size; at += (uint64_t)n) {
		n = csn_pread_full(a, left, sizeof(left), (off_t)at);
		if (n <= 0 || csn_pread_full(b, right, (size_t)n, (off_t)at) != n ||
		    memcmp(left, right, (size_t)n) != 0)
			return false;
	}
	return true;
}

static bool link_if_same(struct csn_asset *asset, int all_fd, const char *uuid, int folder_fd)
{
	char path[sizeof(asset->name) + NAME_MAX + 2];
	cleanup_close int fd = -1;
	struct stat theirs, ours;

	snprintf(path, sizeof(path), "%s/%s", uuid, asset->name);
	fd = openat(all_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &theirs) < 0 || fstat(asset->fd, &ours) < 0)
		return false;
	if (!S_ISREG(theirs.st_mode) || theirs.st_size != ours.st_size ||
	    !same_bytes(fd, asset->fd, (uint64_t)ours.st_size) ||
	    linkat(all_fd, path, folder_fd, asset->name, 0) < 0)
		return false;
	asset->size_bytes = (uint64_t)ours.st_size;
	return true;
}

/* Crash loops in containers would otherwise store the same libraries over and over. */
static bool link_known(struct csn_asset *asset, int all_fd, int folder_fd)
{
	cleanup_close int fd = openat(all_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned left = MAX_FOLDERS;

	if (!dir)
		return false;
	(void)csn_take_fd(fd);
	for (struct dirent *entry; left && (entry = readdir(dir)); left--)
		if (csn_uuid_parse(entry->d_name, NULL) &&
		    link_if_same(asset, all_fd, entry->d_name, folder_fd))
			return true;
	return false;
}

static int copy(struct csn_asset *asset, int folder_fd, uint64_t max_bytes)
{
	cleanup_(csn_publish_done) struct csn_publish publish = CSN_PUBLISH_INIT;
	int r = csn_publish_begin(&publish, folder_fd, asset->name, 0600, NULL);

	if (r == 0)
		r = csn_copy_fd(asset->fd, publish.fd, max_bytes, &asset->size_bytes, NULL);
	return r < 0 ? r : csn_publish_commit(&publish, true, NULL);
}

void csn_assets_copy(struct csn_assets *assets, int all_fd, int folder_fd, uint64_t max_bytes,
		     struct csn_omissions *omissions)
{
	struct stat status;
	size_t i;

	for (i = 0; i < assets->count; i++) {
		struct csn_asset *asset = &assets->items[i];

		if (asset->fd < 0)
			continue;
		if (fstat(asset->fd, &status) < 0 || (uint64_t)status.st_size > max_bytes) {
			csn_omit(omissions,
				 (struct csn_omission){ .what = "assets",
							.why = "budget",
							.bytes = (uint64_t)status.st_size });
			continue;
		}
		set_name(asset);
		asset->copied = (asset->build_id[0] && link_known(asset, all_fd, folder_fd)) ||
				copy(asset, folder_fd, max_bytes) == 0;
		if (asset->copied)
			max_bytes -= csn_min_u64(max_bytes, asset->size_bytes);
		else
			csn_omit(omissions,
				 (struct csn_omission){ .what = "assets", .why = "unreadable" });
	}
}
