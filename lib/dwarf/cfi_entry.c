#include <string.h>

#include "dwarf/cfi_internal.h"

/* Width of a fixed-size format; 0: LEB128 or unknown. */
static unsigned format_bytes(uint8_t encoding, uint8_t address_size)
{
	switch (encoding & 0x0f) {
	case CSN_EH_ABSPTR:
		return address_size;
	case CSN_EH_UDATA2:
	case CSN_EH_SDATA2:
		return 2;
	case CSN_EH_UDATA4:
	case CSN_EH_SDATA4:
		return 4;
	case CSN_EH_UDATA8:
	case CSN_EH_SDATA8:
		return 8;
	default:
		return 0;
	}
}

static uint64_t read_format(struct csn_span *at, uint8_t encoding, uint8_t address_size)
{
	unsigned width = format_bytes(encoding, address_size);

	if (width)
		return encoding & 0x08 ? (uint64_t)csn_span_int(at, width)
				       : csn_span_uint(at, width);
	if ((encoding & 0x0f) == CSN_EH_ULEB128)
		return csn_span_uleb(at);
	if ((encoding & 0x0f) == CSN_EH_SLEB128)
		return (uint64_t)csn_span_sleb(at);
	at->failed = true;
	return 0;
}

bool csn_eh_pointer_read(struct csn_span *at, uint8_t encoding, const struct csn_eh_bases *bases,
			 uint64_t *ret_value)
{
	uint64_t base = 0, value;

	/* Indirect pointers live in relocated memory; nothing that we read uses them. */
	if (encoding == CSN_EH_OMIT || (encoding & CSN_EH_INDIRECT))
		return false;
	switch (encoding & 0x70) {
	case 0:
		break;
	case CSN_EH_PCREL:
		base = bases->section_address + at->at;
		break;
	case CSN_EH_TEXTREL:
		base = bases->text;
		break;
	case CSN_EH_DATAREL:
		base = bases->data;
		break;
	case CSN_EH_FUNCREL:
		base = bases->function;
		break;
	case CSN_EH_ALIGNED:
		csn_span_align(at, bases->address_size);
		break;
	default:
		return false;
	}
	value = base + read_format(at, encoding, bases->address_size);
	*ret_value = bases->address_size == 4 ? (uint32_t)value : value;
	return csn_span_ok(at);
}

/* Start of an entry: its length is read and its id field is next. */
struct entry {
	struct csn_span body; /* whole section up to the end of the entry, at the id field */
	uint64_t next;
	bool wide; /* 64-bit format */
	bool end;
};

static struct entry open_entry(const struct csn_cfi_section *section, uint64_t offset)
{
	struct entry entry = { .body = section->bytes, .end = true };
	uint64_t length;

	csn_span_seek(&entry.body, offset);
	length = csn_span_u32(&entry.body);
	entry.wide = length == UINT32_MAX;
	if (entry.wide)
		length = csn_span_u64(&entry.body);
	if (!csn_span_ok(&entry.body) || length > csn_span_left(&entry.body))
		return entry;
	/* .eh_frame ends with a zero length; some linkers leave zero words between inputs of
	 * .debug_frame, where they are padding. */
	if (length == 0 && !section->is_debug_frame)
		return entry;
	entry.end = false;
	entry.next = entry.body.at + length;
	entry.body.size = entry.next;
	return entry;
}

static bool read_augmentation(struct csn_span *at, const char *augmentation, struct csn_cie *cie,
			      const struct csn_eh_bases *bases)
{
	struct csn_span data;
	uint64_t size, unused;

	if (augmentation[0] != 'z')
		return augmentation[0] == 0 || strcmp(augmentation, "eh") == 0;
	cie->has_augmentation_data = true;
	size = csn_span_uleb(at);
	if (size > csn_span_left(at))
		return false;
	/* Not csn_span_take: relative encodings count from the section's start. */
	data = *at;
	data.size = data.at + size;
	csn_span_skip(at, size);
	while (*++augmentation) {
		if (*augmentation == 'R') {
			cie->pointer_encoding = csn_span_u8(&data);
		} else if (*augmentation == 'L') {
			csn_span_skip(&data, 1);
		} else if (*augmentation == 'P') {
			uint8_t encoding = csn_span_u8(&data) & (uint8_t)~CSN_EH_INDIRECT;

			if (!csn_eh_pointer_read(&data, encoding, bases, &unused))
				return false;
		} else if (*augmentation == 'S') {
			cie->signal_frame = true;
		} else if (*augmentation != 'B' && *augmentation != 'G') {
			/* Unknown, but 'z' told where the instructions begin. */
			break;
		}
	}
	return csn_span_ok(&data);
}

