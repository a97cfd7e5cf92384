/* Demangling: C++ (Itanium), Rust (v0 and legacy), D, Go (escaped import paths).
 *
 * Names come from hostile files: lengths in and out are capped, recursion is bounded by the
 * library. Legacy Rust hashes (::h0123456789abcdef) are dropped. No state, any thread. */
#ifndef CSN_SYMBOLS_DEMANGLE_H
#define CSN_SYMBOLS_DEMANGLE_H

#include "base/arena.h"

/* Names that have none of these are not Go's escaped ones. */
#define CSN_GO_ESCAPES "%\xc2\xe2"

/* The readable form, in the arena; NULL when raw is not mangled, too long, or memory is out. A
 * symbol version ("@@GLIBC_2.34") is not part of the answer. */
const char *csn_demangle(struct csn_arena *arena, const char *raw);

#endif
