/* Caps of the host's half, beside those of base/limits.h, in the same way. */
#ifndef CSN_BASE_LIMITS_HOST_H
#define CSN_BASE_LIMITS_HOST_H

#include "base/limits.h"

#define CSN_MAX_COREDUMP_REQUEST 4096u /* what the kernel's socket says first; 16 bytes today */

/* Routing: one match of one rule. */
#define CSN_MAX_ROUTE_STEPS 100000u
#define CSN_MAX_ROUTE_DEPTH 2000u
#define CSN_MAX_ROUTE_HEAP_KIB 2048u

#define CSN_MAX_WORKERS 64u

#define CSN_MAX_CAPTURE_READERS 8 /* threads that read one process whole */

/* Sending: what a server may ask for with Retry-After. */
#define CSN_MAX_RETRY_AFTER_SECONDS 86400

/* The kernel's log: one record, and records read at a time. */
#define CSN_MAX_KERNEL_RECORD 8192u
#define CSN_MAX_KERNEL_RECORDS 100000u

/* Ticks of one batch, of any batch, and of an object in the end: far below what 64 bits hold. */
#define CSN_MAX_TICK_COUNT 1000000000000ll
#define CSN_MAX_TICK_FILE (64ul * 1024) /* JSON of one batch */
/* Cores that others write (watch.path). */
#define CSN_MAX_FINDER_FOLDERS 16u
#define CSN_MAX_FINDER_FILES 16384u   /* known at a time, of all folders */
#define CSN_MAX_FINDER_NAMES 1000000u /* looked through in one folder */
#define CSN_MAX_FINDER_LINES 32u      /* of the log, between two looks through the folders */
#define CSN_MAX_FINDER_TOLD 32u       /* files that `coresnap status` names */
#define CSN_MAX_FINDER_REPORT (256 * CSN_KIB)
#define CSN_MAX_FINDER_KEPT (2 * CSN_MIB)   /* the list of cores that stay where they are */
#define CSN_MAX_FINDER_SECONDS 900          /* to copy or unpack one core */
#define CSN_MAX_FINDER_DATA (512 * CSN_MIB) /* unpacking wants windows of 128 MiB */
#define CSN_MAX_UNPACK_RATIO 200ull /* stored bytes for each packed one; zeros are not stored */
#define CSN_MAX_UNPACK_SLACK (64 * CSN_MIB)

#endif
