/* The member "threads" of a report: the bulk of a large one. */
#include <string.h>

#include "base/text.h"
#include "snapshot/reader_internal.h"

static int read_address(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_frame *frame = object;

	(void)err;
	frame->has_address = csn_reader_u64(reader, &frame->address);
	return 0;
}

static int read_offset(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_frame *frame = object;

	(void)err;
	frame->has_offset = csn_reader_u64(reader, &frame->offset);
	return 0;
}

static int read_kind(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_frame *frame = object;

	(void)err;
	frame->kind = csn_frame_kind_find(csn_reader_text(reader));
	return 0;
}

static int read_registers(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_frame *frame = object;
	struct csn_register *slot;
	const char *name;
	uint64_t value;
	size_t count;

	reader->registers.count = 0;
	if (!csn_reader_enter(reader, '{'))
		return 0;
	while ((name = csn_json_next_member(&reader->json))) {
		const char *kept = csn_reader_keep(reader, name, strlen(name));

		if (!csn_reader_u64(reader, &value))
			continue;
		slot = csn_vec_push(&reader->registers, sizeof(*slot), CSN_MAX_SNAPSHOT_REGISTERS,
				    "registers in a frame", err);
		if (!slot)
			return -(int)err->code;
		*slot = (struct csn_register){ kept, value };
	}
	frame->registers =
		csn_reader_take(reader, &reader->registers, sizeof(*frame->registers), &count);
	frame->n_registers = (uint32_t)count;
	return 0;
}

#define FRAME(member) offsetof(struct csn_snapshot_frame, member)

/* source_path holds the id of a sourceCode until the end. */
static const struct csn_member frame_members[] = {
	{ "address", CSN_MEMBER_OTHER, 0, read_address },
	{ "funcName", CSN_MEMBER_TEXT, FRAME(function), NULL },
	{ "library", CSN_MEMBER_TEXT, FRAME(library), NULL },
	{ "unwind", CSN_MEMBER_OTHER, 0, read_kind },
	{ "offset", CSN_MEMBER_OTHER, 0, read_offset },
	{ "registers", CSN_MEMBER_OTHER, 0, read_registers },
	{ "sourceCode", CSN_MEMBER_TEXT, FRAME(source_path), NULL },
	{ "variables", CSN_MEMBER_OTHER, 0, csn_reader_variables },
	{ "line", CSN_MEMBER_U32, FRAME(line), NULL },
	{ "column", CSN_MEMBER_U32, FRAME(column), NULL },
	{ "debug_identifier", CSN_MEMBER_TEXT, FRAME(build_id), NULL },
	{ "inlined", CSN_MEMBER_FLAG, FRAME(inlined), NULL },
	{ "faulted", CSN_MEMBER_FLAG, FRAME(faulted), NULL },
	{ "signal_frame", CSN_MEMBER_FLAG, FRAME(signal_frame), NULL },
	{ "guessed_frame", CSN_MEMBER_FLAG, FRAME(guessed), NULL },
	{ NULL },
};

static int read_stack(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_thread *thread = object;
	struct csn_snapshot_frame *frame;
	char kind = csn_json_peek(&reader->json);
	int r;

	reader->frames.count = 0;
	if (kind && kind != '[' && kind != 'n')
		return csn_fail(err, CSN_E_FORMAT, "\"stack\" is no array");
	if (!csn_reader_enter(reader, '['))
		return 0;
	while (csn_json_next_item(&reader->json)) {
		frame = reader->n_frames++ < CSN_MAX_SNAPSHOT_FRAMES
				? csn_vec_push(&reader->frames, sizeof(*frame),
					       CSN_MAX_SNAPSHOT_FRAMES, "frames", err)
				: NULL;
		if (!frame && reader->n_frames > CSN_MAX_SNAPSHOT_FRAMES)
			return csn_fail(err, CSN_E_LIMIT, "more than %u frames",
					CSN_MAX_SNAPSHOT_FRAMES);
		if (!frame)
			return -(int)err->code;
		r = csn_reader_object(reader, frame_members, frame, err);
		if (r < 0)
			return csn_wrap(err, "frame %zu", reader->frames.count - 1);
	}
	thread->frames = csn_reader_take(reader, &reader->frames, sizeof(*thread->frames),
					 &thread->n_frames);
	return 0;
}

/* --- the raw stack --- */

static int hex_digit(char digit)
{
	return digit >= '0' && digit <= '9'   ? digit - '0'
	       : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
	       : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
					      : -1;
}

