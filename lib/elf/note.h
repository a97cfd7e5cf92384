/* Notes: iterating a PT_NOTE segment or an SHT_NOTE section of any origin.
 *
 * Bytes are borrowed from the span. Sizes that run past the end stop the walk and are reported by
 * csn_elf_notes_broken. Nothing allocates. Types not in <elf.h> of every distribution are named
 * here. */
#ifndef CSN_ELF_NOTE_H
#define CSN_ELF_NOTE_H

#include <elf.h>

#include "base/error.h"
#include "base/span.h"

/* <elf.h> has: NT_PRSTATUS NT_FPREGSET NT_PRPSINFO NT_AUXV NT_SIGINFO NT_FILE NT_X86_XSTATE
 * NT_GNU_BUILD_ID. Ours: */
#define CSN_NT_CORESNAP 0x43534e01
#define CSN_NOTE_CORE "CORE"
#define CSN_NOTE_LINUX "LINUX"
#define CSN_NOTE_GNU "GNU"
#define CSN_NOTE_CORESNAP "CORESNAP"

struct csn_elf_note {
	const char *name; /* borrowed, NUL-terminated; "" when the note has none or a bad one */
	uint32_t type;
	uint64_t offset;      /* of the note header, from the start of the span */
	uint64_t desc_offset; /* of the description, from the start of the span */
	struct csn_span desc;
};

struct csn_elf_notes {
	struct csn_span bytes;
	size_t alignment;
	bool broken;
};

/* alignment: p_align or sh_addralign; 8 is honoured (GNU properties), anything else means 4. */
struct csn_elf_notes csn_elf_notes_of(const struct csn_span *bytes, uint64_t alignment);

/* The next note. False at the end or where a note runs past it. */
bool csn_elf_notes_next(struct csn_elf_notes *notes, struct csn_elf_note *ret_note) csn_must_check;

/* True when the walk stopped before the end of the bytes. */
static inline bool csn_elf_notes_broken(const struct csn_elf_notes *notes)
{
	return notes->broken;
}

static inline bool csn_elf_note_is(const struct csn_elf_note *note, const char *name, uint32_t type)
{
	return note->type == type && __builtin_strcmp(note->name, name) == 0;
}

/* The build-id among the notes; false when absent, empty or above CSN_MAX_BUILD_ID. */
bool csn_elf_build_id_find(const struct csn_span *bytes, uint64_t alignment,
			   struct csn_span *ret_id) csn_must_check;

#endif
