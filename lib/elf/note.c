#include "elf/note.h"

#include <string.h>

#include "base/limits.h"

struct csn_elf_notes csn_elf_notes_of(const struct csn_span *bytes, uint64_t alignment)
{
	return (struct csn_elf_notes){
		.bytes = csn_span_part(bytes, 0, bytes->size),
		.alignment = alignment == 8 ? 8 : 4,
		.broken = !csn_span_ok(bytes),
	};
}

/* Padding behind the last note may be missing: that is no damage. */
static void skip_padding(struct csn_elf_notes *notes)
{
	size_t misaligned = notes->bytes.at % notes->alignment;

	if (misaligned)
		csn_span_skip(&notes->bytes, csn_min_u64(csn_span_left(&notes->bytes),
							 notes->alignment - misaligned));
}

/* Owners are NUL-terminated by the rules; anything else has no name for us. */
static const char *read_name(struct csn_span *name)
{
	const char *text = name->size ? csn_span_cstr(name) : NULL;

	return text ? text : "";
}

bool csn_elf_notes_next(struct csn_elf_notes *notes, struct csn_elf_note *ret_note)
{
	struct csn_elf_note note = { 0 };
	struct csn_span name;
	uint32_t name_size, desc_size;

	if (notes->broken || csn_span_left(&notes->bytes) == 0)
		return false;
	note.offset = notes->bytes.at;
	name_size = csn_span_u32(&notes->bytes);
	desc_size = csn_span_u32(&notes->bytes);
	note.type = csn_span_u32(&notes->bytes);
	name = csn_span_take(&notes->bytes, name_size);
	skip_padding(notes);
	note.desc_offset = notes->bytes.at;
	note.desc = csn_span_take(&notes->bytes, desc_size);
	skip_padding(notes);
	if (!csn_span_ok(&notes->bytes)) {
		notes->broken = true;
		return false;
	}
	note.name = read_name(&name);
	*ret_note = note;
	return true;
}

bool csn_elf_build_id_find(const struct csn_span *bytes, uint64_t alignment,
			   struct csn_span *ret_id)
{
	struct csn_elf_notes notes = csn_elf_notes_of(bytes, alignment);
	struct csn_elf_note note;

	while (csn_elf_notes_next(&notes, &note)) {
		if (!csn_elf_note_is(&note, CSN_NOTE_GNU, NT_GNU_BUILD_ID))
			continue;
		if (note.desc.size == 0 || note.desc.size > CSN_MAX_BUILD_ID)
			continue;
		*ret_id = note.desc;
		return true;
	}
	return false;
}
