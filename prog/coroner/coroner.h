/* coroner: brings snapshots to the object store. Shared by main and the commands. */
#ifndef CORONER_H
#define CORONER_H

#include "conf/coroner_cf.h"

struct coroner {
	const char *config; /* -c; NULL: the usual places */
	const char *root;   /* --root; NULL: from the program's own place */
};

int coroner_put(int argc, char **argv, void *context);

#endif
