/* PLT stubs: small jumps through a table, nameless themselves. x86-64 only. */
#ifndef CSN_SYMBOLS_PLT_INTERNAL_H
#define CSN_SYMBOLS_PLT_INTERNAL_H

#include "base/arena.h"
#include "elf/file.h"

/* "name@plt" when link-time address lies in a stub whose target a relocation names, and the
 * stub's start; NULL otherwise. */
const char *csn_plt_name(struct csn_arena *arena, struct csn_elf_file *elf, uint64_t address,
			 uint64_t *ret_start);

#endif
