/* What is worth taking from a held process: the `minimal` set of contracts 3.
 *
 * In this order: the crashed thread's stack; what the kernel would write of private file mappings,
 * with the .bss behind them and small anonymous mappings (without these a debugger loses every
 * name); the other stacks; windows around words that point elsewhere. Words are followed blindly:
 * no structure of the process is known here. */
#ifndef CSN_CAPTURE_GATHER_H
#define CSN_CAPTURE_GATHER_H

#include "capture/memory.h"

/* Ranges that a debugger needs for names. */
void csn_gather_files(struct csn_capture_memory *memory);
/* Stacks of the threads [first, last). */
void csn_gather_stacks(struct csn_capture_memory *memory, size_t first, size_t last);
/* Windows, within budget_bytes (capture/windows.c). */
void csn_gather_windows(struct csn_capture_memory *memory, uint64_t budget_bytes);

#endif