static int read_bytes(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_raw_stack *raw = object;
	const char *text = csn_reader_text(reader);
	size_t size = text ? strlen(text) / 2 : 0;
	uint8_t *bytes;

	if (size > CSN_MAX_SNAPSHOT_RAW_STACK)
		return csn_fail(err, CSN_E_LIMIT, "more than %llu bytes of a raw stack",
				CSN_MAX_SNAPSHOT_RAW_STACK);
	bytes = csn_arena_array(reader->arena, size + 1, 1);
	if (!bytes)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return csn_fail(err, CSN_E_FORMAT, "\"bytes\" is not hexadecimal");
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	raw->bytes = bytes;
	raw->size_bytes = size;
	return 0;
}

#define CODE(member) offsetof(struct csn_snapshot_code_word, member)

static const struct csn_member code_members[] = {
	{ "at", CSN_MEMBER_U32, CODE(at), NULL },
	{ "funcName", CSN_MEMBER_TEXT, CODE(function), NULL },
	{ "offset", CSN_MEMBER_U64, CODE(offset), NULL },
	{ "library", CSN_MEMBER_TEXT, CODE(library), NULL },
	{ NULL },
};

static int read_code(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_raw_stack *raw = object;
	struct csn_snapshot_code_word *word;
	int r;

	reader->words.count = 0;
	if (!csn_reader_enter(reader, '['))
		return 0;
	while (csn_json_next_item(&reader->json)) {
		word = csn_vec_push(&reader->words, sizeof(*word), CSN_MAX_SNAPSHOT_RAW_STACK,
				    "words of a raw stack", err);
		if (!word)
			return -(int)err->code;
		r = csn_reader_object(reader, code_members, word, err);
		if (r < 0)
			return r;
	}
	raw->code = csn_reader_take(reader, &reader->words, sizeof(*word), &raw->n_code);
	return 0;
}

#define RAW(member) offsetof(struct csn_snapshot_raw_stack, member)

static const struct csn_member raw_members[] = {
	{ "address", CSN_MEMBER_U64, RAW(address), NULL },
	{ "word", CSN_MEMBER_U32, RAW(word_bytes), NULL },
	{ "bytes", CSN_MEMBER_OTHER, 0, read_bytes },
	{ "code", CSN_MEMBER_OTHER, 0, read_code },
	{ NULL },
};

static int read_raw_stack(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot_thread *thread = object;
	int r = csn_reader_object(reader, raw_members, &thread->raw_stack, err);

	if (r == 0 && thread->raw_stack.word_bytes != 4)
		thread->raw_stack.word_bytes = 8;
	return r < 0 ? csn_wrap(err, "\"raw_stack\"") : 0;
}

#define THREAD(member) offsetof(struct csn_snapshot_thread, member)

static const struct csn_member thread_members[] = {
	{ "name", CSN_MEMBER_TEXT, THREAD(name), NULL },
	{ "fault", CSN_MEMBER_FLAG, THREAD(fault), NULL },
	{ "state", CSN_MEMBER_TEXT, THREAD(state), NULL },
	{ "unwind_end", CSN_MEMBER_TEXT, THREAD(unwind_end), NULL },
	{ "frames_left_out", CSN_MEMBER_U64, THREAD(frames_left_out), NULL },
	{ "stack", CSN_MEMBER_OTHER, 0, read_stack },
	{ "raw_stack", CSN_MEMBER_OTHER, 0, read_raw_stack },
	{ NULL },
};

/* A canonical decimal is the tid and needs no key. */
static void set_key(struct csn_snapshot_thread *thread, const char *key)
{
	char decimal[24];

	if (!key || !csn_parse_i64(key, &thread->tid) || thread->tid < 0)
		thread->tid = -1;
	if (thread->tid < 0 || strcmp(csn_snapshot_thread_key(thread, decimal), key) != 0)
		thread->key = key;
}

int csn_reader_threads(struct csn_snapshot_reader *reader, void *object, struct csn_error *err)
{
	struct csn_snapshot *snapshot = object;
	struct csn_snapshot_thread *thread;
	const char *name, *key;
	int r;

	reader->threads.count = 0;
	if (csn_json_peek(&reader->json) != '{')
		return csn_fail(err, CSN_E_FORMAT, "is no object");
	csn_json_enter(&reader->json, '{');
	while ((name = csn_json_next_member(&reader->json))) {
		key = csn_reader_keep(reader, name, strlen(name));
		thread = csn_vec_push(&reader->threads, sizeof(*thread), CSN_MAX_SNAPSHOT_THREADS,
				      "threads", err);
		if (!thread)
			return -(int)err->code;
		set_key(thread, key);
		r = csn_reader_object(reader, thread_members, thread, err);
		if (r < 0)
			return csn_wrap(err, "thread \"%.40s\"", key ? key : "");
	}
	snapshot->threads =
		csn_reader_take(reader, &reader->threads, sizeof(*thread), &snapshot->n_threads);
	return 0;
}
