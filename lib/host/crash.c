#include "host/crash.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "base/text.h"
#include "snapshot/document.h"
#include "spool/core_identity.h"
#include "spool/core_note.h"

#define DELETED " (deleted)"

int csn_crash_set(char **place, const char *text, struct csn_error *err)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return csn_fail_nomem(err);
	free(*place);
	*place = copy;
	return 0;
}

const char *csn_crash_signal_name(const struct csn_crash *crash)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{ SIGABRT, "SIGABRT" }, { SIGALRM, "SIGALRM" }, { SIGBUS, "SIGBUS" },
		{ SIGFPE, "SIGFPE" },   { SIGHUP, "SIGHUP" },   { SIGILL, "SIGILL" },
		{ SIGINT, "SIGINT" },   { SIGPIPE, "SIGPIPE" }, { SIGQUIT, "SIGQUIT" },
		{ SIGSEGV, "SIGSEGV" }, { SIGSYS, "SIGSYS" },   { SIGTERM, "SIGTERM" },
		{ SIGTRAP, "SIGTRAP" }, { SIGUSR1, "SIGUSR1" }, { SIGUSR2, "SIGUSR2" },
		{ SIGXCPU, "SIGXCPU" }, { SIGXFSZ, "SIGXFSZ" },
	};
	size_t i;

	for (i = 0; i < csn_countof(names); i++)
		if (names[i].number == crash->signal)
			return names[i].name;
	return "";
}

static void drop_deleted(char *path)
{
	size_t length = strlen(path), suffix = strlen(DELETED);

	if (length > suffix && strcmp(path + length - suffix, DELETED) == 0)
		path[length - suffix] = '\0';
}

static int set_exe(struct csn_crash *crash, const char *exe, const char *comm,
		   struct csn_error *err)
{
	const char *slash;
	int r;

	if (!exe || !*exe)
		return csn_crash_set(&crash->program, comm, err);
	r = csn_crash_set(&crash->exe, exe, err);
	if (r < 0 || !crash->exe)
		return r;
	drop_deleted(crash->exe);
	slash = strrchr(crash->exe, '/');
	return csn_crash_set(&crash->program, slash ? slash + 1 : crash->exe, err);
}

int csn_crash_set_user(struct csn_crash *crash, int64_t uid, struct csn_error *err)
{
	struct passwd entry, *found = NULL;
	char block[4096], number[24];

	if (uid < 0 || uid >= UINT32_MAX)
		return 0;
	crash->uid = uid;
	snprintf(number, sizeof(number), "%lld", (long long)uid);
	if (getpwuid_r((uid_t)uid, &entry, block, sizeof(block), &found) != 0)
		found = NULL;
	return csn_crash_set(&crash->user, found ? found->pw_name : number, err);
}

/* A path that is no UTF-8 stands in hex beside it; out holds the bytes. NULL when there is none. */
static const char *exe_of(const json_t *object, char out[CSN_MAX_PATH])
{
	const char *hex = csn_json_get_string(object, "exe_hex", NULL);
	size_t length = hex ? strlen(hex) / 2 : 0;

	if (!hex || length >= CSN_MAX_PATH || !csn_hex_parse(hex, out, length) ||
	    memchr(out, '\0', length))
		return csn_json_get_string(object, "exe", NULL);
	out[length] = '\0';
	return out;
}

/* The reasons for which there is less of a crash than of others of its program. */
static bool is_suppressed(const json_t *note)
{
	static const char *const reasons[] = { "rate", "spool", "share" };

	return strcmp(csn_json_get_string(note, "mode", ""), "notes") == 0 &&
	       csn_find_word(reasons, csn_countof(reasons),
			     csn_json_get_string(note, "reason", "")) >= 0;
}

static int read_note_members(struct csn_crash *crash, const json_t *note, struct csn_error *err)
{
	char bytes[CSN_MAX_PATH];
	int r = set_exe(crash, exe_of(note, bytes), csn_json_get_string(note, "comm", NULL), err);

	if (r == 0)
		r = csn_crash_set(&crash->hostname, csn_json_get_string(note, "hostname", NULL),
				  err);
	if (r == 0)
		r = csn_crash_set(&crash->container, csn_json_get_string(note, "container", NULL),
				  err);
	if (r == 0)
		r = csn_crash_set_user(crash, csn_json_get_int(note, "uid", -1), err);
	/* The helper takes no environment of a privileged process; neither do we. */
	if (r == 0 && csn_json_get_int(note, "dumpable", 0) == 1)
		r = csn_crash_set(&crash->defaults,
				  csn_json_get_string(json_object_get(note, "env"),
						      "BACKTRACE_DEFAULTS", NULL),
				  err);
	crash->suppressed = is_suppressed(note);
	crash->signal = (int)csn_json_get_int(note, "signal", 0);
	crash->time_ns = csn_json_get_int(note, "captured_ns", 0);
	if (crash->time_ns <= 0)
		crash->time_ns = csn_seconds_to_ns(csn_json_get_int(note, "time", 0));
	return r;
}

