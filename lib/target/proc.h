/* /proc of a process, as a live target needs it: mappings, threads, names.
 *
 * Text of /proc is written by the kernel, except for names; every line that does not parse is
 * skipped. */
#ifndef CSN_TARGET_PROC_H
#define CSN_TARGET_PROC_H

#include "base/buf.h"
#include "target/target.h"

/* /proc/PID/<file> whole, appended to out. */
int csn_proc_read(int64_t pid, const char *file, struct csn_buf *out, struct csn_error *err)
	csn_must_check;
/* The lines of /proc/PID/maps into target->mappings (arena). */
int csn_proc_parse_maps(struct csn_target *target, const char *text, struct csn_error *err)
	csn_must_check;
/* The number behind "Name:" in the text of a status file; fallback when absent. */
int64_t csn_proc_status_number(const char *text, const char *name, int64_t fallback);
/* The number that a task has in its own pid namespace: the last behind "NSpid:"; 0 when absent. */
int64_t csn_proc_status_own_pid(const char *text);
/* Thread ids of a process into a malloc'ed array. */
int csn_proc_list_threads(int64_t pid, int64_t **ret_tids, size_t *ret_count, struct csn_error *err)
	csn_must_check;
/* State letter of a task from /proc/PID/task/TID/stat; 0 when gone. comm may be NULL. */
char csn_proc_task_state(int64_t pid, int64_t tid);
bool csn_proc_is_kernel_thread(int64_t pid);

#endif
