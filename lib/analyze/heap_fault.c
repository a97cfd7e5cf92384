/* What the heap has to do with a fault.
 *
 * When glibc gives up, the chunk that was freed is known by its state, where the library's inner
 * frames hold exactly one that has it; and damage is looked for. When memory could not be accessed,
 * the pointer may be a word that the allocator itself put into a freed chunk: then it was read
 * after the free, and the chunk is known if the function still holds a pointer to it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analyze/fault_internal.h"
#include "analyze/poison.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "unwind/unwind.h"

/* From a pointer to the member that was accessed, at most. */
#define CSN_MEMBER_REACH 4096u
/* Slots of a table of functions that a call goes through, at most. */
#define CSN_TABLE_BYTES 512u
/* Of the faulting function's frame, looked through for pointers. */
#define CSN_FRAME_BYTES 1024u
/* Frames of the library that hold what was freed, counted from the one that was called. */
#define CSN_FREEING_FRAMES 3u

struct csn_heap *csn_fault_heap(struct csn_fault_look *look)
{
	if (!look->heap_arena) {
		look->heap_arena = csn_arena_new(CSN_MAX_HEAP_MEMORY);
		if (look->heap_arena)
			look->heap = csn_heap_new(look->heap_arena, look->target, look->modules);
	}
	return look->heap;
}

/* --- the library gave up --- */

/* What must be true of the pointer that was freed, for a message to come. The first row that fits.
 */
static const struct csn_freed_row {
	const char *message;
	enum csn_heap_state state;
	enum csn_heap_list list; /* NO_LIST: any */
	bool twice;              /* it was free already */
} csn_freed_rows[] = {
	{ "free(): double free detected in tcache", CSN_HEAP_FREED, CSN_HEAP_TCACHE, true },
	{ "double free or corruption (fasttop)", CSN_HEAP_FREED, CSN_HEAP_FASTBIN, true },
	{ "double free or corruption (top)", CSN_HEAP_TOP, CSN_HEAP_NO_LIST, true },
	{ "double free or corruption", CSN_HEAP_FREED, CSN_HEAP_NO_LIST, true },
	{ "free(): invalid pointer", CSN_HEAP_LIVE, CSN_HEAP_NO_LIST, false },
	{ "munmap_chunk(): invalid pointer", CSN_HEAP_LIVE, CSN_HEAP_NO_LIST, false },
	{ "realloc(): invalid pointer", CSN_HEAP_LIVE, CSN_HEAP_NO_LIST, false },
	{ "free(): invalid size", CSN_HEAP_LIVE, CSN_HEAP_NO_LIST, false },
};

/* The frame that called into the library: how many that are really there are above it. */
static size_t csn_level_of_caller(const struct csn_fault_look *look)
{
	const struct csn_snapshot_frame *caller = csn_teller_frame_to_blame(look->stack, 0, true);
	size_t level = 0;

	for (size_t i = 0; caller && &look->stack->frames[i] != caller; i++)
		level += !look->stack->frames[i].inlined &&
			 look->stack->frames[i].kind != CSN_FRAME_TAIL;
	return level;
}

/* The one chunk that fits. */
struct csn_suspect {
	struct csn_heap_place place;
	bool found, several;
};

static void csn_suspect_add(struct csn_suspect *suspect, const struct csn_heap_place *place)
{
	if (suspect->found && suspect->place.user != place->user)
		suspect->several = true;
	if (!suspect->found)
		suspect->place = *place;
	suspect->found = true;
}

/* A chunk is held by its header or by what the program knows of it. */
static void csn_suspect_try(struct csn_heap *heap, const struct csn_freed_row *row, csn_addr value,
			    struct csn_suspect *suspect)
{
	for (csn_addr user = value; user <= value + 16; user += 16) {
		struct csn_heap_place place;

		csn_heap_look(heap, user, &place);
		if (!place.has_chunk || place.state != row->state ||
		    (row->list && place.list != row->list))
			continue;
		/* What the library refuses to look at is no chunk that it could have. */
		if (row->twice ? place.user == user : place.offset > 0 && place.offset % 16)
			csn_suspect_add(suspect, &place);
	}
}

/* Looks at what the library's own frames keep in registers that the caller had something else in.
 */
static void csn_find_suspect(struct csn_fault_look *look, const struct csn_freed_row *row,
			     struct csn_suspect *suspect)
{
	cleanup_(csn_unwinder_freep) struct csn_unwinder *unwinder = NULL;
	const struct csn_arch *arch = look->target->arch;
	struct csn_registers held[CSN_FREEING_FRAMES];
	struct csn_unwind_cursor cursor;
	size_t level = csn_level_of_caller(look), first;

