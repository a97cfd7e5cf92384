/* A file of answers whose checksum is right and whose content is anything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/local_files.h"
#include "symbols/answers_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void use(const struct csn_answers_key *key, const uint8_t *records, size_t size_bytes)
{
	struct csn_answers *index = csn_answers_open(key);
	struct csn_arena *arena = csn_arena_new(64 * CSN_MIB);
	struct csn_answer answer;

	for (size_t at = 0; index && arena && at + 8 <= size_bytes;
	     at += sizeof(struct csn_answers_record)) {
		uint64_t address;

		memcpy(&address, records + at, sizeof(address));
		if (csn_answers_find(index, arena, address, CSN_ANSWER_ALL, &answer))
			csn_answers_put(index, address + 1, &answer);
	}
	if (index)
		csn_answers_save(index);
	csn_answers_free(index);
	csn_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static const uint8_t build_id[4] = { 1, 2, 3, 4 };
	struct csn_buf parts[CSN_ANSWERS_PARTS] = { CSN_BUF_INIT(CSN_MIB), CSN_BUF_INIT(CSN_MIB),
						    CSN_BUF_INIT(CSN_MIB), CSN_BUF_INIT(CSN_MIB) };
	struct csn_span at = csn_span_of(data, size_bytes);
	size_t records = csn_span_u8(&at) * sizeof(struct csn_answers_record);
	size_t frames = csn_span_u8(&at) * sizeof(struct csn_answers_frame);
	size_t jumps = csn_span_u8(&at) * sizeof(struct csn_answers_jump);
	char folder[] = "/dev/shm/csn-fuzz-answers-XXXXXX", path[64];
	struct csn_local_files files;
	const struct csn_opener opener = csn_local_files_opener(&files);
	const struct csn_answers_key key = { .opener = &opener,
					     .build_id = build_id,
					     .build_id_size = 4 };

	if (!mkdtemp(folder))
		return 0;
	csn_local_files_init(&files, folder);
	records = csn_min_u64(records, csn_span_left(&at));
	csn_buf_append(&parts[CSN_ANSWERS_RECORDS], csn_span_bytes(&at, records), records);
	frames = csn_min_u64(frames, csn_span_left(&at));
	csn_buf_append(&parts[CSN_ANSWERS_FRAMES], csn_span_bytes(&at, frames), frames);
	jumps = csn_min_u64(jumps, csn_span_left(&at));
	csn_buf_append(&parts[CSN_ANSWERS_JUMPS], csn_span_bytes(&at, jumps), jumps);
	csn_buf_append(&parts[CSN_ANSWERS_TEXTS], data + (size_bytes - csn_span_left(&at)),
		       csn_span_left(&at));
	csn_answers_image_write(&key, parts);
	use(&key, data + 3, records);
	for (size_t i = 0; i < CSN_ANSWERS_PARTS; i++)
		csn_buf_done(&parts[i]);
	snprintf(path, sizeof(path), "%s/01020304.idx", folder);
	unlink(path);
	rmdir(folder);
	return 0;
}
