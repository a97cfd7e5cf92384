/* Shared by the service's files: its jobs, and what they wait for. */
#ifndef CSN_HOST_SERVICE_INTERNAL_H
#define CSN_HOST_SERVICE_INTERNAL_H

#include "host/attributes.h"
#include "host/child.h"
#include "host/counts.h"
#include "host/crash.h"
#include "host/inventory.h"
#include "host/service.h"
#include "spool/counters.h"

/* Exit statuses of a slave that could not be started: by us, by execve. */
#define NOT_STARTED 126
#define NOT_FOUND 127

enum job_step {
	STEP_WAITING,
	STEP_DEFAULTS, /* defaults.command runs */
	STEP_ANALYSING,
	STEP_SENDING
};

enum watch_kind {
	WATCH_SPOOL,
	WATCH_SIGNALS,
	WATCH_CONTROL,
	WATCH_TIMER,
	WATCH_CHILD_END,
	WATCH_CHILD_OUTPUT,
	WATCH_TICK_END,
	WATCH_TICK_OUTPUT,
	WATCH_FOLDERS, /* these three are the finder's */
	WATCH_TAKER_END,
	WATCH_TAKER_OUTPUT,
	WATCH_METRICS
};

/* Whose core_pattern it is. */
enum pattern_state {
	PATTERN_UNKNOWN, /* not looked at, or core_pattern.manage = false */
	PATTERN_OURS,
	PATTERN_OTHER
};

/* Who may ask for metrics at the same time; others wait in line. */
#define METRICS_CLIENTS 8

/* What an epoll event points to. */
struct watch {
	enum watch_kind kind;
	struct job *job;
};

struct job {
	char uuid[CSN_UUID_TEXT];
	enum csn_stage stage;
	enum job_step step;
	int64_t crash_ns;   /* order; since the epoch */
	int64_t due_ns;     /* monotonic; 0 now */
	unsigned failures;  /* in a row, of the present stage */
	unsigned postponed; /* in a row */
	bool tried;         /* once mode: had its turn in this stage */
	/* While it runs. */
	int lock_fd;
	struct csn_child child;
	struct watch end, output;
	struct csn_crash crash;
	char *defaults_output;
};

/* Ticks on their way: added up, then sent one object after the other. */
struct ticking {
	int64_t fold_due_ns, last_fold_ns; /* monotonic; due: 0 now, INT64_MAX never */
	int64_t send_due_ns;               /* monotonic; 0 now, INT64_MAX never */
	unsigned failures;                 /* rounds in a row in which something failed */
	bool failed;                       /* in this round */
	struct csn_count count;            /* being sent, or the last that was */
	size_t n_tried;                    /* projects, of this count */
	struct csn_child child;
	struct watch end, output;
	uint64_t n_counted, n_sent; /* since the start */
};

struct hold;

/* Somebody who asks for metrics. */
struct metrics_client {
	int fd;          /* -1: free */
	int64_t due_ns;  /* monotonic: until when it may say what it wants */
	char head[1024]; /* what it said */
	size_t head_bytes;
	struct watch watch;
};

struct csn_service {
	struct csn_host *host; /* borrowed */
	bool once, stopping, reload;
	bool spool_gone; /* a folder of the spool was removed */
	int epoll_fd, inotify_fd, signal_fd, timer_fd, control_fd;
	int archive_wd, pending_wd, sending_wd, ticks_wd;
	struct watch spool_watch, signal_watch, control_watch, timer_watch;
	struct job **jobs; /* owned; oldest crash first */
	size_t n_jobs, jobs_capacity;
	unsigned n_analysing;
	bool is_sending;
	/* The sending line as a whole, after a failure that is the server's. */
	unsigned line_failures;
	int64_t line_due_ns;
	struct hold *holds; /* owned; projects that wait */
	struct ticking ticking;
	int64_t start_wall_ns, start_boot_ns; /* of the service, by both clocks */
	bool below_quota;
	int64_t quota_due_ns; /* monotonic; 0 none */
	int64_t purge_due_ns; /* monotonic; 0 now, INT64_MAX never */
	enum pattern_state pattern_state;
	int pattern_wd;
	int64_t pattern_due_ns; /* monotonic; 0 now, INT64_MAX never */
	bool untrimmed;         /* memory was used that can go back */
	size_t n_sent, n_failed;
	/* Housekeeping. */
	bool changed;           /* something happened since it was done */
	bool disk_is_low;       /* less free space than dump.quota asks for */
	bool told_over;         /* said that nothing more can be evicted */
	int64_t house_due_ns;   /* monotonic: not before */
	int64_t reserve_due_ns; /* monotonic; 0: the reserve is whole */
	struct csn_inventory inventory;
	char *metrics; /* owned; as last written */
	int metrics_fd;
	struct watch metrics_watch;
	struct metrics_client clients[METRICS_CLIENTS];
};

/* jobs.c */
int job_add(struct csn_service *service, enum csn_stage stage, const char *uuid,
	    struct csn_error *err) csn_must_check;
