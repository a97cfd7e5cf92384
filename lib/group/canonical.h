/* Canonical function names: one name for one source function, whatever the compiler made of it.
 *
 * Dropped: argument lists, template arguments, return types, qualifiers, ABI tags, symbol versions,
 * clone suffixes, Rust hashes, lambda numbers, and for the C library internal aliases and CPU
 * variants. Mangled names are demangled first. Names of managed languages are not for this. Pure;
 * any thread. */
#ifndef CSN_GROUP_CANONICAL_H
#define CSN_GROUP_CANONICAL_H

#include "base/arena.h"
#include "base/buf.h"

enum csn_rewrite {
	CSN_REWRITE_DEMANGLED = 1 << 0,
	CSN_REWRITE_ARGUMENTS = 1 << 1,
	CSN_REWRITE_TEMPLATES = 1 << 2,
	CSN_REWRITE_RETURN_TYPE = 1 << 3,
	CSN_REWRITE_QUALIFIERS = 1 << 4,
	CSN_REWRITE_ABI_TAG = 1 << 5,
	CSN_REWRITE_VERSION = 1 << 6,
	CSN_REWRITE_CLONE = 1 << 7,
	CSN_REWRITE_RUST_HASH = 1 << 8,
	CSN_REWRITE_LAMBDA = 1 << 9,
	CSN_REWRITE_LIBC_ALIAS = 1 << 10,
	CSN_REWRITE_CPU_VARIANT = 1 << 11,
};

/* module: file name of the object, NULL unknown. NULL when the arena is full. A name that cannot
 * be understood comes back as it is; never empty unless the input is. ret_rewrites may be NULL. */
char *csn_canonical_name(struct csn_arena *arena, const char *name, const char *module,
			 unsigned *ret_rewrites) csn_must_check;

/* "arguments, templates"; nothing for 0. */
void csn_rewrites_write(unsigned rewrites, struct csn_buf *out);

#endif
