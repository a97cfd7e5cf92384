#include "target/target.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"

struct csn_target *csn_target_new(const struct csn_target_ops *ops)
{
	struct csn_arena *arena = csn_arena_new(CSN_MAX_TARGET_MEMORY);
	struct csn_target *target = arena ? csn_arena_alloc(arena, sizeof(*target)) : NULL;

	if (!target) {
		csn_arena_free(arena);
		return NULL;
	}
	target->arena = arena;
	target->ops = ops;
	target->name = "target";
	target->process = (struct csn_process){ .pid = -1,
						.ppid = -1,
						.uid = -1,
						.gid = -1,
						.own_pid = -1,
						.comm = "",
						.arguments = "" };
	return target;
}

void csn_target_free(struct csn_target *target)
{
	if (!target)
		return;
	if (target->ops && target->ops->close)
		target->ops->close(target);
	/* The target itself lies in its arena. */
	csn_arena_free(target->arena);
}

void csn_target_freep(struct csn_target **target)
{
	csn_target_free(*target);
}

void csn_target_set_backing(struct csn_target *target, csn_target_backing backing, void *context)
{
	target->backing = backing;
	target->backing_context = context;
}

const struct csn_mapping *csn_target_find_mapping(struct csn_target *target, csn_addr addr)
{
	const struct csn_mapping *last = target->last_mapping;
	size_t low = 0, high = target->n_mappings;

	if (last && addr >= last->start && addr < last->end)
		return last;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct csn_mapping *mapping = &target->mappings[middle];

		if (addr < mapping->start) {
			high = middle;
		} else if (addr >= mapping->end) {
			low = middle + 1;
		} else {
			target->last_mapping = mapping;
			return mapping;
		}
	}
	return NULL;
}

/* Bytes of the mapped file, where the target itself has none. A writable mapping may differ from
 * its file, so only the others are asked. */
static size_t csn_target_read_backing(struct csn_target *target, csn_addr addr, void *data,
				      size_t size_bytes)
{
	const struct csn_mapping *mapping;

	if (!target->backing)
		return 0;
	mapping = csn_target_find_mapping(target, addr);
	if (!mapping || !mapping->is_file || mapping->writable)
		return 0;
	/* Saved read-only data was relocated; code was not. */
	if (!mapping->executable && target->ops->lost && target->ops->lost(target, addr))
		return 0;
	size_bytes = (size_t)csn_min_u64(size_bytes, mapping->end - addr);
	return target->backing(target->backing_context, addr, data, size_bytes);
}

size_t csn_target_read_some(struct csn_target *target, csn_addr addr, void *data, size_t size_bytes)
{
	size_t done = 0;

	if (addr + size_bytes < addr)
		size_bytes = (size_t)(0 - addr);
	while (done < size_bytes) {
		uint8_t *to = (uint8_t *)data + done;
		size_t got = target->ops->read(target, addr + done, to, size_bytes - done);

		if (!got)
			got = csn_target_read_backing(target, addr + done, to, size_bytes - done);
		if (!got)
			break;
		done += got;
	}
	return done;
}

size_t csn_target_read_own(struct csn_target *target, csn_addr addr, void *data, size_t size_bytes)
{
	size_t done = 0, got;

	while (done < size_bytes) {
		got = target->ops->read(target, addr + done, (uint8_t *)data + done,
					size_bytes - done);
		if (!got)
			break;
		done += got;
	}
	return done;
}

int csn_target_read(struct csn_target *target, csn_addr addr, void *data, size_t size_bytes,
		    struct csn_error *err)
{
	size_t got = csn_target_read_some(target, addr, data, size_bytes);
	csn_addr bad = addr + got;

	if (got == size_bytes)
		return 0;
	return csn_fail_at(err, bad, "%s: address 0x%llx is %s", target->name,
			   (unsigned long long)bad,
			   csn_target_find_mapping(target, bad) ? "not in the dump" : "not mapped");
}

bool csn_target_read_word(struct csn_target *target, csn_addr addr, uint64_t *ret_word)
{
	unsigned width = target->arch->word_bytes;
	uint64_t word = 0;

	/* Little-endian, as every architecture of ours is: what is not read stays zero. */
	if (csn_target_read_some(target, addr, &word, width) != width)
		return false;
	*ret_word = word;
	return true;
}

const char *csn_target_read_string(struct csn_target *target, struct csn_arena *arena,
				   csn_addr addr, size_t max_bytes)
{
	char text[4096];
	size_t length = csn_min_u64(max_bytes, sizeof(text)), got, end;

	got = csn_target_read_some(target, addr, text, length);
	if (!got)
		return NULL;
	end = strnlen(text, got);
	/* Cut by unreadable memory is not a string; cut by the caller's limit is. */
	if (end == got && got < length)
		return NULL;
	return csn_arena_strndup(arena, text, end);
}

enum csn_memory csn_target_memory(struct csn_target *target, csn_addr addr)
{
	uint8_t byte;

	if (csn_target_read_some(target, addr, &byte, 1) == 1)
		return CSN_MEMORY_OK;
	return csn_target_find_mapping(target, addr) ? CSN_MEMORY_NOT_IN_DUMP : CSN_MEMORY_UNMAPPED;
}

struct csn_thread *csn_target_find_thread(struct csn_target *target, int64_t tid)
{
	for (size_t i = 0; i < target->n_threads; i++)
		if (target->threads[i].tid == tid)
			return &target->threads[i];
	return NULL;
}

bool csn_target_find_auxv(const struct csn_target *target, uint64_t type, uint64_t *ret_value)
{
	for (size_t i = 0; i < target->n_auxv; i++) {
		if (target->auxv[2 * i] == type) {
			*ret_value = target->auxv[2 * i + 1];
			return true;
		}
	}
	return false;
}
