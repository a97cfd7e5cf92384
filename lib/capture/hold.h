/* Everything taken from one process while the kernel held it for us.
 *
 * A read may hang for ever (a page of a dead network file system). Another thread watches the
 * clock: when the deadline passes it goes on in the place of the one that hangs, with what is
 * complete. So in all other cases, the ones that count, nothing has to be handed from thread to
 * thread while the process waits. Phases are finished in order; what belongs to a phase may be used
 * once it is done. Everything lives in one region that is never freed early, because a thread that
 * hangs may still wake up in it. */
#ifndef CSN_CAPTURE_HOLD_H
#define CSN_CAPTURE_HOLD_H

#include <semaphore.h>

#include "capture/assets.h"
#include "capture/gather.h"
#include "capture/texts.h"
#include "capture/whole.h"

enum csn_phase {
	CSN_PHASE_START,
	CSN_PHASE_IDENTITY, /* hold->victim */
	CSN_PHASE_COUNTED,  /* not admitted: the end */
	CSN_PHASE_ADMITTED,
	CSN_PHASE_HEADERS, /* hold->prefix */
	CSN_PHASE_PROC,    /* hold->texts */
	CSN_PHASE_FILES,
	CSN_PHASE_STACKS,
	CSN_PHASE_WINDOWS,
	CSN_PHASE_OPENED, /* hold->assets */
	CSN_N_PHASES,
};

enum csn_mode { CSN_MODE_MINIMAL, CSN_MODE_FULL, CSN_MODE_NOTES };

struct csn_hold;

/* Decides whether to take anything, as soon as the identity is known and before a byte of the core
 * is read; false: it is only counted. */
typedef bool (*csn_hold_admit)(void *context, const struct csn_hold *hold);
/* Decides what to take, once headers, identity and /proc are known. ret_reason: static word. */
typedef enum csn_mode (*csn_hold_decide)(void *context, const struct csn_hold *hold,
					 const char **ret_reason);

/* Goes on, in another thread, after the deadline: result and err are what csn_hold_take would have
 * returned. Ends the process; the thread that hangs is still root. */
typedef void (*csn_hold_late)(void *context, int result, const struct csn_error *err);

struct csn_hold {
	/* The caller's: */
	struct csn_request request;
	int core_fd;
	int64_t began_ns, deadline_ns; /* CLOCK_MONOTONIC */
	uint64_t budget_bytes;         /* of windows */
	csn_hold_admit admit;          /* NULL: all */
	csn_hold_decide decide;        /* NULL: minimal */
	csn_hold_late late;            /* NULL: nobody watches the clock */
	/* Full mode: the last byte was read, nothing needs the process any more; NULL. */
	void (*on_read)(void *context);
	void *context;           /* of these */
	struct csn_whole *whole; /* full mode, borrowed: its memory; NULL in other modes */

	struct csn_region region;
	struct csn_prefix prefix;
	struct csn_victim victim;
	struct csn_texts texts;
	struct csn_capture_memory memory;
	struct csn_assets assets;
	struct csn_omissions omissions;
	enum csn_mode mode;
	const char *reason;  /* of the mode, when it is not the configured one; NULL */
	bool died;           /* it was gone before everything was read */
	bool stuck;          /* a read of its memory hangs */
	enum csn_phase done; /* the last phase that is complete */
	int64_t done_ns[CSN_N_PHASES];
	int64_t released_ns;    /* CLOCK_MONOTONIC; 0: not yet (full mode) */
	struct csn_error error; /* when even the headers are missing */

	pthread_mutex_t lock; /* of done, done_ns, closed: for a few instructions each */
	sem_t over;           /* posted when there is nothing to watch any more */
	bool closed;          /* all is taken, or the deadline has passed */
	bool watching;        /* the other thread is there */
	pthread_t watch;
};

/* Takes all there is to take until the deadline. The caller filled the first group of members.
 * Fails when not even the headers came. In full mode memory is not taken here (capture/whole.h
 * reads it). With done at CSN_PHASE_COUNTED nothing was taken. The process stays held until
 * csn_hold_release. Does not return when the deadline passed before: then hold->late is called. */
int csn_hold_take(struct csn_hold *hold, struct csn_error *err) csn_must_check;
/* Lets the process go, also when the kernel hangs in its memory: then by SIGKILL. */
void csn_hold_release(struct csn_hold *hold);

/* The name used in the note's times_us. */
const char *csn_phase_name(enum csn_phase phase);

#endif
