/* What the files of coronerd share. */
#ifndef CORONERD_CORONERD_H
#define CORONERD_CORONERD_H

#include "base/options.h"
#include "base/root.h"

#define CORONERD_LISTENERS 16

struct coronerd_options {
	bool foreground, show_version;
	const char *config; /* NULL: <root>/etc/coronerd/coronerd.conf when it is there */
	const char *data;   /* NULL: as configured, else <root>/var/lib/coronerd */
	const char *root;
	struct csn_option_list listen; /* ADDR:PORT, in place of every configured listener */
};

struct coronerd_listener {
	char address[64];
	uint16_t port;
	unsigned role; /* CSN_ROLE_... */
	unsigned threads, connections, backlog;
	char certificate[4096], key[4096]; /* "" in the clear */
};

struct coronerd_config {
	char data[4096];
	struct coronerd_listener listeners[CORONERD_LISTENERS];
	size_t n_listeners;
};

/* Defaults, then the configuration file, then the options. */
int coronerd_configure(const struct coronerd_options *options, struct coronerd_config *ret_config,
		       struct csn_error *err) csn_must_check;

/* Runs the server until SIGTERM; returns an exit status. */
int coronerd_serve(const struct coronerd_options *options);

/* The commands. context is the struct coronerd_options. */
int coronerd_client_config(int argc, char **argv, void *context);

#endif
