#include "symbols/link_map.h"

#include <elf.h>
#include <string.h>

#include "base/limits.h"
#include "base/span.h"

/* More than any dynamic section has. */
#define MAX_DYNAMIC_TAGS 256u

/* Word number index behind addr. */
static bool read_word(const struct csn_link_map_input *input, csn_addr addr, unsigned index,
		      uint64_t *ret_word)
{
	uint8_t bytes[8] = { 0 };
	struct csn_span span = csn_span_of(bytes, input->word_bytes);
	csn_addr at = addr + (uint64_t)index * input->word_bytes;

	if (input->read(input->context, at, bytes, input->word_bytes) != input->word_bytes)
		return false;
	*ret_word = csn_span_uint(&span, input->word_bytes);
	return true;
}

/* DT_DEBUG holds the address of struct r_debug, whose second word is the list's head. */
static csn_addr find_head(const struct csn_link_map_input *input)
{
	uint64_t tag = 0, value = 0;

	for (unsigned i = 0; i < MAX_DYNAMIC_TAGS; i++) {
		if (!read_word(input, input->dynamic, 2 * i, &tag) ||
		    !read_word(input, input->dynamic, 2 * i + 1, &value) || tag == DT_NULL)
			return 0;
		if (tag == DT_DEBUG)
			break;
	}
	return tag == DT_DEBUG && value && read_word(input, value, 1, &value) ? value : 0;
}

static const char *read_name(struct csn_arena *arena, const struct csn_link_map_input *input,
			     csn_addr addr)
{
	char text[CSN_MAX_PATH];
	size_t got = addr ? input->read(input->context, addr, text, sizeof(text)) : 0;

	return csn_arena_strndup(arena, text, strnlen(text, got));
}

/* l_addr, l_name, l_ld, l_next */
static bool read_entry(const struct csn_link_map_input *input, csn_addr at, uint64_t words[4])
{
	for (unsigned i = 0; i < 4; i++)
		if (!read_word(input, at, i, &words[i]))
			return false;
	return true;
}

int csn_link_map_read(struct csn_arena *arena, const struct csn_link_map_input *input,
		      struct csn_loaded **ret_loaded, size_t *ret_count, struct csn_error *err)
{
	csn_addr at = find_head(input);
	struct csn_loaded *loaded = NULL;
	size_t count = 0, capacity = 0;
	uint64_t words[4];

	while (at && count < CSN_MAX_LINK_MAP && read_entry(input, at, words)) {
		loaded = csn_arena_grow(arena, loaded, count, &capacity, sizeof(*loaded));
		if (!loaded)
			return csn_fail_nomem(err);
		loaded[count].bias = words[0];
		loaded[count].name = read_name(arena, input, words[1]);
		loaded[count].dynamic = words[2];
		loaded[count].entry = at;
		if (!loaded[count++].name)
			return csn_fail_nomem(err);
		at = words[3];
	}
	*ret_loaded = loaded;
	*ret_count = count;
	return 0;
}
