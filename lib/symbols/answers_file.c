#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/build_tag.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/uuid.h"
#include "symbols/answers_internal.h"

#define CSN_ANSWERS_MAGIC "CSNINDEX"
#define CSN_ANSWERS_VERSION 2u
/* A file that is used is newer than one that is not: told to the folder once a day. */
#define CSN_ANSWERS_TOUCH_SECONDS 86400

struct header {
	char magic[8];
	uint32_t version;
	uint32_t build_id_size;
	uint64_t checksum; /* of all that follows this field */
	uint64_t stamp;
	uint64_t n_records, n_frames, n_jumps, texts_size;
	uint8_t build_id[CSN_MAX_BUILD_ID];
};

_Static_assert(sizeof(struct header) == 128, "the file has no holes");
_Static_assert(sizeof(struct csn_answers_record) == 72, "the file has no holes");
_Static_assert(sizeof(struct csn_answers_frame) == 20, "the file has no holes");
_Static_assert(sizeof(struct csn_answers_jump) == 24, "the file has no holes");

#define CHECKED_FROM (offsetof(struct header, checksum) + sizeof(uint64_t))

/* Answers of another build of ours may be less right. */
static uint64_t stamp_of(const struct csn_answers_key *key)
{
	return key->stamp ^ csn_hash_bytes(CSN_BUILD_TAG, strlen(CSN_BUILD_TAG));
}

static void name_of(const struct csn_answers_key *key, char name[2 * CSN_MAX_BUILD_ID + 8])
{
	csn_hex_format(key->build_id, key->build_id_size, name);
	memcpy(name + 2 * key->build_id_size, ".idx", 5);
}

/* The bytes of the file, if it is ours. */
static bool read_file(const struct csn_answers_key *key, struct csn_buf *bytes)
{
	char path[CSN_MAX_PATH], name[2 * CSN_MAX_BUILD_ID + 8];
	cleanup_close int fd = -1;
	struct stat st;

	name_of(key, name);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", key->folder, name) >= sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_uid != geteuid() && st.st_uid != 0) || st.st_mode & (S_IWGRP | S_IWOTH))
		return false;
	if (csn_read_fd(fd, path, bytes, NULL) < 0)
		return false;
	if (csn_realtime_ns() / CSN_NS_PER_SECOND - st.st_mtime > CSN_ANSWERS_TOUCH_SECONDS)
		(void)futimens(fd, NULL);
	return true;
}

static bool is_believed(const struct csn_answers_key *key, const struct header *header,
			const struct csn_buf *bytes)
{
	return memcmp(header->magic, CSN_ANSWERS_MAGIC, sizeof(header->magic)) == 0 &&
	       header->version == CSN_ANSWERS_VERSION && header->stamp == stamp_of(key) &&
	       header->build_id_size == key->build_id_size &&
	       memcmp(header->build_id, key->build_id, key->build_id_size) == 0 &&
	       header->checksum ==
		       csn_hash_bytes(bytes->data + CHECKED_FROM, bytes->size - CHECKED_FROM);
}

static bool split(struct csn_answers_image *image, const struct header *header)
{
	struct csn_span at = csn_span_of(image->bytes.data, image->bytes.size);
	uint64_t records, frames, jumps;

	if (__builtin_mul_overflow(header->n_records, sizeof(struct csn_answers_record),
				   &records) ||
	    __builtin_mul_overflow(header->n_frames, sizeof(struct csn_answers_frame), &frames) ||
	    __builtin_mul_overflow(header->n_jumps, sizeof(struct csn_answers_jump), &jumps))
		return false;
	csn_span_skip(&at, sizeof(*header));
	image->records = csn_span_bytes(&at, records);
	image->frames = csn_span_bytes(&at, frames);
	image->jumps = csn_span_bytes(&at, jumps);
	image->texts = csn_span_take(&at, header->texts_size);
	image->n_records = header->n_records;
	image->n_frames = header->n_frames;
	image->n_jumps = header->n_jumps;
	return csn_span_ok(&at);
}

void csn_answers_image_read(const struct csn_answers_key *key, struct csn_answers_image *image)
{
	struct header header;

	*image = (struct csn_answers_image){ .bytes = CSN_BUF_INIT(CSN_MAX_ANSWERS_FILE),
					     .texts = { .failed = true } };
	if (read_file(key, &image->bytes) && image->bytes.size >= sizeof(header)) {
		memcpy(&header, image->bytes.data, sizeof(header));
		if (is_believed(key, &header, &image->bytes) && split(image, &header))
			return;
	}
	csn_buf_clear(&image->bytes);
	image->n_records = image->n_frames = image->n_jumps = 0;
	image->texts.failed = true;
}

void csn_answers_image_done(struct csn_answers_image *image)
{
	csn_buf_done(&image->bytes);
}

struct csn_answers_record csn_answers_image_record(const struct csn_answers_image *image,
						   size_t index)
{
	struct csn_answers_record record;

	memcpy(&record, image->records + index * sizeof(record), sizeof(record));
	return record;
}

bool csn_answers_image_frame(const struct csn_answers_image *image, size_t index,
			     struct csn_answers_frame *ret_frame)
{
	if (index >= image->n_frames)
		return false;
	memcpy(ret_frame, image->frames + index * sizeof(*ret_frame), sizeof(*ret_frame));
	return true;
}

