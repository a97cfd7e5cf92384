/* The C++ exception that nobody caught: its type, and what() where the library keeps it.
 *
 * The exception objects of libstdc++ begin with a header that has a mark of eight bytes (Itanium
 * C++ ABI, exception handling, 2.2.1); while it is being thrown the stack near its end points to
 * it. Only an exception that is in hand (its handler count is positive, as std::terminate leaves
 * it) and the only one of its kind there counts. 64-bit programs only. No state, any thread. */
#ifndef CSN_ANALYZE_EXCEPTION_H
#define CSN_ANALYZE_EXCEPTION_H

#include "base/arena.h"
#include "target/target.h"

/* "std::out_of_range (\"no item 7\")", in the arena; NULL when it cannot be told. sp: where the
 * stack of the thread that died ends. */
const char *csn_exception_describe(struct csn_arena *arena, struct csn_target *target,
				   const struct csn_registers *registers);

#endif
