#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 * 1024)
#define ALIGN 16

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(ALIGN) unsigned char data[];
};

struct csn_arena {
	struct chunk *head;
	size_t total, max;
};

struct csn_arena *csn_arena_new(size_t max_bytes)
{
	struct csn_arena *arena = calloc(1, sizeof(*arena));

	if (arena)
		arena->max = max_bytes;
	return arena;
}

void csn_arena_free(struct csn_arena *arena)
{
	struct chunk *chunk, *next;

	if (!arena)
		return;
	for (chunk = arena->head; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(arena);
}

void csn_arena_freep(struct csn_arena **arena)
{
	csn_arena_free(*arena);
}

/* A large block goes behind the head, so that the head's free tail stays in use. */
static struct chunk *add_chunk(struct csn_arena *arena, size_t size)
{
	size_t room = size > CHUNK_BYTES / 4 ? size : CHUNK_BYTES;
	struct chunk *chunk = calloc(1, sizeof(*chunk) + room);

	if (!chunk)
		return NULL;
	chunk->size = room;
	if (room != CHUNK_BYTES && arena->head) {
		chunk->next = arena->head->next;
		arena->head->next = chunk;
	} else {
		chunk->next = arena->head;
		arena->head = chunk;
	}
	return chunk;
}

void *csn_arena_alloc(struct csn_arena *arena, size_t size_bytes)
{
	struct chunk *chunk = arena->head;
	void *memory;

	if (size_bytes > SIZE_MAX / 2)
		return NULL;
	size_bytes = (size_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (size_bytes == 0)
		size_bytes = ALIGN;
	if (size_bytes > arena->max - arena->total)
		return NULL;
	if (!chunk || chunk->size - chunk->used < size_bytes)
		chunk = add_chunk(arena, size_bytes);
	if (!chunk)
		return NULL;
	memory = chunk->data + chunk->used;
	chunk->used += size_bytes;
	arena->total += size_bytes;
	return memory;
}

void *csn_arena_array(struct csn_arena *arena, size_t count, size_t size_bytes)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size_bytes, &bytes))
		return NULL;
	return csn_arena_alloc(arena, bytes);
}

void *csn_arena_copy(struct csn_arena *arena, const void *data, size_t size_bytes)
{
	void *copy = csn_arena_alloc(arena, size_bytes);

	if (copy && size_bytes)
		memcpy(copy, data, size_bytes);
	return copy;
}

char *csn_arena_strndup(struct csn_arena *arena, const char *text, size_t length)
{
	char *copy = csn_arena_alloc(arena, length + 1);

	if (copy)
		memcpy(copy, text, length);
	return copy;
}

char *csn_arena_strdup(struct csn_arena *arena, const char *text)
{
	return csn_arena_strndup(arena, text, strlen(text));
}

char *csn_arena_vsprintf(struct csn_arena *arena, const char *format, va_list args)
{
	va_list again;
	int length;
	char *text;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		return NULL;
	text = csn_arena_alloc(arena, (size_t)length + 1);
	if (text)
		vsnprintf(text, (size_t)length + 1, format, args);
	return text;
}

char *csn_arena_sprintf(struct csn_arena *arena, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = csn_arena_vsprintf(arena, format, args);
	va_end(args);
	return text;
}

void *csn_arena_grow(struct csn_arena *arena, void *array, size_t count, size_t *capacity,
		     size_t size_bytes)
{
	size_t wanted;
	void *grown;

	if (count < *capacity)
		return array;
	wanted = *capacity ? *capacity * 2 : 16;
	grown = csn_arena_array(arena, wanted, size_bytes);
	if (!grown)
		return NULL;
	if (count)
		memcpy(grown, array, count * size_bytes);
	*capacity = wanted;
	return grown;
}
