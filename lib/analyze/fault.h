/* The fault: what killed the process, in words that can be searched for.
 *
 * Decodes the signal, names what it proves (classifiers of the contract) from signal, code,
 * address, mappings, registers and the names on the faulting stack, and makes one deterministic
 * sentence of it. What is not proved is left out: wrong is worse than vague. */
#ifndef CSN_ANALYZE_FAULT_H
#define CSN_ANALYZE_FAULT_H

#include "snapshot/snapshot.h"
#include "symbols/module.h"
#include "target/target.h"

/* "SIGSEGV"; "signal 40" never: NULL for numbers without a name. */
const char *csn_signal_name(int number);
/* "SEGV_MAPERR", "SI_USER"; NULL unknown. */
const char *csn_signal_code_name(int number, int code);

/* Fills snapshot->fault, adds classifiers, sets the attributes fault.address, signal and verdict.
 * thread is the faulting one of the target, frames its stack as in the snapshot (with names),
 * modules (NULL: unknown) where the C library's last words are looked for. A live process without a
 * fault gets nothing. */
int csn_fault_analyze(struct csn_snapshot *snapshot, struct csn_target *target,
		      struct csn_modules *modules, const struct csn_thread *thread,
		      const struct csn_snapshot_thread *stack, struct csn_error *err)
	csn_must_check;

#endif
