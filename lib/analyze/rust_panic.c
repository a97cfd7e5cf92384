/* The message of a Rust panic. Where it has parameters, std writes it into a String that lies in
 * the stack of rust_begin_unwind; where it has none, a &str is there that is the text itself. What
 * it was made from (core::fmt::Arguments: a list of the pieces between parameters) lies there, too,
 * and proves it: the text begins with the first piece and has all others in their order. */
#include <string.h>

#include "analyze/panic_internal.h"

#define CSN_PANIC_WORDS 1024u
#define CSN_PANIC_PIECES 16u
#define CSN_PIECE_TEXT 256u
/* From where rust_begin_unwind was called on: the frames of core and of the one to blame. */
#define CSN_PIECES_REACH 2048u

/* Words of the stack. */
struct words {
	struct csn_target *target;
	csn_addr start;
	uint64_t words[CSN_PANIC_WORDS];
	size_t n;
	size_t n_payload; /* so many of them may hold the text */
	bool is_shown;    /* the text is one parameter alone, which no piece stands around */
};

static bool read_words(const struct csn_scene *scene, struct words *ret_words)
{
	static const char *const first[] = { "rust_panic", "std::panicking::rust_panic_with_hook" };
	static const char *const last[] = { "rust_begin_unwind", "__rustc::rust_begin_unwind" };
	static const char *const shown[] = { "core::option::expect_failed",
					     "core::panicking::panic_display",
					     "core::panicking::panic_str" };
	size_t from = csn_panic_find_frame(scene, 0, first, csn_countof(first));
	size_t to = csn_panic_find_frame(scene, 0, last, csn_countof(last));
	csn_addr start = csn_panic_stack(scene, from), end = csn_panic_stack_of_caller(scene, to);
	uint64_t size_bytes = end - start + CSN_PIECES_REACH;

	if (!start || end <= start || start % sizeof(uint64_t) ||
	    end - start > sizeof(ret_words->words))
		return false;
	size_bytes = csn_min_u64(size_bytes, sizeof(ret_words->words));
	ret_words->target = scene->target;
	ret_words->is_shown = csn_panic_find_frame(scene, 0, shown, csn_countof(shown)) != SIZE_MAX;
	ret_words->start = start;
	ret_words->n = csn_target_read_some(scene->target, start, ret_words->words, size_bytes) /
		       sizeof(uint64_t);
	ret_words->n_payload = csn_min_u64((end - start) / sizeof(uint64_t), ret_words->n);
	return true;
}

/* Where a list of pieces may be: the compiler's are constant, core's own are on the stack. */
static bool may_be_list(const struct words *words, csn_addr list)
{
	return csn_panic_is_constant(words->target, list) ||
	       (list >= words->start && list - words->start < words->n * sizeof(uint64_t));
}

/* Does the text consist of the pieces that a word and the one behind it tell, with something
 * between them? The more of them are not empty, the better; *ret_length is that of all. */
static bool is_made_of(const struct words *words, size_t at, const struct csn_panic_text *text,
		       size_t *ret_length)
{
	uint64_t list = words->words[at], count = words->words[at + 1];
	const char *rest = text->bytes, *found;
	struct csn_panic_text piece;
	uint64_t entry[2];

	*ret_length = 0;
	if (!count || count > CSN_PANIC_PIECES || !may_be_list(words, list))
		return false;
	for (uint64_t i = 0; i < count; i++) {
		if (csn_target_read_some(words->target, list + i * sizeof(entry), entry,
					 sizeof(entry)) != sizeof(entry))
			return false;
		if (!entry[1])
			continue;
		if (entry[1] > CSN_PIECE_TEXT || !csn_panic_is_constant(words->target, entry[0]) ||
		    !csn_panic_read_text(words->target, entry[0], entry[1], &piece))
			return false;
		*ret_length += piece.n_bytes;
		/* What was not read of a long text cannot be compared. */
		found = strstr(rest, piece.bytes);
		if (!found && text->n_bytes < text->size_bytes)
			return i > 0;
		if (!found || (i == 0 && found != rest))
			return false;
		rest = found + piece.n_bytes;
	}
	return true;
}

/* How many characters of a text its pieces prove, and one more: 0 none. */
static size_t proof_of(const struct words *words, const struct csn_panic_text *text)
{
	size_t best = 0, length;

	for (size_t i = 0; i + 1 < words->n; i++)
		if (is_made_of(words, i, text, &length) && (length || words->is_shown) &&
		    length + 1 > best)
			best = length + 1;
	return best;
}

/* A pointer, a capacity and a length, in any order. */
static bool read_string(const struct words *words, size_t at, struct csn_panic_text *ret_text)
{
	for (size_t i = 0; i < 3; i++) {
		uint64_t pointer = words->words[at + i];
		uint64_t one = words->words[at + (i == 0 ? 1 : 0)];
		uint64_t other = words->words[at + (i == 2 ? 1 : 2)];
		uint64_t length = csn_min_u64(one, other);
		uint64_t capacity = one + other - length;

		if (length && capacity <= CSN_MIB &&
		    !csn_panic_is_constant(words->target, pointer) &&
		    csn_target_find_mapping(words->target, pointer) &&
		    csn_panic_read_text(words->target, pointer, length, ret_text))
			return true;
	}
	return false;
}

static bool read_literal(const struct words *words, size_t at, struct csn_panic_text *ret_text)
{
	return words->words[at + 1] && words->words[at + 1] <= CSN_PANIC_TEXT &&
	       csn_panic_is_constant(words->target, words->words[at]) &&
	       csn_panic_read_text(words->target, words->words[at], words->words[at + 1], ret_text);
}

/* The text that the most is proved of. False: none, or two of them. */
static bool find_text(const struct words *words, bool literal, struct csn_panic_text *ret_text)
{
	struct csn_panic_text text;
	size_t best = 0;
	bool twice = false;

	for (size_t i = 0; i + (literal ? 1 : 2) < words->n_payload; i++) {
		size_t proof;

		if (literal ? !read_literal(words, i, &text) : !read_string(words, i, &text))
			continue;
		proof = proof_of(words, &text);
		/* A literal is one piece and nothing else. */
		if (!proof || proof < best || (literal && proof != text.size_bytes + 1))
			continue;
		twice = proof == best && (twice || strcmp(text.bytes, ret_text->bytes) != 0);
		best = proof;
		*ret_text = text;
	}
	return best && !twice;
}

const char *csn_rust_panic_describe(const struct csn_scene *scene)
{
	struct csn_panic_text text;
	struct words words;

	if (scene->target->arch->word_bytes != sizeof(uint64_t) || !read_words(scene, &words) ||
	    (!find_text(&words, false, &text) && !find_text(&words, true, &text)))
		return NULL;
	return csn_panic_say(scene, "panic", "", &text, "");
}
