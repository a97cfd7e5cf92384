/* PLT stubs: small jumps through a table, nameless themselves. x86-64 only. */
#ifndef CSN_SYMBOLS_PLT_INTERNAL_H
#define CSN_SYMBOLS_PLT_INTERNAL_H

#include "base/arena.h"
#include "elf/file.h"

#define CSN_PLT_SECTIONS 4
#define CSN_PLT_RELOCATIONS 8

/* Where the stubs of one object are, found once for all its addresses. */
struct csn_plt {
	struct csn_elf_file *elf; /* borrowed; NULL: no stubs */
	struct csn_elf_section stubs[CSN_PLT_SECTIONS];
	struct csn_elf_section relocations[CSN_PLT_RELOCATIONS];
	struct csn_elf_symbols symbols;
	unsigned n_stubs, n_relocations;
};

/* elf may be NULL. */
void csn_plt_init(struct csn_plt *plt, struct csn_elf_file *elf);

/* "name@plt" when link-time address lies in a stub whose target a relocation names, and the
 * stub's start; NULL otherwise. */
const char *csn_plt_name(struct csn_arena *arena, const struct csn_plt *plt, uint64_t address,
			 uint64_t *ret_start);

#endif
