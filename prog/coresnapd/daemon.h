/* coresnapd's life: from the command line to the service's loop. */
#ifndef CORESNAPD_DAEMON_H
#define CORESNAPD_DAEMON_H

#include "base/types.h"

struct daemon_options {
	const char *root, *config;
	bool foreground;
};

/* Returns the exit status. */
int daemon_run(const struct daemon_options *options);

#endif
