/* Answers that earlier runs gave, kept in one file per build-id.
 *
 * A fleet sees the same programs die at the same places: what an address is called, which functions
 * were inlined there and on which line it lies does not change as long as the file is the same.
 * So the answer is kept, by link-time address, and the second crash of a program neither looks
 * through symbol tables nor unpacks or walks debug information. No index of the whole program is
 * made: what nobody asked for costs nothing.
 *
 * A file is whole or not believed (checksum, version, build-id, and a stamp of the files that
 * speak for the module, so that debug information installed later is looked at). It is replaced by
 * rename, so processes share the folder without locks; of two that save at the same time one wins.
 * The cache never fails an analysis: what cannot be read is not there, what cannot be written is
 * asked again. Not thread-safe. */
#ifndef CSN_SYMBOLS_ANSWERS_H
#define CSN_SYMBOLS_ANSWERS_H

#include "base/opener.h"
#include "symbols/sources.h"

struct csn_answers_key {
	const struct csn_opener *opener; /* of the files kept; outlives the answers */
	const uint8_t *build_id;
	size_t build_id_size;
	uint64_t stamp; /* of the files that speak for the module */
};

struct csn_answer {
	bool has_symbol;        /* symbols were asked; raw NULL: nameless */
	const char *raw, *name; /* as struct csn_symbol has them */
	uint64_t start, size;   /* link-time */
	bool has_sources;       /* debug information was asked */
	struct csn_located located;
	bool has_tails; /* asked for the tail calls of the function that begins there */
	bool is_function;
	const struct csn_tail_call *tails;
	size_t n_tails;
};

/* Parts of an answer. */
enum csn_answer_part {
	CSN_ANSWER_SYMBOL = 1,
	CSN_ANSWER_SOURCES = 2,
	CSN_ANSWER_TAILS = 4,
};

#define CSN_ANSWER_ALL (CSN_ANSWER_SYMBOL | CSN_ANSWER_SOURCES | CSN_ANSWER_TAILS)

struct csn_answers;

/* Opens them, none at all when there is no file to believe. NULL: out of memory. */
struct csn_answers *csn_answers_open(const struct csn_answers_key *key);
void csn_answers_free(struct csn_answers *answers);

/* What is known of a link-time address: of these parts (enum csn_answer_part), the others are not
 * read. Frames and tail calls live in the arena, texts as long as the answers. False when nothing
 * is. */
bool csn_answers_find(struct csn_answers *answers, struct csn_arena *arena, uint64_t address,
		      unsigned parts, struct csn_answer *ret_answer);
/* Adds the parts of the answer that are there; copies all texts. */
void csn_answers_put(struct csn_answers *answers, uint64_t address,
		     const struct csn_answer *answer);
/* Writes the file if anything was added. */
void csn_answers_save(struct csn_answers *answers);

#endif
