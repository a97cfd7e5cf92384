#include "analyze/abort_message.h"

#include <stdio.h>
#include <string.h>

#include "symbols/lookup.h"

/* Enough of the text to tell its kind; assertions name their file and function first. */
#define CSN_ABORT_TEXT 1024u
/* Of an expression or a message, in a verdict. */
#define CSN_SHOWN_TEXT 120u
/* struct abort_msg_s of glibc: an unsigned int, the size of its mapping, then the text. */
#define CSN_ABORT_TEXT_OFFSET 4u

static const struct csn_abort_kind csn_abort_assert = { "assert", "assert", "failed assertion" };
static const struct csn_abort_kind csn_abort_smash = { "stack-smash", "stack-smash",
						       "stack smashing detected" };
static const struct csn_abort_kind csn_abort_fortify = { "fortify", "fortify",
							 "buffer overflow detected" };
static const struct csn_abort_kind csn_abort_twice = { "double-free", "heap-corruption",
						       "double free" };
static const struct csn_abort_kind csn_abort_invalid = { "invalid-free", "heap-corruption",
							 "invalid free" };
static const struct csn_abort_kind csn_abort_realloc = { "invalid-free", "heap-corruption",
							 "realloc of an invalid pointer" };
static const struct csn_abort_kind csn_abort_heap = { "heap-corruption", "heap-corruption",
						      "heap corruption detected" };

/* The first row that fits: anywhere in the text, or at its start. Assertions come first, because
 * the expression that failed may hold any of the other words. */
static const struct csn_abort_row {
	const char *text;
	bool anywhere;
	const struct csn_abort_kind *kind;
} csn_abort_rows[] = {
	{ ": Assertion `", true, &csn_abort_assert },
	{ ": Unexpected error: ", true, &csn_abort_assert },
	{ "*** stack smashing detected ***", false, &csn_abort_smash },
	{ "*** ", false, &csn_abort_fortify },
	/* The same chunk lies on top of its list already; what the others prove is less. */
	{ "double free or corruption (fasttop)", false, &csn_abort_twice },
	{ "free(): double free detected", false, &csn_abort_twice },
	{ "free(): invalid pointer", false, &csn_abort_invalid },
	{ "realloc(): invalid pointer", false, &csn_abort_realloc },
	{ "double free or corruption", false, &csn_abort_heap },
	{ "corrupted ", false, &csn_abort_heap },
	{ "free(): ", false, &csn_abort_heap },
	{ "malloc(): ", false, &csn_abort_heap },
	{ "malloc_consolidate(): ", false, &csn_abort_heap },
	{ "realloc(): ", false, &csn_abort_heap },
	{ "munmap_chunk(): ", false, &csn_abort_heap },
	{ "mremap_chunk(): ", false, &csn_abort_heap },
	{ "tcache_thread_shutdown(): ", false, &csn_abort_heap },
	{ "invalid fastbin entry", false, &csn_abort_heap },
	{ "break adjusted to free malloc space", false, &csn_abort_heap },
	{ "Fatal glibc error: malloc", false, &csn_abort_heap },
};

const struct csn_abort_kind *csn_abort_kind_find(const char *text)
{
	for (size_t i = 0; i < csn_countof(csn_abort_rows); i++) {
		const struct csn_abort_row *row = &csn_abort_rows[i];

		if (row->anywhere ? strstr(text, row->text) != NULL
				  : strncmp(text, row->text, strlen(row->text)) == 0)
			return row->kind;
	}
	return NULL;
}

/* "prog: dir/net.c:214: int f(int)": the file's last part and the line. */
static void csn_assert_place(const char *text, const char *end, char *out, size_t size)
{
	const char *start = memmem(text, (size_t)(end - text), ": ", 2);
	const char *stop, *line;

	if (!start)
		return;
	start += 2;
	stop = memmem(start, (size_t)(end - start), ": ", 2);
	stop = stop ? stop : end;
	line = memrchr(start, ':', (size_t)(stop - start));
	if (!line || line + 1 == stop ||
	    strspn(line + 1, "0123456789") != (size_t)(stop - line) - 1)
		return;
	for (const char *at = start; at < line; at++)
		if (*at == '/')
			start = at + 1;
	snprintf(out, size, "%.*s", (int)csn_min_u64((uint64_t)(stop - start), size), start);
}

