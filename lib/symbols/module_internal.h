/* What the files of this room share about a module: module.c makes the table from mappings and
 * memory, module_file.c finds and checks files, debug_file.c the separate debug file, debug_parts.c
 * the files that debug information is spread over. */
#ifndef CSN_SYMBOLS_MODULE_INTERNAL_H
#define CSN_SYMBOLS_MODULE_INTERNAL_H

#include "base/local_files.h"
#include "symbols/answers.h"
#include "symbols/module.h"

/* Bytes read from the beginning of a module in memory: file header, program headers and, as
 * linkers lay files out, the notes. */
#define CSN_MODULE_HEAD_BYTES 4096

/* Places where a file is looked for that debug information is spread over. */
#define CSN_MODULE_PLACES 5

struct csn_modules {
	struct csn_arena *arena;
	struct csn_modules_input input; /* strings copied; mappings not kept */
	struct csn_local_files local;
	struct csn_opener opened_here; /* when the input has none */
	const char *debug_root;
	struct csn_module **modules; /* sorted by start */
	size_t n_modules, capacity;
	struct csn_module *main;
	const struct csn_module *last; /* found by csn_modules_find */
	size_t last_index;
};

struct csn_module_impl {
	struct csn_modules *modules;
	/* One mapping whose offset is known, for the bias: the lowest. */
	csn_addr first_start;
	uint64_t first_offset;
	bool maybe_executable, not_elf;
	struct csn_span head; /* in the arena; failed when memory does not have it */
	struct csn_elf_header header;
	bool has_header; /* head begins with an ELF header */

	bool loaded;
	struct csn_elf_file *elf; /* owned: file or image */
	bool debug_id_tried, debug_tried, debug_fetched;
	struct csn_elf_file *debug_elf; /* owned */
	const char *debug_path;
	struct csn_cfi *cfi, *debug_cfi; /* owned */
	bool cfi_tried, debug_cfi_tried;
	struct csn_dwarf *dwarf; /* owned */
	bool dwarf_tried, packages_tried;
	struct csn_elf_file *dwarf_elf; /* the one that dwarf reads */
	const char *dwarf_path;         /* its path; NULL none */
	struct csn_debug_part *parts;   /* owned; all that are open, packages too */
	unsigned n_parts;
	struct csn_debug_part *packages[CSN_MODULE_PLACES];
	size_t n_packages;
	struct csn_elf_file *alternate_elf; /* owned */
	struct csn_dwarf *alternate;        /* owned */
	struct csn_answers *answers;        /* owned */
	bool answers_tried;
	struct csn_pclntab *go; /* in the arena; see golang.c */
	bool go_tried;
};

/* Tells the sink what is done with the module. */
void csn_module_tell(const struct csn_module *module, const char *phase);
/* Reads the target's memory; returns the bytes that could be read, from the first on. */
size_t csn_module_read_memory(const struct csn_module *module, csn_addr addr, void *data,
			      size_t size_bytes);
/* bias such that the bytes at offset of the file are at addr; false when no segment has them. */
bool csn_module_bias_of(const struct csn_elf_header *header, const struct csn_span *image,
			csn_addr addr, uint64_t offset, csn_addr *ret_bias) csn_must_check;
/* Opens the object of a module's pages in memory; NULL when they are not there. */
struct csn_elf_file *csn_module_open_image(const struct csn_module *module);
/* Sets impl->elf and what csn_module_load promises. */
void csn_module_find_file(struct csn_module *module);
/* Sets impl->debug_elf and impl->debug_path. */
void csn_module_find_debug(struct csn_module *module);
/* Its first step: by build-id alone. */
void csn_module_find_debug_by_id(struct csn_module *module);
/* Where the debug link may lead, for files of one name; returns how many places. */
#define CSN_MODULE_LINK_PLACES 5
size_t csn_module_link_places(struct csn_module *module, const char *name,
			      const char *ret_places[CSN_MODULE_LINK_PLACES]);
/* What earlier runs answered about the module; NULL when there is no cache, or no file and build-id
 * that could prove that it speaks of this module. */
struct csn_answers *csn_module_answers(struct csn_module *module);
/* What was not known once may be known elsewhere now. */
static inline bool csn_module_can_fetch(const struct csn_module *module)
{
	return module->impl->modules->input.fetch != NULL;
}

static inline const struct csn_opener *csn_module_opener(const struct csn_module *module)
{
	return module->impl->modules->input.opener;
}

/* fetch.c: the module's own file, or its debug file, from elsewhere; NULL none, or another one than
 * was asked for. *ret_path is where it is, in the arena. */
struct csn_elf_file *csn_module_fetch(struct csn_module *module, bool executable,
				      const char **ret_path);
/* Keeps, as the module's, the first sentence about a debug file that was there and not used. */
void csn_module_refuse(struct csn_module *module, const char *format, ...) csn_printf(2, 3);
/* Path by build-id below the debug root; NULL for ids that are no ids, or without memory. */
const char *csn_build_id_path(struct csn_modules *modules, const uint8_t *id, size_t size_bytes,
			      const char *suffix);
/* Path of a file of the dead by the module's build-id; NULL when there are none. */
const char *csn_module_asset_path(const struct csn_module *module, const char *suffix);
/* Opens the debug information of an object as the module's, with the files that it is spread over;
 * path may be NULL. False when it has none. */
bool csn_module_open_dwarf(struct csn_module *module, struct csn_elf_file *elf, const char *path);
/* Frees all of that. */
void csn_module_close_dwarf(struct csn_module *module);
/* True when the object has exactly this module's build-id. */
bool csn_module_has_build_id(const struct csn_module *module, const struct csn_elf_file *elf);

#endif
