/* What is new is kept sorted by address and merged with what was in the file when it is saved. */
#include "symbols/answers.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "symbols/answers_internal.h"

/* An answer of this run; its texts and frames live in the answers' arena. */
struct fresh {
	uint64_t address;
	struct csn_answer answer;
};

struct csn_answers {
	struct csn_answers_key key;
	struct csn_answers_image image;
	struct csn_arena *arena; /* owned; what the key and fresh answers point to */
	struct fresh *fresh;     /* malloc; sorted by address */
	size_t n_fresh, capacity;
	bool changed;
};

struct csn_answers *csn_answers_open(const struct csn_answers_key *key)
{
	struct csn_answers *answers = calloc(1, sizeof(*answers));

	if (!answers)
		return NULL;
	answers->arena = csn_arena_new(CSN_MAX_ANSWERS_FILE);
	answers->key = *key;
	if (answers->arena) {
		answers->key.build_id =
			csn_arena_copy(answers->arena, key->build_id, key->build_id_size);
	}
	if (!answers->arena || !answers->key.build_id) {
		csn_arena_free(answers->arena);
		free(answers);
		return NULL;
	}
	csn_answers_image_read(&answers->key, &answers->image);
	return answers;
}

void csn_answers_free(struct csn_answers *answers)
{
	if (!answers)
		return;
	csn_answers_image_done(&answers->image);
	csn_arena_free(answers->arena);
	free(answers->fresh);
	free(answers);
}

/* --- finding --- */

