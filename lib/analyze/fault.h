/* The fault: what killed the process, in words that can be searched for.
 *
 * Decodes the signal, names what it proves (classifiers of the contract) from signal, code,
 * address, mappings, registers and the names on the faulting stack, and makes one deterministic
 * sentence of it. What is not proved is left out: wrong is worse than vague. */
#ifndef CSN_ANALYZE_FAULT_H
#define CSN_ANALYZE_FAULT_H

#include "analyze/scene.h"

/* "SIGSEGV"; "signal 40" never: NULL for numbers without a name. */
const char *csn_signal_name(int number);
/* "SEGV_MAPERR", "SI_USER"; NULL unknown. */
const char *csn_signal_code_name(int number, int code);

/* Fills snapshot->fault, adds classifiers, sets the attributes fault.address, signal and verdict.
 * stack is that of the faulting thread as in the snapshot, with names. A live process without a
 * fault gets nothing. */
int csn_fault_analyze(const struct csn_scene *scene, const struct csn_snapshot_thread *stack,
		      struct csn_error *err) csn_must_check;

/* The signal alone: its name, code and classifier. For a fault that nobody could look into. */
int csn_fault_name(struct csn_snapshot *snapshot, const struct csn_signal *signal,
		   struct csn_error *err) csn_must_check;

#endif
