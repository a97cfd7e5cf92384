/* Texts of /proc as members of a JSON object, in the shape of docs/formats/coresnap-note.md.
 *
 * One reading of the kernel's formats for both who need it: the helper, of texts it took while a
 * process was held, and the engine, of a live process. Texts are NUL-terminated and borrowed; NULL
 * is a file that could not be read and puts nothing. They come from the kernel but hold names that
 * the process chose, so nothing in them is trusted. The JSON object must be open. */
#ifndef CSN_TARGET_PROC_JSON_H
#define CSN_TARGET_PROC_JSON_H

#include "base/json.h"
#include "base/types.h"

/* "Name:  value" lines (status, meminfo, io) as one object. numbers_only: leaves texts out. */
void csn_proc_put_lines(struct csn_json *json, const char *member, const char *text,
			bool numbers_only);
/* /proc/PID/stat as "stat", under the names of proc(5); and "clk_tck", "page_size". */
void csn_proc_put_stat(struct csn_json *json, const char *text);
/* /proc/PID/limits as "limits": [soft, hard], null for unlimited. */
void csn_proc_put_limits(struct csn_json *json, const char *text);
/* /proc/PID/sched as "sched", numbers only. */
void csn_proc_put_sched(struct csn_json *json, const char *text);
/* A text that is one number. */
void csn_proc_put_number(struct csn_json *json, const char *member, const char *text);
/* Up to max numbers separated by blanks, as an array. */
void csn_proc_put_list(struct csn_json *json, const char *member, const char *text, unsigned max);
/* "cpu", "system" and "loadavg" of the whole machine, read now. */
void csn_proc_put_machine(struct csn_json *json);

/* Field number (as proc(5) counts, from 3 on) of a stat text; false when missing. */
bool csn_proc_stat_field(const char *stat, unsigned number, int64_t *ret_value);

#endif