/* A core that others took has no note of ours, but the kernel's. */
static int load_identity(int core_fd, struct csn_crash *crash, struct csn_error *err)
{
	struct csn_core_identity identity;
	struct csn_error ignored;
	int r;

	if (csn_core_identify(core_fd, &identity, &ignored) < 0)
		return 0;
	crash->signal = identity.signal;
	r = set_exe(crash, identity.exe, *identity.name ? identity.name : NULL, err);
	return r == 0 ? csn_crash_set_user(crash, identity.uid, err) : r;
}

static int load_note(const struct csn_spool *spool, enum csn_stage stage, struct csn_crash *crash,
		     struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CORESNAP_NOTE);
	cleanup_json json_t *note = NULL;
	cleanup_close int fd = -1;
	struct csn_error ignored;

	if (csn_spool_open_object(spool, stage, crash->uuid, O_RDONLY, &fd, &ignored) < 0)
		return 0;
	if (csn_core_note_read(fd, &text, &ignored) < 0 ||
	    csn_json_load(csn_buf_text(&text), text.size, &note, &ignored) < 0)
		return load_identity(fd, crash, err);
	return read_note_members(crash, note, err);
}

static const char *attribute_text(const struct csn_snapshot *snapshot, const char *name)
{
	const struct csn_snapshot_attribute *found = csn_snapshot_find_attribute(snapshot, name);

	return found && found->kind == CSN_VALUE_STRING ? found->string : NULL;
}

/* The object of a spool that others filled: only the snapshot itself can say who died. */
static int load_snapshot(const struct csn_spool *spool, enum csn_stage stage,
			 struct csn_crash *crash, struct csn_error *err)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	char path[CSN_MAX_PATH];
	struct csn_error ignored;
	const char *exe;
	int r;

	csn_spool_path(spool, csn_stage_name(stage), crash->uuid, path, sizeof(path));
	if (csn_snapshot_read_file(path, &snapshot, &ignored) < 0)
		return 0;
	exe = attribute_text(snapshot, "process.path");
	r = set_exe(crash,
		    exe                   ? exe
		    : snapshot->n_modules ? snapshot->modules[0].path
					  : NULL,
		    attribute_text(snapshot, "application"), err);
	if (r == 0)
		r = csn_crash_set(&crash->hostname, attribute_text(snapshot, "hostname"), err);
	if (r == 0)
		r = csn_crash_set(&crash->container, attribute_text(snapshot, "container.id"), err);
	crash->signal = snapshot->fault.signal;
	crash->time_ns = csn_seconds_to_ns(snapshot->timestamp);
	return r;
}

struct text_row {
	const char *name;
	char **place;
};

static int read_texts(const json_t *state, const struct text_row *rows, size_t count,
		      struct csn_error *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++)
		r = csn_crash_set(rows[i].place, csn_json_get_string(state, rows[i].name, NULL),
				  err);
	return r;
}

static int read_identity(struct csn_crash *crash, const json_t *state, struct csn_error *err)
{
	const struct text_row rows[] = {
		{ "program", &crash->program },
		{ "hostname", &crash->hostname },
		{ "user", &crash->user },
		{ "container", &crash->container },
	};
	char bytes[CSN_MAX_PATH];
	int r = read_texts(state, rows, csn_countof(rows), err);

	crash->signal = (int)csn_json_get_int(state, "signal", 0);
	crash->time_ns = csn_json_get_int(state, "time_ns", 0);
	crash->uid = csn_json_get_int(state, "uid", -1);
	crash->suppressed = json_is_true(json_object_get(state, "suppressed"));
	if (r == 0)
		r = set_exe(crash, exe_of(state, bytes), crash->program, err);
	return r;
}

/* What watch mode noted when it took the core: it is of this host. */
static int read_origin(struct csn_crash *crash, const json_t *state, struct csn_error *err)
{
	const struct text_row rows[] = {
		{ "hostname", &crash->hostname },
		{ "found_at", &crash->found_at },
	};

	return read_texts(state, rows, csn_countof(rows), err);
}

