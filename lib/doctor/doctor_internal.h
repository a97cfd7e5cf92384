/* What the checks of the doctor share. */
#ifndef CSN_DOCTOR_DOCTOR_INTERNAL_H
#define CSN_DOCTOR_DOCTOR_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "conf/coroner_cf.h"
#include "doctor/doctor.h"
#include "host/core_pattern.h"
#include "host/host.h"

struct csn_doctor {
	const struct csn_doctor_options *options;
	struct csn_host host; /* with the built-in configuration when the file's is broken */
	struct csn_error conf_error, spool_error; /* why not, where has_... is false */
	struct csn_arena *arena;
	const char *self; /* this command with its options, quoted: "/opt/.../coresnap" */
	const char *check;
	enum csn_doctor_level worst;
	bool is_root, has_conf, has_spool, has_cf, has_pattern;
	uid_t uid, gid; /* who works on the spool */
	struct csn_core_pattern pattern;
	struct csn_coroner_cf cf;
};

/* Reports a finding of the running check; mend may be NULL. */
void doctor_say(struct csn_doctor *doctor, enum csn_doctor_level level, const char *mend,
		const char *format, ...) csn_printf(4, 5);
/* Text that lives as long as the doctor; never NULL. */
const char *doctor_text(struct csn_doctor *doctor, const char *format, ...) csn_printf(2, 3);
/* One word, or a command line, as it can be pasted into a shell. */
const char *doctor_quote(struct csn_doctor *doctor, const char *word);
const char *doctor_quote_command(struct csn_doctor *doctor, const char *const *argv);
/* "<name>", or "user 998". */
const char *doctor_user_name(struct csn_doctor *doctor, uid_t uid);
const char *doctor_group_name(struct csn_doctor *doctor, gid_t gid);
/* The command that starts or restarts the daemon here; verb is "start" or "restart". */
const char *doctor_service(struct csn_doctor *doctor, const char *verb);

/* True when core_pattern is a file in a folder that is watched (watch.path). */
bool doctor_is_watched(const struct csn_doctor *doctor);
/* Tells the proxies that the daemon goes through, and makes them those of the requests to come;
 * without a daemon those of this environment hold. True when there are any. */
bool doctor_take_proxies(struct csn_doctor *doctor);
/* The command that has a token made and puts it into coroner.cf. */
const char *doctor_make_token(struct csn_doctor *doctor, const char *project);

/* The first line of a small file of /proc or /sys; false, and out as it was, when it cannot be
 * read. */
bool doctor_read_line(const char *path, char *out, size_t out_size);
/* All of a file of at most CSN_MAX_CONFIG_FILE. False when it cannot be read. */
bool doctor_read_text(const char *path, struct csn_buf *text);

/* Runs fn in a child that has become this user for good and has ten seconds. What it writes to its
 * standard output goes to out (may be NULL). Returns its exit status, 128 + signal, or -1 when
 * there could be no such child (not root and somebody else). */
int doctor_run_as(uid_t uid, gid_t gid, int (*fn)(void *context), void *context,
		  struct csn_buf *out);
/* Whether that user may do this (R_OK, X_OK) with the path; 0, or an errno. */
int doctor_access_as(uid_t uid, gid_t gid, const char *path, int mode);
/* The first line that "<path> --version" prints when that user runs it; "" for none. */
const char *doctor_version_of(struct csn_doctor *doctor, const char *path);

/* The checks (doctor.c has their table). */
void doctor_check_rights(struct csn_doctor *doctor);
void doctor_check_configuration(struct csn_doctor *doctor);
void doctor_check_helper(struct csn_doctor *doctor);
void doctor_check_core_pattern(struct csn_doctor *doctor);
void doctor_check_watch(struct csn_doctor *doctor);
void doctor_check_boot(struct csn_doctor *doctor);
void doctor_check_container(struct csn_doctor *doctor);
void doctor_check_kernel(struct csn_doctor *doctor);
void doctor_check_limits(struct csn_doctor *doctor);
void doctor_check_privileges(struct csn_doctor *doctor);
void doctor_check_policy(struct csn_doctor *doctor);
void doctor_check_spool(struct csn_doctor *doctor);
void doctor_check_space(struct csn_doctor *doctor);
void doctor_check_programs(struct csn_doctor *doctor);
void doctor_check_coroner_cf(struct csn_doctor *doctor);
void doctor_check_tokens(struct csn_doctor *doctor);
void doctor_check_server(struct csn_doctor *doctor);
void doctor_check_ports(struct csn_doctor *doctor);
void doctor_check_daemon(struct csn_doctor *doctor);
void doctor_check_failing(struct csn_doctor *doctor);
void doctor_check_log(struct csn_doctor *doctor);
void doctor_check_canary(struct csn_doctor *doctor);

#endif
