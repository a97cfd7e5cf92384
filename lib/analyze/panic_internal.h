/* What the readers of panics share. */
#ifndef CSN_ANALYZE_PANIC_INTERNAL_H
#define CSN_ANALYZE_PANIC_INTERNAL_H

#include "analyze/panic.h"

/* Of a message, in a verdict. */
#define CSN_SHOWN_PANIC 160u
/* Bytes of a message that are read. */
#define CSN_PANIC_TEXT 512u

/* A text of the program, not ended. */
struct csn_panic_text {
	csn_addr address;
	uint64_t size_bytes;            /* all of it */
	char bytes[CSN_PANIC_TEXT + 1]; /* as much as was read, ended */
	size_t n_bytes;
};

/* Number of the first frame of the thread that faulted from first on whose function has one of the
 * names; SIZE_MAX none. A name that ends in '*' may end in anything. */
size_t csn_panic_find_frame(const struct csn_scene *scene, size_t first, const char *const *names,
			    size_t n_names);
/* Where the stack of a frame ends: of what it called everything lies below. 0 unknown. */
csn_addr csn_panic_stack(const struct csn_scene *scene, size_t frame);
/* The same of the one that called it, inlined ones left out. */
csn_addr csn_panic_stack_of_caller(const struct csn_scene *scene, size_t frame);
/* Text of people: valid UTF-8, no control characters but white space. */
bool csn_panic_read_text(struct csn_target *target, csn_addr address, uint64_t size_bytes,
			 struct csn_panic_text *ret_text);
/* The program cannot write there. */
bool csn_panic_is_constant(struct csn_target *target, csn_addr address);
/* "WORD: TEXT", escaped and cut; before and after stand around the text. NULL: out of memory. */
const char *csn_panic_say(const struct csn_scene *scene, const char *word, const char *before,
			  const struct csn_panic_text *text, const char *after);

#endif