static int read_failure(struct csn_crash *crash, const json_t *state, struct csn_error *err)
{
	const struct text_row rows[] = {
		{ "reason", &crash->reason },
		{ "project", &crash->project },
	};

	crash->attempts = (unsigned)csn_json_get_int(state, "attempts", 0);
	crash->blamed = (unsigned)csn_json_get_int(state, "blamed", 0);
	crash->exit_status = (int)csn_json_get_int(state, "exit_status", 0);
	crash->next_try_ns = csn_json_get_int(state, "next_try_ns", 0);
	snprintf(crash->step, sizeof(crash->step), "%s", csn_json_get_string(state, "step", ""));
	return read_texts(state, rows, csn_countof(rows), err);
}

/* The state file as JSON; NULL when there is none or it is torn. */
static json_t *load_state(const struct csn_spool *spool, const char *uuid)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_STATE_FILE);
	cleanup_json json_t *state = NULL;
	cleanup_close int fd = openat(spool->state_fd, uuid,
				      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct csn_error ignored;
	struct stat status;

	/* A FIFO of that name would be waited for. */
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
	    csn_read_fd(fd, uuid, &text, &ignored) < 0 ||
	    csn_json_load(csn_buf_text(&text), text.size, &state, &ignored) < 0 ||
	    !json_is_object(state))
		return NULL;
	return csn_take(state);
}

int csn_crash_load(const struct csn_spool *spool, enum csn_stage stage, const char *uuid,
		   struct csn_crash *ret_crash, struct csn_error *err)
{
	cleanup_json json_t *state = load_state(spool, uuid);
	struct csn_crash crash = { .uid = -1 };
	int r = 0;

	snprintf(crash.uuid, sizeof(crash.uuid), "%s", uuid);
	/* A core says more of itself than was noted; a snapshot need not be opened. */
	if (stage == CSN_STAGE_PENDING || stage == CSN_STAGE_KEPT) {
		r = load_note(spool, stage, &crash, err);
		if (r == 0 && state && json_object_get(state, "found_at"))
			r = read_origin(&crash, state, err);
	} else if (state && json_object_get(state, "exe"))
		r = read_identity(&crash, state, err);
	else if (csn_spool_has(spool, CSN_STAGE_PENDING, uuid))
		r = load_note(spool, CSN_STAGE_PENDING, &crash, err);
	else if (stage == CSN_STAGE_QUARANTINE)
		r = load_note(spool, stage, &crash, err);
	if (r == 0 && (stage == CSN_STAGE_SENDING || stage == CSN_STAGE_QUARANTINE) && !crash.exe)
		r = load_snapshot(spool, stage, &crash, err);
	if (r == 0 && state)
		r = read_failure(&crash, state, err);
	if (r < 0) {
		csn_crash_done(&crash);
		return r;
	}
	*ret_crash = crash;
	return 0;
}

int csn_crash_save(const struct csn_spool *spool, const struct csn_crash *crash,
		   struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_STATE_FILE);
	struct csn_json json = csn_json_to(&text);
	const struct {
		const char *name, *value;
	} rows[] = {
		{ "program", crash->program },     { "exe", crash->exe },
		{ "hostname", crash->hostname },   { "user", crash->user },
		{ "container", crash->container }, { "reason", crash->reason },
		{ "project", crash->project },     { "step", crash->step },
		{ "found_at", crash->found_at },
	};
	size_t i;
	int r;

	csn_json_begin_object(&json);
	for (i = 0; i < csn_countof(rows); i++)
		if (rows[i].value && *rows[i].value)
			csn_json_member_string(&json, rows[i].name, rows[i].value);
	if (crash->exe)
		csn_json_member_hex(&json, "exe_hex", crash->exe);
	csn_json_member_int(&json, "uid", crash->uid);
	csn_json_member_bool(&json, "suppressed", crash->suppressed);
	csn_json_member_int(&json, "signal", crash->signal);
	csn_json_member_int(&json, "time_ns", crash->time_ns);
	csn_json_member_uint(&json, "attempts", crash->attempts);
	csn_json_member_uint(&json, "blamed", crash->blamed);
	csn_json_member_int(&json, "exit_status", crash->exit_status);
	csn_json_member_int(&json, "next_try_ns", crash->next_try_ns);
	csn_json_end_object(&json);
	r = csn_buf_check(&text, "state", err);
	if (r < 0)
		return r;
	return csn_write_file(spool->state_fd, crash->uuid, text.data, text.size, 0600, err);
}

void csn_crash_forget(const struct csn_spool *spool, const char *uuid)
{
	(void)unlinkat(spool->state_fd, uuid, 0);
}

void csn_crash_done(struct csn_crash *crash)
{
	free(crash->exe);
	free(crash->program);
	free(crash->hostname);
	free(crash->user);
	free(crash->container);
	free(crash->defaults);
	free(crash->reason);
	free(crash->project);
	free(crash->found_at);
	*crash = (struct csn_crash){ 0 };
}
