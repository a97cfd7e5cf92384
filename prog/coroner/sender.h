/* Where coroner's commands send to: the configuration, resolved, and one HTTP client.
 *
 * Functions that return an exit status return a negative number when all is well so far; what is
 * wrong has been said on stderr then. */
#ifndef CORONER_SENDER_H
#define CORONER_SENDER_H

#include "coroner.h"
#include "http/client.h"

struct sender {
	struct csn_coroner_cf cf;
	bool insecure;       /* the caller's: do not verify the server */
	const char *unknown; /* the caller's: what it means that the store does not know; NULL */
	const char *token;   /* borrowed from cf or the caller */
	char *base;          /* owned: the write URL with its scheme, without a slash at the end */
	struct csn_http_client *client;
};

/* Frees what is owned; a zeroed one is fine. */
void sender_done(struct sender *sender);
/* Finds and reads the configuration. */
int sender_configure(struct sender *sender, const struct coroner *coroner);
/* token: a name in [token], or the token itself; borrowed. */
int sender_connect(struct sender *sender, const char *token);
/* One call about a file. 0 with a reply of status 200; else the exit status. */
int sender_run(struct sender *sender, const char *file, const struct csn_http_call *call,
	       struct csn_http_reply *reply);

/* One line on stderr, with whatever the dead or the server wrote made safe to show; file may be
 * NULL. Returns status. */
int complain(int status, const char *file, const char *format, ...) csn_printf(3, 4);

#endif
