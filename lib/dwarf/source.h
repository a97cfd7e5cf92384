/* Source positions and inlined functions of code addresses, from DWARF 2 to 5.
 *
 * Addresses first: only the units that contain one are opened, each is walked once for all its
 * addresses, and no index of the whole program is made. All addresses are link-time addresses of
 * the object: subtract the load bias first. What is broken, not understood or in an object that
 * nobody can open is absent from the answer, never an error. One thread at a time.
 *
 * Information may be spread over several objects: entries of split units are in .dwo objects or in
 * a .dwp package of them, entries and texts that several programs share in an alternate object (as
 * made by dwz). This room knows no files; it asks for these objects by callback. */
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
	CSN_DEBUG_TYPES,
	CSN_DEBUG_LOC,
	CSN_DEBUG_LOCLISTS,
	CSN_DEBUG_GDB_INDEX,
	CSN_DEBUG_NAMES,
	CSN_DEBUG_CU_INDEX,
	CSN_DEBUG_TU_INDEX,
	CSN_DEBUG_SECTIONS,
};

struct csn_dwarf;

/* How a unit names the object that has its entries. */
struct csn_dwarf_split_name {
	const char *folder; /* DW_AT_comp_dir; NULL none */
	const char *name;   /* DW_AT_dwo_name, mostly relative to the folder */
	uint64_t id;        /* csn_dwarf_has_split must find it there */
};

/* Other objects that hold a part of the information. Each callback may be NULL and answers NULL
 * when there is no such object; what it returns stays its owner's and outlives the asking one. */
struct csn_dwarf_links {
	struct csn_dwarf *(*open_split)(void *context, const struct csn_dwarf_split_name *name);
	struct csn_dwarf *(*open_alternate)(void *context);
	void *context;
};

/* How sections are had. */
struct csn_dwarf_input {
	/* At least the first size_bytes of a section, or all of it where it is smaller; failed when
	 * absent. Bytes given once stay where they are. Compressed sections need not be unpacked
	 * further than this. */
	struct csn_span (*read)(void *context, enum csn_dwarf_section section, uint64_t size_bytes);
	void *context;
	struct csn_dwarf_links links;
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

struct csn_elf_file;

/* From sections had in any other way; what input.context names must outlive it. */
int csn_dwarf_new(const struct csn_dwarf_input *input, struct csn_dwarf **ret_dwarf,
		  struct csn_error *err) csn_must_check;
/* From the sections of an object, which must outlive it; links may be NULL. NOT_FOUND: it has no
 * .debug_info. */
int csn_dwarf_open(struct csn_elf_file *file, const struct csn_dwarf_links *links,
		   struct csn_dwarf **ret_dwarf, struct csn_error *err) csn_must_check;
/* The same for a .dwo object or a .dwp package. NOT_FOUND: it has no .debug_info.dwo. */
int csn_dwarf_open_split(struct csn_elf_file *file, struct csn_dwarf **ret_dwarf,
			 struct csn_error *err) csn_must_check;
/* True when the split unit with this id (DW_AT_GNU_dwo_id, or of the header) is in the object. */
bool csn_dwarf_has_split(struct csn_dwarf *dwarf, uint64_t id);
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