/* Index of the first record of the file at or after address. */
static size_t first_record(const struct csn_answers_image *image, uint64_t address)
{
	size_t low = 0, high = image->n_records;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (csn_answers_image_record(image, middle).address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Index of the first fresh answer at or after address. */
static size_t first_fresh(const struct csn_answers *answers, uint64_t address)
{
	size_t low = 0, high = answers->n_fresh;

	/* Batches come in order: mostly it is the end. */
	if (high && answers->fresh[high - 1].address < address)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (answers->fresh[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool read_frames(const struct csn_answers_image *image, struct csn_arena *arena,
			const struct csn_answers_record *record, struct csn_located *located)
{
	struct csn_located_frame *frames =
		csn_arena_array(arena, record->n_frames + 1ul, sizeof(*frames));

	if (!frames)
		return false;
	for (uint32_t i = 0; i < record->n_frames; i++) {
		struct csn_answers_frame stored;

		if (!csn_answers_image_frame(image, (size_t)record->first_frame + i, &stored))
			return false;
		frames[i] = (struct csn_located_frame){
			.function = csn_answers_image_text(image, stored.function),
			.has_parameters = stored.has_parameters != 0,
			.path = csn_answers_image_text(image, stored.path),
			.line = stored.line,
			.column = stored.column,
		};
	}
	located->frames = frames;
	located->n_frames = record->n_frames;
	return true;
}

static bool read_jumps(const struct csn_answers_image *image, struct csn_arena *arena,
		       const struct csn_answers_record *record, struct csn_answer *answer)
{
	struct csn_tail_call *tails;

	if (record->n_jumps > CSN_MAX_TAIL_CALLS)
		return false;
	tails = csn_arena_array(arena, record->n_jumps + 1ul, sizeof(*tails));
	if (!tails)
		return false;
	for (uint32_t i = 0; i < record->n_jumps; i++) {
		struct csn_answers_jump stored;

		if (!csn_answers_image_jump(image, (size_t)record->first_jump + i, &stored) ||
		    stored.callee_kind > CSN_CALLEE_NAME)
			return false;
		tails[i] = (struct csn_tail_call){
			.address = stored.address,
			.at_jump = stored.at_jump != 0,
			.callee = { .kind = (enum csn_callee_kind)stored.callee_kind,
				    .address = stored.callee_address,
				    .name = csn_answers_image_text(image, stored.callee_name) },
		};
	}
	answer->tails = tails;
	answer->n_tails = record->n_jumps;
	return true;
}

static void read_record(const struct csn_answers_image *image, struct csn_arena *arena,
			const struct csn_answers_record *record, unsigned parts,
			struct csn_answer *answer)
{
	if (parts & CSN_ANSWER_SYMBOL && record->flags & CSN_ANSWERS_SYMBOL) {
		answer->has_symbol = true;
		answer->raw = csn_answers_image_text(image, record->raw);
		answer->name = csn_answers_image_text(image, record->name);
		answer->start = record->start;
		answer->size = record->size;
	}
	if (parts & CSN_ANSWER_TAILS && record->flags & CSN_ANSWERS_TAILS &&
	    read_jumps(image, arena, record, answer)) {
		answer->has_tails = true;
		answer->is_function = record->flags & CSN_ANSWERS_FUNCTION;
	}
	if (!(parts & CSN_ANSWER_SOURCES) || !(record->flags & CSN_ANSWERS_SOURCES) ||
	    record->callee_kind > CSN_CALLEE_NAME ||
	    !read_frames(image, arena, record, &answer->located))
		return;
	answer->has_sources = true;
	answer->located.has_entry = record->flags & CSN_ANSWERS_ENTRY;
	answer->located.entry = record->entry;
	answer->located.callee = (struct csn_callee){
		.kind = (enum csn_callee_kind)record->callee_kind,
		.address = record->callee_address,
		.name = csn_answers_image_text(image, record->callee_name),
	};
}

/* Lays the parts of an answer that are there over another. */
static void overlay(struct csn_answer *answer, const struct csn_answer *over)
{
	if (over->has_symbol) {
		answer->has_symbol = true;
		answer->raw = over->raw;
		answer->name = over->name;
		answer->start = over->start;
		answer->size = over->size;
	}
	if (over->has_sources) {
		answer->has_sources = true;
		answer->located = over->located;
	}
	if (over->has_tails) {
		answer->has_tails = true;
		answer->is_function = over->is_function;
		answer->tails = over->tails;
		answer->n_tails = over->n_tails;
	}
}

bool csn_answers_find(struct csn_answers *answers, struct csn_arena *arena, uint64_t address,
		      unsigned parts, struct csn_answer *ret_answer)
{
	size_t i = first_record(&answers->image, address), k = first_fresh(answers, address);
	struct csn_answer answer = { 0 };

	if (i < answers->image.n_records) {
		struct csn_answers_record record = csn_answers_image_record(&answers->image, i);

		if (record.address == address)
			read_record(&answers->image, arena, &record, parts, &answer);
	}
	if (k < answers->n_fresh && answers->fresh[k].address == address)
		overlay(&answer, &answers->fresh[k].answer);
	*ret_answer = answer;
	return answer.has_symbol || answer.has_sources || answer.has_tails;
}

/* --- adding --- */

static const char *copy_text(struct csn_answers *answers, const char *text, bool *ok)
{
	const char *copy = text ? csn_arena_strdup(answers->arena, text) : NULL;

	*ok &= !text || copy;
	return copy;
}

/* A copy of the answer in the answers' arena; false when memory is out. */
static bool copy_answer(struct csn_answers *answers, const struct csn_answer *from,
			struct csn_answer *ret_copy)
{
	struct csn_answer copy = *from;
	struct csn_located_frame *frames =
		csn_arena_array(answers->arena, from->located.n_frames + 1, sizeof(*frames));
	struct csn_tail_call *tails =
		csn_arena_array(answers->arena, from->n_tails + 1, sizeof(*tails));
	bool ok = frames && tails && from->located.n_frames <= UINT16_MAX;

	copy.raw = copy_text(answers, from->raw, &ok);
	copy.name = from->name == from->raw ? copy.raw : copy_text(answers, from->name, &ok);
	copy.located.callee.name = copy_text(answers, from->located.callee.name, &ok);
	for (size_t i = 0; ok && i < from->located.n_frames; i++) {
		frames[i] = from->located.frames[i];
		frames[i].function = copy_text(answers, frames[i].function, &ok);
		frames[i].path = copy_text(answers, frames[i].path, &ok);
	}
	for (size_t i = 0; ok && i < from->n_tails; i++) {
		tails[i] = from->tails[i];
		tails[i].callee.name = copy_text(answers, tails[i].callee.name, &ok);
	}
	copy.located.frames = frames;
	copy.tails = tails;
	*ret_copy = copy;
	return ok;
}

/* The fresh answer of an address, made when it is not there. NULL: memory is out. */
static struct fresh *make_room(struct csn_answers *answers, uint64_t address)
{
	size_t at = first_fresh(answers, address);

	if (at < answers->n_fresh && answers->fresh[at].address == address)
		return &answers->fresh[at];
	if (answers->n_fresh >= CSN_MAX_ANSWERS_RECORDS)
		return NULL;
	if (answers->n_fresh == answers->capacity) {
		size_t wanted = answers->capacity ? answers->capacity * 2 : 64;
		void *grown = reallocarray(answers->fresh, wanted, sizeof(*answers->fresh));

		if (!grown)
			return NULL;
		answers->fresh = grown;
		answers->capacity = wanted;
	}
	memmove(&answers->fresh[at + 1], &answers->fresh[at],
		(answers->n_fresh++ - at) * sizeof(*answers->fresh));
	answers->fresh[at] = (struct fresh){ .address = address };
	return &answers->fresh[at];
}

void csn_answers_put(struct csn_answers *answers, uint64_t address, const struct csn_answer *answer)
{
	struct csn_answer copy;
	struct fresh *fresh;

	if (!copy_answer(answers, answer, &copy))
		return;
	fresh = make_room(answers, address);
	if (!fresh)
		return;
	overlay(&fresh->answer, &copy);
	answers->changed = true;
}

/* --- saving --- */

#define CSN_ANSWERS_SLOTS 4096u

/* A file in the making. Equal texts are stored once, as far as the slots remember them. */
struct maker {
	struct csn_buf parts[CSN_ANSWERS_PARTS];
	uint32_t slots[CSN_ANSWERS_SLOTS]; /* offsets of texts by hash */
};

static uint32_t make_text(struct maker *maker, const char *text)
{
	struct csn_buf *texts = &maker->parts[CSN_ANSWERS_TEXTS];
	uint32_t *slot;

	if (!text || !csn_buf_ok(texts))
		return 0;
	slot = &maker->slots[csn_hash_bytes(text, strlen(text)) % CSN_ANSWERS_SLOTS];
	if (!*slot || strcmp(texts->data + *slot, text) != 0) {
		*slot = (uint32_t)texts->size;
		csn_buf_append(texts, text, strlen(text) + 1);
	}
	return *slot;
}

static void make_frames(struct maker *maker, const struct csn_located *located)
{
	for (size_t i = 0; i < located->n_frames; i++) {
		const struct csn_located_frame *frame = &located->frames[i];
		const struct csn_answers_frame stored = {
			.function = make_text(maker, frame->function),
			.path = make_text(maker, frame->path),
			.line = frame->line,
			.column = frame->column,
			.has_parameters = frame->has_parameters,
		};

		csn_buf_append(&maker->parts[CSN_ANSWERS_FRAMES], &stored, sizeof(stored));
	}
}

static void make_jumps(struct maker *maker, const struct csn_answer *answer)
{
	for (size_t i = 0; i < answer->n_tails; i++) {
		const struct csn_tail_call *tail = &answer->tails[i];
		const struct csn_answers_jump stored = {
			.address = tail->address,
			.at_jump = tail->at_jump,
			.callee_kind = (uint8_t)tail->callee.kind,
			.callee_address = tail->callee.address,
			.callee_name = make_text(maker, tail->callee.name),
		};

		csn_buf_append(&maker->parts[CSN_ANSWERS_JUMPS], &stored, sizeof(stored));
	}
}

static void make_record(struct maker *maker, uint64_t address, const struct csn_answer *answer)
{
	const struct csn_located *located = &answer->located;
	struct csn_answers_record record = {
		.address = address,
		.start = answer->start,
		.size = answer->size,
		.raw = make_text(maker, answer->raw),
		.name = make_text(maker, answer->name),
		.flags = answer->has_symbol ? CSN_ANSWERS_SYMBOL : 0,
	};

	if (answer->has_sources) {
		record.flags |= CSN_ANSWERS_SOURCES | (located->has_entry ? CSN_ANSWERS_ENTRY : 0);
		record.entry = located->entry;
		record.first_frame = (uint32_t)(maker->parts[CSN_ANSWERS_FRAMES].size /
						sizeof(struct csn_answers_frame));
		record.n_frames = (uint16_t)located->n_frames;
		record.callee_kind = (uint8_t)located->callee.kind;
		record.callee_address = located->callee.address;
		record.callee_name = make_text(maker, located->callee.name);
		make_frames(maker, located);
	}
	if (answer->has_tails) {
		record.flags |=
			CSN_ANSWERS_TAILS | (answer->is_function ? CSN_ANSWERS_FUNCTION : 0);
		record.first_jump = (uint32_t)(maker->parts[CSN_ANSWERS_JUMPS].size /
					       sizeof(struct csn_answers_jump));
		record.n_jumps = (uint32_t)answer->n_tails;
		make_jumps(maker, answer);
	}
	csn_buf_append(&maker->parts[CSN_ANSWERS_RECORDS], &record, sizeof(record));
}

/* Old and fresh answers in the order of their addresses. Too many: only the fresh ones. */
static void make_records(struct csn_answers *answers, struct csn_arena *arena, struct maker *maker)
{
	const struct csn_answers_image *image = &answers->image;
	size_t n_old = image->n_records + answers->n_fresh > CSN_MAX_ANSWERS_RECORDS
			       ? 0
			       : image->n_records;
	size_t i = 0, k = 0;

	while (i < n_old || k < answers->n_fresh) {
		struct csn_answer answer = { 0 };
		struct csn_answers_record record = { .address = UINT64_MAX };
		uint64_t address = k < answers->n_fresh ? answers->fresh[k].address : UINT64_MAX;

		if (i < n_old)
			record = csn_answers_image_record(image, i);
		if (i < n_old && record.address <= address) {
			address = record.address;
			read_record(image, arena, &record, CSN_ANSWER_ALL, &answer);
			i++;
		}
		if (k < answers->n_fresh && answers->fresh[k].address == address)
			overlay(&answer, &answers->fresh[k++].answer);
		make_record(maker, address, &answer);
	}
}

void csn_answers_save(struct csn_answers *answers)
{
	cleanup_(csn_arena_freep) struct csn_arena *arena = NULL;
	cleanup_free struct maker *maker = NULL;

	if (!answers->changed)
		return;
	answers->changed = false;
	maker = calloc(1, sizeof(*maker));
	arena = csn_arena_new(CSN_MAX_ANSWERS_FILE);
	if (!maker || !arena)
		return;
	for (size_t i = 0; i < CSN_ANSWERS_PARTS; i++)
		maker->parts[i].max = CSN_MAX_ANSWERS_FILE;
	csn_buf_putc(&maker->parts[CSN_ANSWERS_TEXTS], '\0');
	make_records(answers, arena, maker);
	csn_answers_image_write(&answers->key, maker->parts);
	for (size_t i = 0; i < CSN_ANSWERS_PARTS; i++)
		csn_buf_done(&maker->parts[i]);
}