struct job *job_find(const struct csn_service *service, const char *uuid);
/* Ends and forgets the job's child. */
void job_end_child(struct csn_service *service, struct job *job);
/* Frees the job, closes what it held. */
void job_drop(struct csn_service *service, struct job *job);
/* Ends what the job runs and lets go of its object. */
void job_release(struct csn_service *service, struct job *job);
struct job *job_next_to_analyse(const struct csn_service *service, int64_t now_ns);
struct job *job_next_to_send(const struct csn_service *service, int64_t now_ns);

/* hold.c */
/* Until when the project waits, monotonic; 0 when it does not. */
int64_t hold_due_ns(struct csn_service *service, const char *project);
/* Counts one more failure of the project in a row; returns how many there are. */
unsigned hold_count(struct csn_service *service, const char *project);
void hold_until(struct csn_service *service, const char *project, int64_t due_ns);
/* The project (all of them) can be sent to again: what waited for that is due. */
void hold_release(struct csn_service *service, const char *project);
void hold_release_all(struct csn_service *service);

/* steps.c */
/* Of whoever sends. */
extern const struct csn_child_limits step_coroner_limits;
/* "Executing slave: ...", quoted. */
void step_log_slave(const struct csn_host *host, const char *const *argv);
void step_start_analysis(struct csn_service *service, struct job *job);
void step_start_sending(struct csn_service *service, struct job *job);
/* The job's child has ended. */
void step_child_ended(struct csn_service *service, struct job *job, int status);

/* outcome.c */
/* How long to wait after so many failures in a row. */
int64_t outcome_retry_delay(const struct csn_service *service, unsigned failures);
void outcome_analysed(struct csn_service *service, struct job *job, bool partial);
void outcome_sent(struct csn_service *service, struct job *job);
/* step: "ptrace" or "coroner"; status as an exit status. */
void outcome_failed(struct csn_service *service, struct job *job, const char *step, int status,
		    const char *reason);
/* A trouble of our own (no memory, no lock): try the job again soon, without blame. */
void outcome_postponed(struct csn_service *service, struct job *job, const struct csn_error *err);
/* What to do with the core of a snapshot that is complete. */
void outcome_settle_core(struct csn_service *service, const char *uuid, bool partial);

/* ticking.c */
void ticking_init(struct csn_service *service);
void ticking_done(struct csn_service *service);
/* A helper has begun to count. */
void ticking_began(struct csn_service *service);
/* An object is at the server: ticks may have waited for it. */
void ticking_object_sent(struct csn_service *service, const char *uuid);
/* Somebody mended something, or wants to see it done: all of it is due. */
void ticking_make_due(struct csn_service *service);
/* Adds up and sends what is due. */
void ticking_run(struct csn_service *service, int64_t now_ns);
void ticking_child_ended(struct csn_service *service);
void ticking_child_printed(struct csn_service *service);
/* When ticking_run has to be called next; INT64_MAX: not before something happens. */
int64_t ticking_next(const struct csn_service *service);

/* purge.c */
void purge_old(struct csn_service *service, int64_t now_ns);
/* An object came: at the latest purge.age from now it is time to look. */
void purge_expect(struct csn_service *service);

/* pattern.c */
/* Has the kernel tell of changes of core_pattern, unless core_pattern.manage = false. */
void pattern_watch(struct csn_service *service);
/* Reads it, and tells what has changed. */
void pattern_check(struct csn_service *service);

/* metrics_socket.c */
void metrics_init(struct csn_service *service);
/* Listens on metrics.socket if there is one; a failure is said and costs nothing else. */
void metrics_open(struct csn_service *service);
void metrics_close(struct csn_service *service);
void metrics_handle(struct csn_service *service, const struct watch *watch);
/* Answers who has said nothing for long enough. */
void metrics_end_overdue(struct csn_service *service, int64_t now_ns);
/* When the first of them is due; 0 none. */
int64_t metrics_due_ns(const struct csn_service *service);

/* house.c */
void house_keep(struct csn_service *service, int64_t now_ns);
/* Adds to the counters. */
void house_count(struct csn_service *service, enum csn_counter counter, uint64_t number);
void house_add(struct csn_service *service, const struct csn_counting *count);

/* sources.c */
int service_watch(struct csn_service *service, int fd, struct watch *watch, struct csn_error *err)
	csn_must_check;
void service_unwatch(struct csn_service *service, int fd);
/* Opens everything that wakes the service. */
int source_open_all(struct csn_service *service, struct csn_error *err) csn_must_check;
/* Watches the spool's folders: what comes into the stages, and stages that go. */
int source_watch_spool(struct csn_service *service, struct csn_error *err) csn_must_check;
/* Adds everything that is in the spool; also after inotify lost events. */
void source_add_all(struct csn_service *service);
/* Takes what an event brought. */
void source_handle(struct csn_service *service, const struct watch *watch);

/* idle.c: memory that can be had again at any time goes back. */
void idle_give_back(void);

/* reload.c */
/* Back-off is forgotten (uuid NULL: of all jobs): somebody mended something. */
void reload_make_due(struct csn_service *service, const char *uuid);
/* Reads the configuration again; the old one stays when it is broken. */
void reload_conf(struct csn_service *service);
/* Folders of the spool were taken away: makes and opens them again. */
int reload_spool(struct csn_service *service, struct csn_error *err) csn_must_check;

#endif