/* Cut at the end of the line, marked when longer than what a verdict can hold. */
static int csn_cut(const char *text, const char *end, const char **ret_mark)
{
	size_t length = end ? (size_t)(end - text) : strcspn(text, "\n");

	*ret_mark = length > CSN_SHOWN_TEXT ? "..." : "";
	return (int)csn_min_u64(length, CSN_SHOWN_TEXT);
}

void csn_abort_words_parse(const char *text, struct csn_abort_words *ret_words)
{
	static const char assertion[] = ": Assertion `", error[] = ": Unexpected error: ";
	struct csn_abort_words words = { .kind = csn_abort_kind_find(text) };
	const char *found, *mark;
	int length;

	if (words.kind)
		snprintf(words.text, sizeof(words.text), "%s", words.kind->words);
	if (words.kind == &csn_abort_assert && (found = strstr(text, assertion))) {
		csn_assert_place(text, found, words.where, sizeof(words.where));
		found += sizeof(assertion) - 1;
		length = csn_cut(found, strstr(found, "' failed."), &mark);
		snprintf(words.text, sizeof(words.text), "%s `%.*s%s'", words.kind->words, length,
			 found, mark);
	} else if (words.kind == &csn_abort_assert && (found = strstr(text, error))) {
		csn_assert_place(text, found, words.where, sizeof(words.where));
		found += sizeof(error) - 1;
		length = csn_cut(found, strstr(found, ".\n"), &mark);
		snprintf(words.text, sizeof(words.text), "%s: unexpected error: %.*s%s",
			 words.kind->words, length, found, mark);
	} else if (words.kind && strcmp(words.kind->family, csn_abort_heap.family) == 0) {
		length = csn_cut(text, NULL, &mark);
		snprintf(words.text, sizeof(words.text), "%s (\"%.*s%s\")", words.kind->words,
			 length, text, mark);
	}
	*ret_words = words;
}

void csn_abort_words_settle(struct csn_abort_words *words, const char *classifier)
{
	const char *quoted = strchr(words->text, '(');

	for (size_t i = 0; i < csn_countof(csn_abort_rows); i++) {
		const struct csn_abort_kind *kind = csn_abort_rows[i].kind;
		char text[sizeof(words->text)];

		if (strcmp(kind->classifier, classifier) != 0 || kind == words->kind)
			continue;
		snprintf(text, sizeof(text), "%s %s", kind->words, quoted ? quoted : "");
		memcpy(words->text, text, sizeof(text));
		words->kind = kind;
		return;
	}
}

static bool csn_may_hold_message(const struct csn_module *module)
{
	return module->is_main || strncmp(module->name, "libc.so", 7) == 0 ||
	       strncmp(module->name, "libc-", 5) == 0;
}

bool csn_abort_words_read(struct csn_target *target, struct csn_modules *modules,
			  struct csn_abort_words *ret_words)
{
	size_t n = modules ? csn_modules_count(modules) : 0;

	for (size_t i = 0; i < n; i++) {
		struct csn_module *module = csn_modules_get(modules, i);
		char text[CSN_ABORT_TEXT + 1];
		uint64_t message, size;
		csn_addr variable;
		size_t got;

		if (!csn_may_hold_message(module) ||
		    !csn_lookup_address(modules, module, "__abort_msg", &variable, &size) ||
		    !csn_target_read_word(target, variable, &message) || !message)
			continue;
		got = csn_target_read_some(target, message + CSN_ABORT_TEXT_OFFSET, text,
					   CSN_ABORT_TEXT);
		text[got] = '\0';
		csn_abort_words_parse(text, ret_words);
		return ret_words->kind != NULL;
	}
	return false;
}
