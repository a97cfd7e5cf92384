#include "analyze/abort_message.h"

#include <string.h>

#include "symbols/lookup.h"

/* Enough of the text to tell its kind; assertions name their file and function first. */
#define CSN_ABORT_TEXT 1024u
/* struct abort_msg_s of glibc: an unsigned int, the size of its mapping, then the text. */
#define CSN_ABORT_TEXT_OFFSET 4u

static const struct csn_abort_kind csn_abort_assert = { "assert", "failed assertion" };
static const struct csn_abort_kind csn_abort_smash = { "stack-smash", "stack smashing detected" };
static const struct csn_abort_kind csn_abort_fortify = { "fortify", "buffer overflow detected" };
static const struct csn_abort_kind csn_abort_heap = { "heap-corruption",
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

static bool csn_may_hold_message(const struct csn_module *module)
{
	return module->is_main || strncmp(module->name, "libc.so", 7) == 0 ||
	       strncmp(module->name, "libc-", 5) == 0;
}

const struct csn_abort_kind *csn_abort_kind_read(struct csn_target *target,
						 struct csn_modules *modules)
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
		return csn_abort_kind_find(text);
	}
	return NULL;
}
