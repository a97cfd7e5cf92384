/* An arena: many small allocations that die together (a snapshot, a request, a query).
 *
 * Memory is zeroed. A byte cap given at birth bounds what foreign data can make us hold: past it
 * an allocation returns NULL. Not thread-safe. Functions that allocate into an arena take it
 * first. */
#ifndef CSN_BASE_ARENA_H
#define CSN_BASE_ARENA_H

#include <stdarg.h>

#include "base/types.h"

struct csn_arena;

/* max_bytes: cap on the sum of allocations. NULL when out of memory. Free with csn_arena_free. */
struct csn_arena *csn_arena_new(size_t max_bytes);
void csn_arena_free(struct csn_arena *arena);
void csn_arena_freep(struct csn_arena **arena);

/* Zeroed, aligned to 16 bytes, valid until csn_arena_free. NULL past the cap. */
void *csn_arena_alloc(struct csn_arena *arena, size_t size_bytes) csn_must_check;
/* count * size with overflow check. */
void *csn_arena_array(struct csn_arena *arena, size_t count, size_t size_bytes) csn_must_check;
void *csn_arena_copy(struct csn_arena *arena, const void *data, size_t size_bytes) csn_must_check;
char *csn_arena_strdup(struct csn_arena *arena, const char *text) csn_must_check;
char *csn_arena_strndup(struct csn_arena *arena, const char *text, size_t length) csn_must_check;
char *csn_arena_sprintf(struct csn_arena *arena, const char *format, ...)
	csn_must_check csn_printf(2, 3);
char *csn_arena_vsprintf(struct csn_arena *arena, const char *format, va_list args)
	csn_must_check csn_printf(2, 0);

/* Grows an array kept in the arena: doubles *capacity when count == *capacity (old block stays
 * until the arena dies). Returns the array, moved or not; NULL past the cap. */
void *csn_arena_grow(struct csn_arena *arena, void *array, size_t count, size_t *capacity,
		     size_t size_bytes) csn_must_check;

#endif
