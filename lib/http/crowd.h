/* Who gives way when a server has more connections than it wants: those that keep it waiting.
 *
 * A slow sender of headers costs an attacker nothing and us a connection for as long as he likes.
 * While there is room everybody may take his time; past the limit each newcomer ends the connection
 * that has waited longest for its headers (idle ones among them), else the slowest body. Requests
 * that are at work are left alone. Connections are ended by shutdown(2); their owner closes them.
 *
 * Threads: any. */
#ifndef CSN_HTTP_CROWD_H
#define CSN_HTTP_CROWD_H

#include <pthread.h>

#include "base/types.h"

enum csn_guest_state {
	CSN_GUEST_WAITS, /* nothing, or a part of the headers, has come */
	CSN_GUEST_SENDS, /* a body is coming */
	CSN_GUEST_SERVED,
};

struct csn_guest {
	struct csn_guest *before, *after;
	int fd;
	enum csn_guest_state state;
	int64_t since_ns;  /* of the state */
	uint64_t received; /* of the body */
};

struct csn_crowd {
	pthread_mutex_t lock;
	struct csn_guest *first;
	size_t count, limit;
};

/* limit: how many may be there before newcomers make others go. */
void csn_crowd_init(struct csn_crowd *crowd, size_t limit);
void csn_crowd_done(struct csn_crowd *crowd);
/* A connection has come; the crowd borrows fd until the guest leaves. NULL when out of memory. */
struct csn_guest *csn_crowd_join(struct csn_crowd *crowd, int fd);
/* Before fd is closed; NULL is fine here and below. */
void csn_crowd_leave(struct csn_crowd *crowd, struct csn_guest *guest);
void csn_crowd_note(struct csn_crowd *crowd, struct csn_guest *guest, enum csn_guest_state state);
void csn_crowd_received(struct csn_crowd *crowd, struct csn_guest *guest, size_t bytes);

#endif
