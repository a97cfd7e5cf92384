/* The command lines of the host's slaves, as they are run and as they are logged. */
#ifndef CSN_HOST_SLAVE_H
#define CSN_HOST_SLAVE_H

#include "base/arena.h"
#include "base/error.h"
#include "host/attributes.h"
#include "host/crash.h"
#include "host/host.h"

/* ptrace --faulted -o<sending> --load=libc- --kv=... --resource=<assets> --core <pending> <exe> */
int csn_slave_ptrace(struct csn_arena *arena, const struct csn_host *host,
		     const struct csn_crash *crash, const struct csn_attributes *attributes,
		     const char *const **ret_argv, struct csn_error *err) csn_must_check;
/* coroner -c <coroner.cf> put <project> <token> <sending> */
int csn_slave_coroner(struct csn_arena *arena, const struct csn_host *host, const char *uuid,
		      const char *project, const char *const **ret_argv, struct csn_error *err)
	csn_must_check;
/* coroner -c <coroner.cf> tick <project> <token> <ticks>/<object>.out */
int csn_slave_tick(struct csn_arena *arena, const struct csn_host *host, const char *object,
		   const char *project, const char *const **ret_argv, struct csn_error *err)
	csn_must_check;

#endif
