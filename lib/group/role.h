/* What a frame is for, decided by a table of names (role.c), not by code.
 *
 * To teach grouping a new runtime, add rows. Pure; any thread. */
#ifndef CSN_GROUP_ROLE_H
#define CSN_GROUP_ROLE_H

#include "base/types.h"

enum csn_frame_role {
	CSN_ROLE_UNKNOWN,    /* no name */
	CSN_ROLE_APP,        /* everything not known to be something else */
	CSN_ROLE_TRAMPOLINE, /* callback plumbing */
	CSN_ROLE_SIGNAL,     /* the kernel's signal trampoline: above it runs a handler */
	CSN_ROLE_ABORT,      /* on the way from "this is wrong" to the signal */
	CSN_ROLE_ALLOCATOR,
	CSN_ROLE_LEAF, /* the C library */
	CSN_ROLE_START,
	CSN_ROLE_DISPATCH, /* event loops calling back */
};

/* "app", "abort", ... */
const char *csn_role_name(enum csn_frame_role role);

/* raw: demangled name, canonical: after csn_canonical_name; either may match a row. module: file
 * name of the object, NULL unknown. Never UNKNOWN. */
enum csn_frame_role csn_role_find(const char *raw, const char *canonical, const char *module);

/* True for the C library, its loader and the vdso. */
bool csn_module_is_libc(const char *module);
/* These and the C++ runtime. */
bool csn_module_is_runtime(const char *module);

#endif
