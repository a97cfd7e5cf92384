#include "http/crowd.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

/* A body slower than this, over so long at least, may be ended. */
#define SLOW_BYTES_PER_SECOND 1024
#define SLOW_NS (10 * CSN_NS_PER_SECOND)

void csn_crowd_init(struct csn_crowd *crowd, size_t limit)
{
	*crowd = (struct csn_crowd){ .limit = limit };
	pthread_mutex_init(&crowd->lock, NULL);
}

void csn_crowd_done(struct csn_crowd *crowd)
{
	while (crowd->first)
		csn_crowd_leave(crowd, crowd->first);
	pthread_mutex_destroy(&crowd->lock);
}

static bool is_slow(const struct csn_guest *guest, int64_t now)
{
	int64_t age = now - guest->since_ns;

	if (guest->state != CSN_GUEST_SENDS)
		return guest->state == CSN_GUEST_WAITS;
	return age > SLOW_NS &&
	       guest->received / (uint64_t)(age / CSN_NS_PER_SECOND) < SLOW_BYTES_PER_SECOND;
}

/* Whether a gives way before b. */
static bool is_before(const struct csn_guest *a, const struct csn_guest *b)
{
	return a->state != b->state ? a->state < b->state : a->since_ns < b->since_ns;
}

static void make_room(struct csn_crowd *crowd)
{
	int64_t now = csn_monotonic_ns();
	struct csn_guest *found = NULL;

	for (struct csn_guest *guest = crowd->first; guest; guest = guest->after)
		if (guest->fd >= 0 && is_slow(guest, now) && (!found || is_before(guest, found)))
			found = guest;
	if (!found)
		return;
	shutdown(found->fd, SHUT_RDWR);
	found->fd = -1; /* ended already; not again */
}

struct csn_guest *csn_crowd_join(struct csn_crowd *crowd, int fd)
{
	struct csn_guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return NULL;
	guest->fd = fd;
	guest->since_ns = csn_monotonic_ns();
	pthread_mutex_lock(&crowd->lock);
	if (crowd->count >= crowd->limit)
		make_room(crowd);
	guest->after = crowd->first;
	if (guest->after)
		guest->after->before = guest;
	crowd->first = guest;
	crowd->count++;
	pthread_mutex_unlock(&crowd->lock);
	return guest;
}

void csn_crowd_leave(struct csn_crowd *crowd, struct csn_guest *guest)
{
	if (!guest)
		return;
	pthread_mutex_lock(&crowd->lock);
	if (guest->before)
		guest->before->after = guest->after;
	else
		crowd->first = guest->after;
	if (guest->after)
		guest->after->before = guest->before;
	crowd->count--;
	pthread_mutex_unlock(&crowd->lock);
	free(guest);
}

void csn_crowd_note(struct csn_crowd *crowd, struct csn_guest *guest, enum csn_guest_state state)
{
	if (!guest)
		return;
	pthread_mutex_lock(&crowd->lock);
	guest->state = state;
	guest->since_ns = csn_monotonic_ns();
	guest->received = 0;
	pthread_mutex_unlock(&crowd->lock);
}

void csn_crowd_received(struct csn_crowd *crowd, struct csn_guest *guest, size_t bytes)
{
	if (!guest)
		return;
	pthread_mutex_lock(&crowd->lock);
	guest->received += bytes;
	pthread_mutex_unlock(&crowd->lock);
}
