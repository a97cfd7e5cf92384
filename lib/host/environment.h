/* The environment of the host's children: what analysis and sending need, and nothing else of what
 * the daemon was started with (its attributes, tokens of whoever started it by hand). */
#ifndef CSN_HOST_ENVIRONMENT_H
#define CSN_HOST_ENVIRONMENT_H

#include "base/types.h"

#define CSN_ENVIRONMENT_MAX 64

/* The list for execve, NULL-terminated, always with a PATH. Strings are those of environ. */
void csn_environment_fill(const char *out[CSN_ENVIRONMENT_MAX]);

#endif
