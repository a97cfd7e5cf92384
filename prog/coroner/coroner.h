/* coroner: brings snapshots to the object store. Shared by main and the commands. */
#ifndef CORONER_CORONER_H
#define CORONER_CORONER_H

#include "conf/coroner_cf.h"

struct coroner {
	const char *config; /* -c; NULL: the usual places */
	const char *root;   /* --root; NULL: from the program's own place */
};

/* The commands; context is the struct coroner. Each returns the exit status. */
int coroner_put(int argc, char **argv, void *context);
int coroner_tick(int argc, char **argv, void *context);

#endif
