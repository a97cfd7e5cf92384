/* Code in memory against the file that it came from. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/security_internal.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "symbols/lookup.h"

#define CSN_COMPARED_BYTES (64 * CSN_KIB)
#define CSN_PAGE_BYTES 4096u
/* Differences that are nearer than this are one. */
#define CSN_SAME_CHANGE 16u
/* Changes that are told of one module. */
#define CSN_TOLD_CHANGES 8u

/* A stretch that differs. */
struct csn_change {
	csn_addr start, end;
};

struct csn_changes {
	struct csn_change told[CSN_TOLD_CHANGES];
	size_t n_told;
	uint64_t n; /* all of them */
	csn_addr end;
};

static void csn_note_change(struct csn_changes *changes, csn_addr addr)
{
	if (changes->n && addr - changes->end < CSN_SAME_CHANGE) {
		if (changes->n == changes->n_told)
			changes->told[changes->n_told - 1].end = addr + 1;
	} else {
		if (changes->n_told < CSN_TOLD_CHANGES)
			changes->told[changes->n_told++] = (struct csn_change){ addr, addr + 1 };
		changes->n++;
	}
	changes->end = addr + 1;
}

static void csn_compare(struct csn_changes *changes, csn_addr addr, const uint8_t *memory,
			const uint8_t *file, size_t size)
{
	if (memcmp(memory, file, size) == 0)
		return;
	for (size_t i = 0; i < size; i++)
		if (memory[i] != file[i])
			csn_note_change(changes, addr + i);
}

static void csn_compare_segment(struct csn_security *look, struct csn_module *module,
				const struct csn_elf_segment *segment, uint8_t *room,
				struct csn_changes *changes)
{
	struct csn_elf_file *elf = csn_module_elf(module);
	uint64_t at = 0, size;

	while (at < segment->file_size && !csn_security_is_late(look)) {
		csn_addr addr = module->bias + segment->address + at;
		struct csn_span file = csn_elf_file_at(elf, segment->address + at);

		size = csn_min_u64(segment->file_size - at, CSN_COMPARED_BYTES);
		size = csn_min_u64(size, csn_span_left(&file));
		if (!size)
			return;
		size = csn_min_u64(size,
				   csn_target_read_own(look->scene->target, addr, room, size));
		csn_compare(changes, addr, room, file.data, size);
		/* What is not in the dump is left out, page by page. */
		at += size ? size : CSN_PAGE_BYTES - addr % CSN_PAGE_BYTES;
	}
}

static void csn_tell_changes(struct csn_security *look, const struct csn_module *module,
			     const struct csn_changes *changes)
{
	struct csn_lookup lookups[CSN_TOLD_CHANGES] = { 0 };

	for (size_t i = 0; i < changes->n_told; i++)
		lookups[i].pc = changes->told[i].start;
	look->result = csn_lookup_symbols(look->scene->snapshot->arena, look->scene->modules,
					  lookups, changes->n_told, look->err);
	for (size_t i = 0; i < changes->n_told && look->result == 0; i++) {
		const struct csn_change *change = &changes->told[i];
		const struct csn_symbol *symbol = lookups[i].symbol;
		char where[256] = "";

		if (symbol && symbol->size)
			snprintf(where, sizeof(where), " (%.200s+%" PRIu64 ")", symbol->name,
				 change->start - symbol->start);
		csn_security_find(look,
				  "code differs from its file: %" PRIu64 " byte%s at 0x%" PRIx64
				  "%s in %.200s",
				  change->end - change->start,
				  change->end - change->start > 1 ? "s" : "", change->start, where,
				  module->path);
	}
	look->n_findings += changes->n - changes->n_told;
}

void csn_security_check_text(struct csn_security *look, struct csn_module *module)
{
	cleanup_free uint8_t *room = malloc(CSN_COMPARED_BYTES);
	struct csn_elf_segment segment;
	struct csn_changes changes = { .n = 0 };

	if (!room || csn_security_relocates_text(module))
		return;
	for (uint32_t i = 0; csn_elf_file_segment(csn_module_elf(module), i, &segment); i++)
		if (segment.type == PT_LOAD && (segment.flags & PF_X) && !(segment.flags & PF_W))
			csn_compare_segment(look, module, &segment, room, &changes);
	if (changes.n && look->result == 0)
		csn_tell_changes(look, module, &changes);
}
