/* Names of addresses: a batch at a time, one pass over each module's symbols.
 *
 * Collect the distinct program counters, ask once. A symbol that says its size must cover the
 * address, so code without a symbol stays nameless instead of being named after its neighbour.
 * Absence is a value: symbol is NULL. Results live in the arena. */
#ifndef CSN_SYMBOLS_LOOKUP_H
#define CSN_SYMBOLS_LOOKUP_H

#include "symbols/module.h"

struct csn_symbol {
	const char *name; /* demangled as fully as possible, UTF-8 not guaranteed */
	const char *raw;  /* as in the symbol table, version and all; == name if no mangling */
	csn_addr start;   /* target address of the symbol */
	uint64_t size;    /* 0 when the table does not say */
	bool is_nearest;  /* of no size, and functions without a symbol may lie behind it: whether
			     its code leads to the address is not known */
	struct csn_module *module;
};

struct csn_lookup {
	csn_addr pc;    /* in */
	bool is_return; /* in: pc is a return address (not innermost, caller is no signal frame):
			   looked up at pc - 1 */
	struct csn_module *module;       /* out; NULL outside of all modules */
	const struct csn_symbol *symbol; /* out; NULL nameless. Shared by equal addresses */
};

/* Fills module and symbol of every element, in any order of addresses, duplicates welcome. Fails
 * only for NOMEM: the arena's cap counts too. */
int csn_lookup_symbols(struct csn_arena *arena, struct csn_modules *modules,
		       struct csn_lookup *lookups, size_t n_lookups, struct csn_error *err)
	csn_must_check;

/* The address of a symbol by its raw name, in one module (NULL: first module that has it). False
 * when there is none. Dynamic symbols come first. */
bool csn_lookup_address(struct csn_modules *modules, struct csn_module *module, const char *name,
			csn_addr *ret_addr, uint64_t *ret_size) csn_must_check;

/* The same in the dynamic symbols of one module. */
bool csn_lookup_exported(struct csn_module *module, const char *name, csn_addr *ret_addr)
	csn_must_check;

/* Whether the raw name is one of those that a module has for the address. */
bool csn_lookup_has_name(struct csn_module *module, csn_addr addr, const char *name) csn_must_check;

#endif
