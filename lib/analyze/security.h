/* Traces of somebody who changes the program: what --security looks for.
 *
 * Memory that is both writable and executable, code that differs from the file it came from, and
 * pointers of the dynamic linker (entries of global offset tables, constructors) that lead out of
 * all code. A finding is a fact about memory, not a judgement: debuggers and tracers patch code
 * too. Memory that is executable and of no file, as compilers at run time make it, is counted and
 * told, but no finding. */
#ifndef CSN_ANALYZE_SECURITY_H
#define CSN_ANALYZE_SECURITY_H

#include "analyze/scene.h"

/* Adds annotations "security", one per finding, and the attributes security.findings,
 * security.generated.bytes and security.unchecked (modules whose file could not be compared). Takes
 * a few seconds at most; what is left out then is told. */
int csn_security_analyze(const struct csn_scene *scene, struct csn_error *err) csn_must_check;

#endif
