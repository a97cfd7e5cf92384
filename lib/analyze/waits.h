/* Who waits for whom: the wait graph of a process that hangs, and the thread to blame.
 *
 * Every thread that sleeps at a futex has its lock looked at; owners make the graph. A cycle of
 * waits that do not end by themselves is a deadlock. Without one, the thread to blame holds what
 * the most others wait for, and waits for no lock itself. */
#ifndef CSN_ANALYZE_WAITS_H
#define CSN_ANALYZE_WAITS_H

#include "analyze/facts.h"
#include "analyze/scene.h"

/* For processes that live, or ended by a signal that says that somebody gave up on them:
 * annotations "wait" of threads, and where there is a thread to blame the classifier hang (of what
 * is proved to hang: a deadlock, or a process that was given up from outside), the verdict and the
 * main thread, which groups. A crash that has a reason of its own is left alone. */
int csn_waits_analyze(const struct csn_scene *scene, const json_t *facts, struct csn_error *err)
	csn_must_check;

#endif
