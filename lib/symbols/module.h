/* Modules: which ELF object lies where in the process, and which file may speak for it.
 *
 * The table is made from the file mappings (NT_FILE or /proc/PID/maps) and from the ELF headers in
 * the process's own memory; no file is touched until a module is asked something. Then the file is
 * looked for and compared with the memory: a file that is not the one that was mapped is reported
 * and never used. What the file does not give (names, sometimes CFI) comes from its debug file.
 *
 * Everything belongs to the table and lives until csn_modules_free. One thread at a time. */
#ifndef CSN_SYMBOLS_MODULE_H
#define CSN_SYMBOLS_MODULE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/opener.h"
#include "base/progress.h"
#include "dwarf/cfi.h"
#include "dwarf/source.h"
#include "elf/file.h"

/* One file mapping, as the target tells it; a " (deleted)" may or may not still be on the path. */
struct csn_module_mapping {
	csn_addr start, end;
	uint64_t offset; /* into the file, bytes */
	const char *path;
	bool deleted;          /* the path ended in " (deleted)", cut off by the target */
	bool maybe_executable; /* true also when permissions are not known */
};

struct csn_modules_input {
	const struct csn_module_mapping *mappings; /* sorted by start; copied */
	size_t n_mappings;
	/* Reads up to size_bytes at addr from the process (never from files); returns the number
	 * of bytes from addr on that are there. */
	size_t (*read)(void *context, csn_addr addr, void *data, size_t size_bytes);
	void *context;
	csn_addr vdso;  /* AT_SYSINFO_EHDR; 0 none */
	csn_addr entry; /* AT_ENTRY: marks the main program; 0 unknown */
	const char
		*executable; /* file given for the main program, instead of its path; may be NULL */
	const char *
		sysroot; /* folder that paths of the process are looked for in first; may be NULL */
	uint16_t machine;   /* EM_... of the process: files of another are never used; 0 any */
	bool is_64;         /* class of the process, with machine */
	const char *assets; /* folder with files named by build-id, searched first; may be NULL */
	const char *debug_root;          /* NULL: usr/lib/debug below the sysroot or the root */
	const struct csn_opener *opener; /* of all files, outlives the modules; NULL: opened here */
	bool keep_answers; /* the opener has a cache: of what earlier runs answered (answers.h) */
	bool no_files;     /* use process memory only */
	struct csn_progress_sink progress; /* hears which module is looked into */
	/* Asked last: a file by build-id (its executable, or its debug information), from
	 * elsewhere. name is for messages. Returns a descriptor, which is taken, and where its file
	 * lies, for people; or -1. May be NULL. */
	int (*fetch)(void *fetch_context, bool executable, const uint8_t *build_id,
		     size_t size_bytes, const char *name, char ret_path[CSN_MAX_PATH]);
	/* A fetched file was not the one: it is not used. NULL when fetch is. */
	void (*refused)(void *fetch_context, const char *name);
	void *fetch_context;
};

/* Who speaks for the module. */
enum csn_module_state {
	CSN_MODULE_OK,       /* the file on disk (or in assets) */
	CSN_MODULE_MISMATCH, /* there is a file, but another one: not used; memory pages are */
	CSN_MODULE_MISSING,  /* no file and nothing useful in memory */
	CSN_MODULE_MEMORY,   /* no file; its pages in the core or process are used (vdso too) */
};

/* How the file was found to be the right one. */
enum csn_module_proof {
	CSN_PROOF_NONE, /* nothing to compare (memory lacks the header page): used all the same */
	CSN_PROOF_BUILD_ID, /* equal build-ids */
	CSN_PROOF_HEADERS,  /* no build-id; file header and program headers are equal */
};

struct csn_module {
	const char *path; /* of the mapping, without " (deleted)"; "[vdso]" */
	const char *name; /* its last part */
	bool deleted, is_vdso, is_main;
	csn_addr start, end; /* lowest and highest mapped address, [start, end) */
	csn_addr bias; /* add to link-time addresses; settled by csn_module_load at the latest */
	bool bias_known;
	uint8_t build_id[CSN_MAX_BUILD_ID]; /* of what was mapped, from memory; else of the file */
	size_t build_id_size;               /* 0: none or unknown */
	/* Filled by csn_module_load: */
	enum csn_module_state state;
	enum csn_module_proof proof;
	const char *file;   /* path of the file used; NULL none */
	const char *reason; /* one sentence when state is not OK: what was found instead; or NULL */
	/* One sentence about a debug file that was found and not used, or named and not found;
	 * NULL. Complete when the module has been asked everything. */
	const char *refused;
	struct csn_module_impl *impl;
};

struct csn_modules;

/* Modules from the maps of the input, which must outlive them. No file is opened yet. */
int csn_modules_new(const struct csn_modules_input *input, struct csn_modules **ret_modules,
		    struct csn_error *err) csn_must_check;
void csn_modules_free(struct csn_modules *modules);
void csn_modules_freep(struct csn_modules **modules);

/* Keeps what was answered for later runs, if there is a cache. Never fails. */
void csn_modules_save(struct csn_modules *modules);

/* Sorted by start. */
size_t csn_modules_count(const struct csn_modules *modules);
struct csn_module *csn_modules_get(struct csn_modules *modules, size_t index);
/* The module whose range holds addr; NULL when none. */
struct csn_module *csn_modules_find(struct csn_modules *modules, csn_addr addr);
/* The main program; NULL unknown. */
struct csn_module *csn_modules_main(struct csn_modules *modules);

/* Finds the files and the debug files of all of them (not those that would have to be fetched),
 * which is cheaper than one by one. */
void csn_modules_load_all(struct csn_modules *modules);
/* Finds and checks the file, once. Never fails: state says how it went. */
enum csn_module_state csn_module_load(struct csn_module *module);
/* The object to read from: the file or the memory image; loads. NULL when MISSING. */
struct csn_elf_file *csn_module_elf(struct csn_module *module);
/* The separate debug file, searched on first use: by build-id (in assets, then below the debug
 * root), then by debug link, and last fetched; NULL none. */
struct csn_elf_file *csn_module_debug_elf(struct csn_module *module);
/* The same, but what would have to be fetched is left out: for looks at every module there is. */
struct csn_elf_file *csn_module_local_debug_elf(struct csn_module *module);
/* Path of the debug file in use or at hand; NULL none. */
const char *csn_module_debug_path(struct csn_module *module);

/* The debug information of the module's file, or else of its debug file; NULL none. What is in
 * further files (.dwo, .dwp, the alternate file of dwz) is found when it is needed. */
struct csn_dwarf *csn_module_dwarf(struct csn_module *module);

/* The CFI row for a target address inside the module, from its .eh_frame or .debug_frame, or from
 * the debug file's .debug_frame. Addresses in the row are link-time: add module->bias. */
enum csn_cfi_answer csn_module_find_row(struct csn_module *module, csn_addr addr,
					struct csn_cfi_row *ret_row) csn_must_check;

/* Bytes of the module's verified file for a target address in one of its segments that the program
 * cannot write; returns how many were copied, 0 when there is no such file. This is what a target
 * may use for pages that were left out of a core. */
size_t csn_module_read_file(struct csn_module *module, csn_addr addr, void *data,
			    size_t size_bytes);

/* "ok", "mismatch", "missing", "memory". */
const char *csn_module_state_name(enum csn_module_state state);

#endif
