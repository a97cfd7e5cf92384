#include <stddef.h>
#include <string.h>

#include "base/build_tag.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/uuid.h"
#include "symbols/answers_internal.h"

#define CSN_ANSWERS_MAGIC "CSNINDEX"
#define CSN_ANSWERS_VERSION 2u

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

/* The bytes of the file, if there is one. */
static bool read_file(const struct csn_answers_key *key, struct csn_buf *bytes)
{
	char name[2 * CSN_MAX_BUILD_ID + 8];
	cleanup_close int fd = -1;

	name_of(key, name);
	return csn_opener_open(key->opener, CSN_OPEN_KEPT, name, &fd, NULL) == 0 &&
	       csn_read_fd(fd, name, bytes, NULL) == 0;
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
	cleanup_close int fd = -1;
	bool whole = true;

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
	name_of(key, name);
	if (csn_opener_open(key->opener, CSN_OPEN_FRESH, name, &fd, NULL) == 0 &&
	    csn_write_full(fd, bytes.data, bytes.size) == 0)
		(void)key->opener->publish(key->opener->context, name, NULL);
}
