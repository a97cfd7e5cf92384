/* Shared by the finder's files: what it knows of the folders and of the files in them. */
#ifndef CSN_HOST_FINDER_INTERNAL_H
#define CSN_HOST_FINDER_INTERNAL_H

#include "host/finder.h"
#include "host/finder_events.h"
#include "host/finder_files.h"
#include "host/finder_opener.h"
#include "host/finder_take.h"
#include "host/service_internal.h"

enum finder_state {
	FILE_WAITING, /* to be looked at when due_ns has come */
	FILE_TAKING,  /* a child is at it */
	FILE_DONE,    /* taken, and still there */
	FILE_REFUSED  /* for its problem */
};

struct finder_file {
	unsigned folder;
	enum finder_state state;
	bool closed;       /* its writer closed it, or moved it there whole */
	bool seen;         /* in the look through that is going on */
	int64_t due_ns;    /* monotonic; 0 now */
	int64_t stable_ns; /* monotonic: since when it is what mark says; 0 not looked at */
	struct finder_mark mark;
	char uuid[CSN_UUID_TEXT]; /* that of mark */
	char *name, *problem;     /* owned; problem NULL: none */
};

struct finder_folder {
	char *path;    /* owned */
	int fd;        /* owned; -1: problem says why */
	char *problem; /* owned; NULL none */
};

struct csn_finder {
	const struct csn_host *host; /* borrowed */
	struct finder_events events;
	struct finder_opener opener;
	struct finder_folder folders[CSN_MAX_FINDER_FOLDERS];
	unsigned n_folders;
	const char *paths[CSN_MAX_FINDER_FOLDERS]; /* of folders, for the opener */
	struct finder_file *files;                 /* owned */
	size_t n_files, files_capacity;
	struct csn_buf kept; /* lines of <beside>/watched */
	int64_t scan_due_ns; /* monotonic; 0 at the start */
	bool scanned;        /* at least once */
	unsigned lines_left; /* of the log, until the next look through */
	bool report_due;     /* <beside>/watch is not what is known */
	size_t n_taken;
	/* The one that is being taken. */
	struct finder_take take;
	struct csn_child taker;
	char *taken_path;
	struct watch events_watch, taker_end, taker_output;
};

/* finder.c: called by the service's loop; finder may be NULL. */
/* Looks through all folders for the first time. */
int finder_begin(struct csn_service *service, struct csn_error *err) csn_must_check;
/* Takes what an event brought. */
void finder_handle(struct csn_service *service, const struct watch *watch);
/* Does what is due. */
void finder_work(struct csn_service *service, int64_t now_ns);
/* Somebody mended something: all folders are looked through now. */
void finder_look_again(struct csn_finder *finder);
/* When something will be due; 0 never. */
int64_t finder_next_due(const struct csn_finder *finder, int64_t now_ns);
/* Is that object one of which the taking is not over yet? */
bool finder_is_taking(const struct csn_finder *finder, const char *uuid);

/* Its own processes: the taker and the opener. Returns how many. */
#define FINDER_PROCESSES 2
size_t finder_list_processes(const struct csn_finder *finder, pid_t pids[FINDER_PROCESSES]);
/* Are its folders those of the configuration? */
bool finder_has_folders(const struct csn_finder *finder, const struct csn_coresnap_conf *conf);

/* finder_table.c */
struct finder_file *finder_find(struct csn_finder *finder, unsigned folder, const char *name);
/* The file, added when it is not known; NULL when there are too many or there is no memory. */
struct finder_file *finder_note(struct csn_finder *finder, unsigned folder, const char *name);
void finder_drop(struct csn_finder *finder, struct finder_file *file);
/* "<folder>/<name>", owned by the caller; NULL without memory. */
char *finder_path_of(const struct csn_finder *finder, const struct finder_file *file);
/* The list of cores that stay where they are. */
int finder_load_kept(struct csn_finder *finder, struct csn_error *err) csn_must_check;
bool finder_is_kept(const struct csn_finder *finder, const char *uuid);
int finder_keep(struct csn_finder *finder, const char *uuid, struct csn_error *err) csn_must_check;
/* Forgets kept ones that are not among the files any more. */
int finder_prune_kept(struct csn_finder *finder, struct csn_error *err) csn_must_check;

/* finder_report.c */
/* A line of the log, unless there were too many. */
void finder_say(struct csn_finder *finder, int level, const char *format, ...) csn_printf(3, 4);
/* Sets a problem, and says it when it is a new one. */
void finder_refuse(struct csn_finder *finder, struct finder_file *file, int level,
		   const char *problem);
void finder_set_folder_problem(struct csn_finder *finder, unsigned folder, const char *problem);
/* Writes <beside>/watch when something changed. */
void finder_report(struct csn_finder *finder);

#endif
