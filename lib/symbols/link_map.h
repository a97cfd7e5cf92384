/* The dynamic linker's own list of what it loaded (struct r_debug and link_map of <link.h>), read
 * from the process's memory.
 *
 * It serves cores that do not say which files were mapped. The list is the process's word: whoever
 * uses it compares each file with the addresses given here. Nothing is opened. */
#ifndef CSN_SYMBOLS_LINK_MAP_H
#define CSN_SYMBOLS_LINK_MAP_H

#include "base/arena.h"
#include "base/error.h"

struct csn_link_map_input {
	/* As csn_modules_input.read. */
	size_t (*read)(void *context, csn_addr addr, void *data, size_t size_bytes);
	void *context;
	unsigned word_bytes; /* 4 or 8 */
	csn_addr dynamic;    /* of the main program: where its PT_DYNAMIC lies */
};

struct csn_loaded {
	const char *name; /* path as the dynamic linker found it; "" for the main program */
	csn_addr bias;    /* l_addr */
	csn_addr dynamic; /* l_ld: where PT_DYNAMIC lies */
	csn_addr entry;   /* of the list */
};

/* In the order of loading; none when the linker had not begun or memory is missing. Fails only for
 * NOMEM. Results live in the arena. */
int csn_link_map_read(struct csn_arena *arena, const struct csn_link_map_input *input,
		      struct csn_loaded **ret_loaded, size_t *ret_count, struct csn_error *err)
	csn_must_check;

#endif