	if (!level || level > CSN_MAX_HEAP_LEVELS ||
	    csn_unwinder_new(look->target, look->modules, &unwinder, NULL) < 0)
		return;
	first = level > CSN_FREEING_FRAMES ? level - CSN_FREEING_FRAMES : 0;
	csn_unwind_begin(&cursor, unwinder, &look->thread->registers);
	for (size_t i = 0; i < level; i++) {
		if (i >= first)
			held[i - first] = cursor.registers;
		if (!csn_unwind_next(&cursor))
			return;
	}
	for (size_t i = 0; i < level - first; i++)
		for (unsigned r = 0; r < arch->n_registers; r++) {
			uint64_t value = held[i].value[r];

			if (!arch->registers[r].callee_saved || r == arch->sp ||
			    !csn_register_known(&held[i], r) ||
			    (csn_register_known(&cursor.registers, r) &&
			     cursor.registers.value[r] == value))
				continue;
			csn_suspect_try(look->heap, row, value, suspect);
		}
}

static const struct csn_freed_row *csn_find_freed_row(const char *words)
{
	const char *message = strstr(words, "(\"");

	for (size_t i = 0; message && i < csn_countof(csn_freed_rows); i++)
		if (strncmp(message + 2, csn_freed_rows[i].message,
			    strlen(csn_freed_rows[i].message)) == 0)
			return &csn_freed_rows[i];
	return NULL;
}

/* The damage that says most: a header that was written over, with the chunk before it. */
static const struct csn_heap_damage *csn_find_damage(struct csn_heap *heap)
{
	size_t n;
	const struct csn_heap_damage *damages = csn_heap_check(heap, &n);

	for (size_t i = 0; i < n; i++)
		if (damages[i].before.has_chunk)
			return &damages[i];
	return n ? damages : NULL;
}

/* ": the header behind ... is overwritten". */
static bool csn_tell_damage(struct csn_fault_look *look, const char *link)
{
	const struct csn_heap_damage *damage = csn_find_damage(look->heap);
	char text[224];

	if (!damage)
		return false;
	if (damage->before.has_chunk)
		look->heap_suspect = damage->before.chunk;
	csn_heap_describe_damage(damage, text, sizeof(text));
	snprintf(look->heap_words, sizeof(look->heap_words), "%s%s", link, text);
	return true;
}

static void csn_tell_suspect(struct csn_fault_look *look, const struct csn_freed_row *row,
			     const struct csn_suspect *suspect)
{
	size_t size = sizeof(look->heap_words);
	char text[128];

	csn_heap_describe(&suspect->place, text, sizeof(text));
	if (row->twice)
		snprintf(look->heap_words, size, " of 0x%" PRIx64 ", %s", suspect->place.user,
			 text);
	else
		snprintf(look->heap_words, size, " of a pointer into %s at 0x%" PRIx64, text,
			 suspect->place.user);
}

void csn_look_at_heap_abort(struct csn_fault_look *look)
{
	const struct csn_freed_row *row;
	struct csn_suspect suspect = { .found = false };

	if (!look->last_words.kind ||
	    strcmp(look->last_words.kind->family, "heap-corruption") != 0 || !csn_fault_heap(look))
		return;
	csn_heap_look_hard(look->heap);
	row = csn_find_freed_row(look->last_words.text);
	if (row)
		csn_find_suspect(look, row, &suspect);
	if (!suspect.found || suspect.several) {
		(void)csn_tell_damage(look, ": ");
		return;
	}
	look->heap_suspect = suspect.place.chunk;
	csn_tell_suspect(look, row, &suspect);
	/* The library only sees that something is wrong; that the chunk is free is known now. */
	if (row->twice)
		csn_abort_words_settle(&look->last_words, "double-free");
}

/* --- memory could not be accessed --- */

/* The word that the allocator wrote into a freed chunk, and where. */
struct csn_stale {
	struct csn_heap_place place;
	csn_addr at;
	bool through; /* the word leads to a table that holds the value */
	bool filled;  /* all of the chunk is filled with it */
};

/* Does the word lead to a table that holds value, and was it at hand when the jump through the
 * table was made? */
static bool csn_is_table_of(struct csn_fault_look *look, csn_addr table, uint64_t value)
{
	const struct csn_registers *registers = &look->thread->registers;
	uint64_t slots[CSN_TABLE_BYTES / 8];
	bool held = false;
	size_t n;

	for (unsigned r = 0; r < look->target->arch->n_dwarf; r++)
		held |= csn_register_known(registers, r) && registers->value[r] == table;
	n = held ? csn_target_read_some(look->target, table, slots, sizeof(slots)) / 8 : 0;
	for (size_t i = 0; i < n; i++)
		if (slots[i] == value)
			return true;
	return false;
}

/* Is a chunk filled with the bytes of a known pattern, but for what the allocator keeps in it? */
static bool csn_is_filled(struct csn_fault_look *look, const struct csn_heap_place *place,
			  uint64_t pattern)
{
	uint64_t word, at = 32, end = csn_min_u64(place->size_bytes & ~15ull, CSN_MEMBER_REACH);

	if (end < at + 8 || pattern != (pattern & 0xff) * 0x0101010101010101)
		return false;
	for (; at + 8 <= end; at += 8)
		if (!csn_target_read_word(look->target, place->user + at, &word) || word != pattern)
			return false;
	return true;
}