static bool read_cie(const struct csn_cfi_section *section, uint64_t offset,
		     struct csn_cie *ret_cie)
{
	struct entry entry = open_entry(section, offset);
	struct csn_span *at = &entry.body;
	struct csn_cie cie = { .offset = offset, .address_size = section->bases.address_size };
	const char *augmentation;
	uint64_t id;
	uint8_t version;

	if (entry.end)
		return false;
	id = csn_span_uint(at, entry.wide && section->is_debug_frame ? 8 : 4);
	if (section->is_debug_frame ? id != (entry.wide ? UINT64_MAX : UINT32_MAX) : id != 0)
		return false;
	version = csn_span_u8(at);
	augmentation = csn_span_cstr(at);
	if (!augmentation || (version != 1 && version != 3 && version != 4))
		return false;
	if (strcmp(augmentation, "eh") == 0)
		csn_span_skip(at, cie.address_size);
	if (version == 4) {
		cie.address_size = csn_span_u8(at);
		/* Segmented targets do not exist any more. */
		if (csn_span_u8(at) != 0 || (cie.address_size != 4 && cie.address_size != 8))
			return false;
	}
	cie.code_align = csn_span_uleb(at);
	cie.data_align = csn_span_sleb(at);
	cie.return_column = version == 1 ? csn_span_u8(at) : csn_span_uleb(at);
	if (!read_augmentation(at, augmentation, &cie, &section->bases))
		return false;
	cie.instructions_offset = at->at;
	cie.instructions = *at;
	*ret_cie = cie;
	return csn_span_ok(at);
}

/* The CIE that an FDE names, by the value and the place of its id field. */
static bool find_cie(const struct csn_cfi_section *section, const struct entry *entry, uint64_t id,
		     uint64_t id_offset, struct csn_cie *cached, struct csn_cie *ret_cie)
{
	uint64_t offset = id;

	(void)entry;
	if (!section->is_debug_frame) {
		if (id > id_offset)
			return false;
		offset = id_offset - id;
	}
	if (cached && cached->instructions.data && cached->offset == offset) {
		*ret_cie = *cached;
		return true;
	}
	if (!read_cie(section, offset, ret_cie))
		return false;
	if (cached)
		*cached = *ret_cie;
	return true;
}

enum csn_cfi_entry csn_fde_read(const struct csn_cfi_section *section, uint64_t offset,
				struct csn_cie *cached, struct csn_fde *ret_fde, uint64_t *ret_next)
{
	struct entry entry = open_entry(section, offset);
	struct csn_span *at = &entry.body;
	struct csn_eh_bases bases = section->bases;
	struct csn_fde fde = { 0 };
	uint64_t id, id_offset = at->at, size;

	if (entry.end)
		return CSN_CFI_ENTRY_END;
	*ret_next = entry.next;
	id = csn_span_uint(at, entry.wide && section->is_debug_frame ? 8 : 4);
	if (!csn_span_ok(at))
		return CSN_CFI_ENTRY_OTHER;
	if (section->is_debug_frame ? id == (entry.wide ? UINT64_MAX : UINT32_MAX) : id == 0)
		return CSN_CFI_ENTRY_OTHER;
	if (!find_cie(section, &entry, id, id_offset, cached, &fde.cie))
		return CSN_CFI_ENTRY_OTHER;
	bases.address_size = fde.cie.address_size;
	if (!csn_eh_pointer_read(at, fde.cie.pointer_encoding, &bases, &fde.start))
		return CSN_CFI_ENTRY_OTHER;
	/* The size has the same format, without a base. */
	size = read_format(at, fde.cie.pointer_encoding, fde.cie.address_size);
	fde.end = fde.start > UINT64_MAX - size ? UINT64_MAX : fde.start + size;
	if (fde.cie.has_augmentation_data)
		csn_span_skip(at, csn_span_uleb(at));
	if (!csn_span_ok(at))
		return CSN_CFI_ENTRY_OTHER;
	fde.instructions_offset = at->at;
	fde.instructions = *at;
	*ret_fde = fde;
	return CSN_CFI_ENTRY_FDE;
}
