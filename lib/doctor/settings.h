/* Settings of other programs that decide about core dumps: sysctl.d, limits.conf, /proc/PID/limits,
 * systemd's DefaultLimitCORE. Pure readers of text; what they do not understand they skip. */
#ifndef CSN_DOCTOR_SETTINGS_H
#define CSN_DOCTOR_SETTINGS_H

#include <sys/types.h>

#include "base/types.h"

/* Takes the next line (cut at line_size - 1, without its end) and moves *text behind it. False at
 * the end. */
bool csn_settings_next_line(const char **text, const char *end, char *line, size_t line_size);

/* ---- sysctl.d(5) ---- */

#define CSN_MAX_SETTINGS 8

struct csn_setting {
	char path[512];
	char value[128];
};

/* The value that a sysctl file gives the key ("kernel.core_pattern", dots or slashes alike); the
 * last line of several. False when it gives none. */
bool csn_sysctl_find(const char *text, size_t size, const char *key, char *value,
		     size_t value_size);
/* Every file that gives the key a value, by the rule of sysctl.d: of files of one name the one in
 * the first folder counts. folders ends with NULL; extra is one more file. Returns how many. */
size_t csn_settings_find(const char *const *folders, const char *extra, const char *key,
			 struct csn_setting found[CSN_MAX_SETTINGS]);

/* ---- core file size limits, in bytes ---- */

#define CSN_UNLIMITED UINT64_MAX

struct csn_core_limit {
	uint64_t soft, hard;
};

/* From the text of /proc/PID/limits. False when the line is not there. */
bool csn_core_limit_of_process(const char *text, size_t size, struct csn_core_limit *ret_limit);
/* "infinity", "0", "1G", "0:infinity": systemd's DefaultLimitCORE= in a file's [Manager] section;
 * the last line of several. False when there is none. */
bool csn_core_limit_of_systemd(const char *text, size_t size, struct csn_core_limit *ret_limit);

/* Who logs in, for limits.conf(5). */
struct csn_limits_person {
	const char *name;
	uid_t uid;
	gid_t gid;
	const char *const *groups; /* names, NULL-terminated */
};

/* What limits.conf and limits.d said so far; begin with zeroes. rank: how near the line that
 * decided was (1 everybody, 2 a group, 3 the user), 0 none; index 0 soft, 1 hard. */
struct csn_limits_state {
	struct csn_core_limit limit;
	int rank[2];
	char line[2][128]; /* that decided */
};

/* Takes the lines of one file, in the order in which pam_limits reads files. */
void csn_limits_conf_read(const char *text, size_t size, const struct csn_limits_person *person,
			  struct csn_limits_state *state);

#endif
