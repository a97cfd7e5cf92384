/* What /proc says of the held process, as raw bytes: read before its release, understood after.
 *
 * A fixed list of files and links below /proc/<tid>, each with a cap. Reading is all that happens
 * here; capture/facts.h makes JSON of it when root has been given up. The bytes live in the
 * region; a missing file is an empty text. */
#ifndef CSN_CAPTURE_TEXTS_H
#define CSN_CAPTURE_TEXTS_H

#include "capture/region.h"
#include "capture/victim.h"

enum csn_text_id {
	CSN_TEXT_STATUS,
	CSN_TEXT_STAT,
	CSN_TEXT_COMM,        /* of the leader */
	CSN_TEXT_THREAD_COMM, /* of the crashed thread */
	CSN_TEXT_EXE,
	CSN_TEXT_CMDLINE,
	CSN_TEXT_CWD,
	CSN_TEXT_ROOT,
	CSN_TEXT_CGROUP,
	CSN_TEXT_LIMITS,
	CSN_TEXT_SCHED,
	CSN_TEXT_SCHEDSTAT,
	CSN_TEXT_IO,
	CSN_TEXT_OOM_SCORE,
	CSN_TEXT_OOM_SCORE_ADJ,
	CSN_TEXT_ENVIRON, /* never of a privileged process */
	CSN_TEXT_MEMINFO,
	CSN_TEXT_NS_PID,
	CSN_TEXT_NS_MNT,
	CSN_TEXT_NS_NET,
	CSN_TEXT_NS_USER,
	CSN_TEXT_NS_UTS,
	CSN_TEXT_NS_IPC,
	CSN_TEXT_NS_CGROUP,
	CSN_TEXT_MAPS, /* only when asked: the core has NT_FILE otherwise */
	CSN_N_TEXTS,
};

struct csn_text {
	const char *data; /* in the region, NUL-terminated; NULL when missing */
	size_t size;      /* without the NUL */
	bool truncated;
};

/* A thread as its own pid namespace and as the host numbers it. */
struct csn_tid_pair {
	int64_t ns_tid, tid;
};

struct csn_texts {
	struct csn_text items[CSN_N_TEXTS];
	int64_t fd_count;          /* -1 unknown */
	struct csn_tid_pair *tids; /* only when the process has a pid namespace of its own */
	size_t n_tids;
};

/* The file's name below /proc/<tid> ("status", "ns/pid"). */
const char *csn_text_name(enum csn_text_id id);

/* Reads all. maps: CSN_TEXT_MAPS too. trusted: the environment too. */
void csn_texts_read(const struct csn_victim *victim, const struct csn_request *request, bool maps,
		    bool trusted, struct csn_region *region, struct csn_texts *texts);

/* The value of a line "Name:\tvalue" of a text such as status; false when there is no such line.
 * Borrowed from the text, without the newline. */
bool csn_text_line(const struct csn_text *text, const char *name, const char **ret_value,
		   size_t *ret_length);

#endif
