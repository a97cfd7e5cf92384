/* The line table that every Go program carries (.gopclntab): functions, files, lines, inlined
 * functions and the depth of the stack by program counter. The runtime itself needs it to collect
 * garbage, so it survives -ldflags='-s -w' and strip.
 *
 * Read are its four versions: Go 1.2 to 1.15, 1.16 and 1.17, 1.18 and 1.19, 1.20 and later (inlined
 * functions from 1.16 on). The layout is that of Go's runtime/symtab.go and cmd/link/internal/ld/
 * pcln.go. Little-endian only, as the rest of us. All addresses are link-time addresses. What is
 * broken is absent from the answer. Nothing is allocated; texts are borrowed from the bytes. */
#ifndef CSN_SYMBOLS_PCLNTAB_H
#define CSN_SYMBOLS_PCLNTAB_H

#include "base/span.h"

/* The header's bytes, as far as they are needed to know one. */
#define CSN_PCLNTAB_HEAD 8

enum csn_pclntab_version {
	CSN_PCLNTAB_1_2,
	CSN_PCLNTAB_1_16,
	CSN_PCLNTAB_1_18,
	CSN_PCLNTAB_1_20,
};

struct csn_pclntab {
	enum csn_pclntab_version version;
	unsigned word_bytes;                 /* of a pointer: 4 or 8 */
	unsigned quantum;                    /* bytes of the shortest instruction */
	uint64_t n_functions, text;          /* text: what function starts count from */
	uint64_t names_offset, files_offset; /* of the parts, from the header on */
	struct csn_span names, units, files, values, functions;
	/* Where inline trees are, go.func.* (before 1.18: all read-only data), and what their
	 * places count from; failed: unknown */
	struct csn_span trees;
	uint64_t trees_address;
	uint64_t steps_left; /* through tables of values, over all questions */
};

struct csn_pclntab_function {
	const char *name; /* "main.(*node).walk"; never NULL */
	uint64_t start, end;
	bool is_top;    /* nothing called it */
	bool writes_sp; /* it moves to another stack: depth is not the whole truth */
	uint32_t stack_table, file_table, line_table, unit; /* of the function's record */
	uint32_t n_tables;                                  /* further tables of values */
	uint32_t n_data;
	struct csn_span data; /* the record behind its fixed part: tables, then data */
};

/* A function around an address and the position in it. */
struct csn_pclntab_frame {
	const char *name, *path; /* path: NULL unknown */
	uint32_t line;           /* 0 unknown */
};

/* Do these bytes begin a table? */
bool csn_pclntab_is_head(const uint8_t *bytes, size_t size_bytes);

/* bytes run from the header on, to the table's end or beyond, and must outlive the answer. text is
 * where the code begins, used when the header does not say it (from 1.18 on): 0 unknown. False:
 * not a table. */
bool csn_pclntab_open(const struct csn_span *bytes, uint64_t text, struct csn_pclntab *ret_table)
	csn_must_check;

/* The function that holds the address; false when none does. */
bool csn_pclntab_find(const struct csn_pclntab *table, uint64_t address,
		      struct csn_pclntab_function *ret_function) csn_must_check;

/* Frames at an address inside of the function: inlined functions first, innermost first, and the
 * function itself last. At most max, which is at least 1; returns how many. */
size_t csn_pclntab_frames(struct csn_pclntab *table, const struct csn_pclntab_function *function,
			  uint64_t address, struct csn_pclntab_frame *frames, size_t max);

/* Bytes between the stack pointer at the address and where it was when the function began; false
 * when the table does not say. */
bool csn_pclntab_depth(struct csn_pclntab *table, const struct csn_pclntab_function *function,
		       uint64_t address, uint32_t *ret_depth) csn_must_check;

#endif
