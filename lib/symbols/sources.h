/* Source positions and inlined functions of addresses, a batch at a time.
 *
 * From the debug information of each module's file or of its debug file, whichever has it. A module
 * without any is absent from the answer and costs nothing but the look. Results live in the arena.
 */
#ifndef CSN_SYMBOLS_SOURCES_H
#define CSN_SYMBOLS_SOURCES_H

#include "symbols/lookup.h"

/* A function and the position in it. */
struct csn_located_frame {
	const char *function;  /* demangled or with its scopes; NULL unknown */
	bool has_parameters;   /* function is demangled from the linker's name */
	const char *path;      /* as compiled; NULL unknown */
	uint32_t line, column; /* 0 unknown */
};

struct csn_located {
	/* The innermost inlined function first; the last is the function that holds the code. None
	 * when nothing is known. */
	const struct csn_located_frame *frames;
	size_t n_frames;
	/* Link-time address where the function begins that holds the code. */
	bool has_entry;
	uint64_t entry;
	struct csn_callee callee; /* of the call that ends there, for return addresses */
};

/* lookups are answered ones of csn_lookup_symbols; located has as many elements. Fails only for
 * NOMEM: the arena's cap counts too. */
int csn_lookup_sources(struct csn_arena *arena, const struct csn_lookup *lookups, size_t n_lookups,
		       struct csn_located *located, struct csn_error *err) csn_must_check;

#endif
