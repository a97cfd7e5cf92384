/* Caps of the host's half, beside those of base/limits.h, in the same way. */
#ifndef CSN_BASE_LIMITS_HOST_H
#define CSN_BASE_LIMITS_HOST_H

#define CSN_MAX_COREDUMP_REQUEST 4096u /* what the kernel's socket says first; 16 bytes today */

/* Routing: one match of one rule. */
#define CSN_MAX_ROUTE_STEPS 100000u
#define CSN_MAX_ROUTE_DEPTH 2000u
#define CSN_MAX_ROUTE_HEAP_KIB 2048u

#define CSN_MAX_WORKERS 64u

/* Sending: what a server may ask for with Retry-After. */
#define CSN_MAX_RETRY_AFTER_SECONDS 86400

/* The kernel's log: one record, and records read at a time. */
#define CSN_MAX_KERNEL_RECORD 8192u
#define CSN_MAX_KERNEL_RECORDS 100000u

/* Ticks of one batch, of any batch, and of an object in the end: far below what 64 bits hold. */
#define CSN_MAX_TICK_COUNT 1000000000000ll
#define CSN_MAX_TICK_FILE (64u * 1024u) /* JSON of one batch */

#endif
