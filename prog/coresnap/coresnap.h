/* coresnap: what its commands share. */
#ifndef CORESNAP_CORESNAP_H
#define CORESNAP_CORESNAP_H

#include "base/json.h"
#include "base/options.h"
#include "host/crash.h"
#include "host/host.h"
#include "spool/counters.h"

struct coresnap {
	const char *root, *config;
};

/* One line on stderr, escaped: "coresnap: <error>; <next step>". Returns status. */
int coresnap_complain(int status, const struct csn_error *err, const char *next_step);
/* The exit status that suits an error. */
int coresnap_status_of(const struct csn_error *err);
/* Configuration, and the spool when asked for. -1 to go on, or an exit status. */
int coresnap_open(const struct coresnap *coresnap, bool spool, struct csn_host *host);
/* What a command takes; operands: whether anything may follow its options. */
struct coresnap_syntax {
	const char *usage, *summary;
	const struct csn_option *options;
	bool operands;
	const char *examples[4]; /* NULL-terminated */
};

/* Parses a command's own options; as csn_options_parse. */
int coresnap_parse(const struct coresnap_syntax *syntax, int argc, char **argv, int *ret_first);
/* "<stage>/<prefix>" or "<prefix>" (any stage). -1, or an exit status after complaining. */
int coresnap_find(const struct csn_host *host, const char *name,
		  struct csn_spool_object *ret_object);
/* What a person can do about a crash that failed. Borrowed. */
const char *coresnap_next_step(const struct csn_crash *crash);

/* status_disk.c: what coresnap status says of the spool's disk. */
struct status_disk {
	struct csn_usage usage; /* as the spool lies there now */
	struct csn_spool_limits limits;
	unsigned reserve; /* pieces */
	size_t waiting; /* crashes in /run, for which the spool could not be used; root sees them */
	bool counted;
	struct csn_counters counters;
	struct csn_error counters_error; /* why they are not counted */
};

/* Looks it up. */
int status_disk_collect(const struct csn_host *host, struct status_disk *disk,
			struct csn_error *err) csn_must_check;
/* As lines, and as members of an object that is open. */
void status_disk_print(const struct status_disk *disk);
/* See above. */
void status_disk_write(const struct status_disk *disk, struct csn_json *json);

/* The commands; context is the struct coresnap. Each returns the exit status. */
int coresnap_list(int argc, char **argv, void *context);
int coresnap_retry(int argc, char **argv, void *context);
int coresnap_show_status(int argc, char **argv, void *context);
int coresnap_show(int argc, char **argv, void *context);
int coresnap_purge(int argc, char **argv, void *context);
int coresnap_doctor(int argc, char **argv, void *context);
int coresnap_enable(int argc, char **argv, void *context);
int coresnap_disable(int argc, char **argv, void *context);

/* What the daemon said of watch.path: lines, and a member "watch" (docs/formats/spool.md). Nothing
 * without it. */
void coresnap_print_watch(const struct csn_host *host);
void coresnap_write_watch(struct csn_json *json, const struct csn_host *host);

#endif