bool csn_answers_image_jump(const struct csn_answers_image *image, size_t index,
			    struct csn_answers_jump *ret_jump)
{
	if (index >= image->n_jumps)
		return false;
	memcpy(ret_jump, image->jumps + index * sizeof(*ret_jump), sizeof(*ret_jump));
	return true;
}

const char *csn_answers_image_text(const struct csn_answers_image *image, uint32_t offset)
{
	struct csn_span at = image->texts;

	csn_span_seek(&at, offset);
	return offset ? csn_span_cstr(&at) : NULL;
}

/* --- writing --- */

struct old_file {
	char name[2 * CSN_MAX_BUILD_ID + 32];
	int64_t used; /* seconds since the epoch */
	uint64_t size_bytes;
};

static int compare_old(const void *a, const void *b)
{
	const struct old_file *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used;
}

/* Ours, and what a killed process left of them. */
static bool is_index_name(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && length < sizeof(((struct old_file *)0)->name) &&
	       (strcmp(name + length - 4, ".idx") == 0 || strcmp(name + length - 5, ".part") == 0);
}

/* Files of the folder into a list; ret_bytes: what they take together. */
static struct old_file *list_folder(DIR *folder, size_t *ret_count, uint64_t *ret_bytes)
{
	struct old_file *files = NULL;
	size_t capacity = 0;
	struct dirent *entry;
	struct stat st;

	*ret_count = 0;
	*ret_bytes = 0;
	while ((entry = readdir(folder))) {
		if (!is_index_name(entry->d_name) ||
		    fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (*ret_count == capacity) {
			void *grown =
				reallocarray(files, capacity ? capacity * 2 : 256, sizeof(*files));

			if (!grown)
				break;
			capacity = capacity ? capacity * 2 : 256;
			files = grown;
		}
		snprintf(files[*ret_count].name, sizeof(files->name), "%s", entry->d_name);
		files[*ret_count].used = st.st_mtime;
		files[*ret_count].size_bytes = (uint64_t)st.st_size;
		*ret_bytes += files[(*ret_count)++].size_bytes;
	}
	return files;
}

/* Once the folder is full, what was not used for longest goes, until a quarter is free. */
static void trim(int folder_fd)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_(csn_closedirp) DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	cleanup_free struct old_file *files = NULL;
	uint64_t bytes;
	size_t count;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return;
	}
	files = list_folder(folder, &count, &bytes);
	if (bytes <= CSN_MAX_ANSWERS_FOLDER)
		return;
	qsort(files, count, sizeof(*files), compare_old);
	for (size_t i = 0; i < count && bytes > CSN_MAX_ANSWERS_FOLDER / 4 * 3; i++) {
		if (unlinkat(folder_fd, files[i].name, 0) == 0)
			bytes -= files[i].size_bytes;
	}
}

/* Under a name of its own, then renamed. Nothing is synced: a file that a power cut leaves torn is
 * not believed, and is made anew. ret_is_new: there was none of that name. */
static bool replace(int folder_fd, const char *name, const struct csn_buf *bytes, bool *ret_is_new)
{
	char part[2 * CSN_MAX_BUILD_ID + 32];
	cleanup_close int fd = -1;
	struct stat st;
	bool written;

	snprintf(part, sizeof(part), "%s.%d.part", name, (int)getpid());
	fd = openat(folder_fd, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	*ret_is_new = fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0;
	written = csn_write_full(fd, bytes->data, bytes->size) == 0 &&
		  renameat(folder_fd, part, folder_fd, name) == 0;
	if (!written)
		(void)unlinkat(folder_fd, part, 0);
	return written;
}

static int open_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && csn_make_folders(folder, 0700, NULL) == 0)
		fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

void csn_answers_image_write(const struct csn_answers_key *key,
			     const struct csn_buf parts[CSN_ANSWERS_PARTS])
{
	cleanup_(csn_buf_done) struct csn_buf bytes = CSN_BUF_INIT(CSN_MAX_ANSWERS_FILE);
	struct header header = {
		.magic = CSN_ANSWERS_MAGIC,
		.version = CSN_ANSWERS_VERSION,
		.build_id_size = (uint32_t)key->build_id_size,
		.stamp = stamp_of(key),
		.n_records = parts[CSN_ANSWERS_RECORDS].size / sizeof(struct csn_answers_record),
		.n_frames = parts[CSN_ANSWERS_FRAMES].size / sizeof(struct csn_answers_frame),
		.n_jumps = parts[CSN_ANSWERS_JUMPS].size / sizeof(struct csn_answers_jump),
		.texts_size = parts[CSN_ANSWERS_TEXTS].size,
	};
	char name[2 * CSN_MAX_BUILD_ID + 8];
	cleanup_close int folder_fd = -1;
	bool is_new, whole = true;

	memcpy(header.build_id, key->build_id, key->build_id_size);
	csn_buf_append(&bytes, &header, sizeof(header));
	for (size_t i = 0; i < CSN_ANSWERS_PARTS; i++) {
		csn_buf_append(&bytes, parts[i].data, parts[i].size);
		whole &= csn_buf_ok(&parts[i]);
	}
	if (!whole || !csn_buf_ok(&bytes))
		return;
	header.checksum = csn_hash_bytes(bytes.data + CHECKED_FROM, bytes.size - CHECKED_FROM);
	memcpy(bytes.data, &header, sizeof(header));
	folder_fd = open_folder(key->folder);
	name_of(key, name);
	if (folder_fd >= 0 && replace(folder_fd, name, &bytes, &is_new) && is_new)
		trim(folder_fd);
}
