/* The file of answers (answers_file.c) and what both files of it share.
 *
 *	header, records sorted by address, frames, jumps, texts (NUL-terminated; offset 0 is "none")
 *
 * All numbers are little-endian and lie where the structs say. */
#ifndef CSN_SYMBOLS_ANSWERS_INTERNAL_H
#define CSN_SYMBOLS_ANSWERS_INTERNAL_H

#include "base/buf.h"
#include "symbols/answers.h"

enum csn_answers_flag {
	CSN_ANSWERS_SYMBOL = 1,
	CSN_ANSWERS_SOURCES = 2,
	CSN_ANSWERS_ENTRY = 4,
	CSN_ANSWERS_TAILS = 8,
	CSN_ANSWERS_FUNCTION = 16,
};

struct csn_answers_record {
	uint64_t address, start, size, entry, callee_address;
	uint32_t raw, name, callee_name; /* offsets of texts */
	uint32_t first_frame;
	uint16_t n_frames;
	uint8_t flags; /* enum csn_answers_flag */
	uint8_t callee_kind;
	uint32_t first_jump, n_jumps;
	uint32_t reserved;
};

struct csn_answers_frame {
	uint32_t function, path; /* offsets of texts */
	uint32_t line, column;
	uint32_t has_parameters;
};

/* A tail call. */
struct csn_answers_jump {
	uint64_t address, callee_address;
	uint32_t callee_name; /* offset of the text */
	uint8_t callee_kind, at_jump;
	uint16_t reserved;
};

/* What is in a file. The spans borrow from bytes. */
struct csn_answers_image {
	struct csn_buf bytes;
	size_t n_records, n_frames, n_jumps;
	const uint8_t *records, *frames, *jumps; /* as stored: may not be aligned */
	struct csn_span texts;
};

/* Fills the image from the file of the key; leaves it empty when there is none to believe. */
void csn_answers_image_read(const struct csn_answers_key *key, struct csn_answers_image *image);
void csn_answers_image_done(struct csn_answers_image *image);
/* Record number index, below n_records. */
struct csn_answers_record csn_answers_image_record(const struct csn_answers_image *image,
						   size_t index);
/* Frame number index; false when there is none. */
bool csn_answers_image_frame(const struct csn_answers_image *image, size_t index,
			     struct csn_answers_frame *ret_frame);
/* The same for jumps. */
bool csn_answers_image_jump(const struct csn_answers_image *image, size_t index,
			    struct csn_answers_jump *ret_jump);
/* The text at an offset; NULL for 0 and outside. */
const char *csn_answers_image_text(const struct csn_answers_image *image, uint32_t offset);

/* The parts of a file in the order in which they stand there, as stored. */
enum csn_answers_part {
	CSN_ANSWERS_RECORDS,
	CSN_ANSWERS_FRAMES,
	CSN_ANSWERS_JUMPS,
	CSN_ANSWERS_TEXTS,
	CSN_ANSWERS_PARTS,
};

/* Replaces the file of the key. */
void csn_answers_image_write(const struct csn_answers_key *key,
			     const struct csn_buf parts[CSN_ANSWERS_PARTS]);

#endif