/* Is value what lies in the chunk that pointer leads to, where the allocator writes when a chunk is
 * freed? A known pattern may have been written all over it. */
static bool csn_find_stale_in(struct csn_fault_look *look, csn_addr pointer, uint64_t value,
			      struct csn_stale *ret_stale)
{
	struct csn_stale stale = { .at = 0 };
	struct csn_heap_place *place = &stale.place;
	csn_addr start;
	uint64_t word;

	csn_heap_look(look->heap, pointer, place);
	if (place->state != CSN_HEAP_FREED || !place->has_chunk || place->offset < 0)
		return false;
	for (int pass = 0; pass < 1 + look->exec; pass++)
		for (stale.at = 0; stale.at < csn_min_u64(place->written_bytes, place->size_bytes);
		     stale.at += 8) {
			if (!csn_target_read_word(look->target, place->user + stale.at, &word))
				return false;
			stale.through = pass;
			*ret_stale = stale;
			if (pass ? csn_is_table_of(look, word, value) : word == value)
				return true;
		}
	stale.filled = true;
	*ret_stale = stale;
	return csn_poison_find(value, &start) && start == value &&
	       csn_is_filled(look, place, value);
}

/* Pointers that the faulting function holds: registers, then its frame. */
static bool csn_find_stale(struct csn_fault_look *look, uint64_t value, struct csn_stale *ret_stale)
{
	const struct csn_registers *registers = &look->thread->registers;
	const struct csn_arch *arch = look->target->arch;
	uint64_t words[CSN_FRAME_BYTES / 8];
	size_t n;

	for (unsigned r = 0; r < arch->n_dwarf; r++)
		if (csn_register_known(registers, r) && registers->value[r] != value &&
		    csn_find_stale_in(look, registers->value[r], value, ret_stale))
			return true;
	n = csn_target_read_some(look->target, look->sp, words, sizeof(words)) / 8;
	for (size_t i = 0; i < n; i++)
		if (words[i] != value && csn_find_stale_in(look, words[i], value, ret_stale))
			return true;
	return false;
}

static bool csn_tell_stale(struct csn_fault_look *look, uint64_t value)
{
	struct csn_stale stale;
	char text[128];

	/* Small numbers are anywhere. */
	if (value < CSN_NULL_PAGE || !csn_find_stale(look, value, &stale))
		return false;
	csn_heap_describe(&stale.place, text, sizeof(text));
	if (stale.filled)
		snprintf(look->heap_words, sizeof(look->heap_words),
			 ", with which %s at 0x%" PRIx64 " is filled", text, stale.place.user);
	else
		snprintf(look->heap_words, sizeof(look->heap_words),
			 ", loaded %s 0x%" PRIx64 "+%" PRIu64 " in %s",
			 stale.through ? "through" : "from", stale.place.user, stale.at, text);
	look->use_after_free = true;
	look->heap_suspect = stale.place.chunk;
	return true;
}

/* Functions of the C library that change the heap. */
static const char *const csn_heap_functions[] = {
	"malloc",         "free",           "calloc",        "realloc",      "memalign",
	"aligned_alloc",  "posix_memalign", "__libc_malloc", "__libc_free",  "__libc_calloc",
	"__libc_realloc", "_int_malloc",    "_int_free",     "_int_realloc", "malloc_consolidate",
	"unlink_chunk",   "reallocarray",   "malloc_trim",
};

static bool csn_is_in_heap_function(const struct csn_fault_look *look)
{
	for (size_t i = 0; i < look->stack->n_frames; i++) {
		const struct csn_snapshot_frame *frame = &look->stack->frames[i];

		if (!csn_frame_is_run_time(frame))
			return false;
		for (size_t k = 0; frame->function && k < csn_countof(csn_heap_functions); k++)
			if (strcmp(frame->function, csn_heap_functions[k]) == 0)
				return true;
	}
	return false;
}

void csn_look_at_heap_access(struct csn_fault_look *look)
{
	const struct csn_registers *registers = &look->thread->registers;
	const struct csn_arch *arch = look->target->arch;

	if (!look->address_known || look->null || look->stack_overflow || look->misaligned ||
	    !csn_fault_heap(look))
		return;
	if (csn_is_in_heap_function(look)) {
		csn_heap_look_hard(look->heap);
		look->heap_damaged = csn_tell_damage(look, "; ");
		return;
	}
	if (csn_tell_stale(look, look->address) || look->exec)
		return;
	/* The pointer to what has a member at the address. */
	for (unsigned r = 0; r < arch->n_dwarf; r++) {
		uint64_t value = registers->value[r];

		if (csn_register_known(registers, r) && value < look->address &&
		    look->address - value < CSN_MEMBER_REACH && csn_tell_stale(look, value))
			return;
	}
}
