/* What a program of Rust or Go said when it gave up, read from what its run time left on the stack.
 *
 * No debug information is used: the run times are known by the names of their functions, and what
 * they said by how it is stored (rustc 1.63 and alike; Go from 1.17 on, x86-64). What is found in
 * more than one way, or not for certain, is not told. No state, any thread. */
#ifndef CSN_ANALYZE_PANIC_H
#define CSN_ANALYZE_PANIC_H

#include "analyze/scene.h"

/* "panic: index out of bounds: the len is 3 but the index is 7", "fatal error: all goroutines are
 * asleep - deadlock!"; escaped, cut, in the snapshot's arena. NULL: not known. */
const char *csn_rust_panic_describe(const struct csn_scene *scene);
const char *csn_go_panic_describe(const struct csn_scene *scene);

#endif
