/* Small things every room needs: attributes, the target address type, array length.
 *
 * Nothing here allocates, prints or fails. */
#ifndef CSN_BASE_TYPES_H
#define CSN_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An address in the target process; never a pointer of ours. */
typedef uint64_t csn_addr;

#define csn_must_check __attribute__((warn_unused_result))
#define csn_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define csn_unused __attribute__((unused))
#define csn_noreturn __attribute__((noreturn))

#define csn_countof(array) (sizeof(array) / sizeof((array)[0]))

static inline uint64_t csn_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t csn_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
