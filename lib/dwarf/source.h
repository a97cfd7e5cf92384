/* Source positions and inlined functions of code addresses, from DWARF 2 to 5.
 *
 * Addresses first: only the units that contain one are opened, each is walked once for all its
 * addresses, and no index of the whole program is made. All addresses are link-time addresses of
 * the object: subtract the load bias first. What is broken or not understood (split units, the
 * alternate files of dwz) is absent from the answer, never an error. One thread at a time. */
#ifndef CSN_DWARF_SOURCE_H
#define CSN_DWARF_SOURCE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/span.h"

enum csn_dwarf_section {
	CSN_DEBUG_INFO,
	CSN_DEBUG_ABBREV,
	CSN_DEBUG_LINE,
	CSN_DEBUG_STR,
	CSN_DEBUG_LINE_STR,
	CSN_DEBUG_STR_OFFSETS,
	CSN_DEBUG_ADDR,
	CSN_DEBUG_RANGES,
	CSN_DEBUG_RNGLISTS,
	CSN_DEBUG_ARANGES,
	CSN_DEBUG_SECTIONS,
};

/* How sections are had. */
struct csn_dwarf_input {
	/* At least the first size_bytes of a section, or all of it where it is smaller; failed when
	 * absent. Bytes given once stay where they are. Compressed sections need not be unpacked
	 * further than this. */
	struct csn_span (*read)(void *context, enum csn_dwarf_section section, uint64_t size_bytes);
	void *context;
};

/* A function around an address and the position in it. */
struct csn_source_frame {
	const char *name;         /* with its scopes ("ns::f"), no parameters; NULL unknown */
	const char *linkage_name; /* mangled; NULL none */
	const char *path;      /* as compiled: relative to the compilation's folder; NULL unknown */
	uint32_t line, column; /* 0 unknown */
};

/* Whom a call calls. */
enum csn_callee_kind {
	CSN_CALLEE_NONE,    /* no call is known there */
	CSN_CALLEE_UNKNOWN, /* there is a call, through a register or memory */
	CSN_CALLEE_ADDRESS, /* the function that begins at address */
	CSN_CALLEE_NAME,    /* the function with this name for the linker */
};

struct csn_callee {
	enum csn_callee_kind kind;
	uint64_t address; /* link-time */
	const char *name; /* borrowed like all texts; NULL but for CSN_CALLEE_NAME */
};

struct csn_source {
	uint64_t address; /* in */
	/* Out: the innermost inlined function first, the function that holds the code last; none:
	 * nothing is known. */
	const struct csn_source_frame *frames;
	size_t n_frames;
	/* Of the function that holds the code. */
	bool has_entry;
	uint64_t entry;
	struct csn_callee callee; /* of the call that ends behind the address */
};

/* A call that is a jump: when its callee runs, the function that has it is not on the stack. */
struct csn_tail_call {
	uint64_t address; /* behind the jump; its own when that is all that is known */
	bool at_jump;     /* address is the jump's own */
	struct csn_callee callee;
};

struct csn_tail_calls {
	uint64_t entry; /* in: where a function begins */
	bool known;     /* out: one does begin there */
	/* Out: all its tail calls, or none when the debug information does not claim that it lists
	 * them all. */
	const struct csn_tail_call *calls;
	size_t n_calls;
};

struct csn_dwarf;
struct csn_elf_file;

/* From sections had in any other way; what input.context names must outlive it. */
int csn_dwarf_new(const struct csn_dwarf_input *input, struct csn_dwarf **ret_dwarf,
		  struct csn_error *err) csn_must_check;
/* From the sections of an object, which must outlive it. NOT_FOUND: it has no .debug_info. */
int csn_dwarf_open(struct csn_elf_file *file, struct csn_dwarf **ret_dwarf, struct csn_error *err)
	csn_must_check;
void csn_dwarf_free(struct csn_dwarf *dwarf);
void csn_dwarf_freep(struct csn_dwarf **dwarf);

/* Answers all addresses, which are sorted and distinct. Results live in the arena, but for texts,
 * which may be borrowed from the sections or live as long as the csn_dwarf. Fails only for NOMEM:
 * the arena's cap counts too. */
int csn_dwarf_locate(struct csn_arena *arena, struct csn_dwarf *dwarf, struct csn_source *sources,
		     size_t n_sources, struct csn_error *err) csn_must_check;
/* The same for tail calls of functions. */
int csn_dwarf_tail_calls(struct csn_arena *arena, struct csn_dwarf *dwarf,
			 struct csn_tail_calls *functions, size_t n_functions,
			 struct csn_error *err) csn_must_check;

#endif
