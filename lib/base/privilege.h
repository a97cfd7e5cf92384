/* Giving up root, for good: before anything of the dead is understood or written. */
#ifndef CSN_BASE_PRIVILEGE_H
#define CSN_BASE_PRIVILEGE_H

#include <sys/types.h>

#include "base/error.h"

/* Becomes uid:gid without further groups, without a single capability (also when uid is 0) and
 * without a way to gain any (no_new_privs). Of the calling thread alone: another one may hang in
 * the kernel and must not be waited for. */
int csn_privilege_drop(uid_t uid, gid_t gid, struct csn_error *err) csn_must_check;

#endif
