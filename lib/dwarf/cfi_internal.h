/* What the files of the CFI reader share: entries as parsed, and the tables behind struct csn_cfi.
 *
 * cfi_entry.c parses CIEs and FDEs, cfi_run.c executes their instructions, cfi.c finds the entry
 * for an address. */
#ifndef CSN_DWARF_CFI_INTERNAL_H
#define CSN_DWARF_CFI_INTERNAL_H

#include "dwarf/cfi.h"

/* DW_EH_PE_*: how .eh_frame writes pointers (LSB core, "Exception Frames"). */
enum {
	CSN_EH_ABSPTR = 0x00,
	CSN_EH_ULEB128 = 0x01,
	CSN_EH_UDATA2 = 0x02,
	CSN_EH_UDATA4 = 0x03,
	CSN_EH_UDATA8 = 0x04,
	CSN_EH_SLEB128 = 0x09,
	CSN_EH_SDATA2 = 0x0a,
	CSN_EH_SDATA4 = 0x0b,
	CSN_EH_SDATA8 = 0x0c,
	CSN_EH_PCREL = 0x10,
	CSN_EH_TEXTREL = 0x20,
	CSN_EH_DATAREL = 0x30,
	CSN_EH_FUNCREL = 0x40,
	CSN_EH_ALIGNED = 0x50,
	CSN_EH_INDIRECT = 0x80,
	CSN_EH_OMIT = 0xff,
};

/* Bases for the relative encodings; section_address is the address of the span's byte 0. */
struct csn_eh_bases {
	uint64_t section_address, text, data, function;
	uint8_t address_size;
};

/* One of the two tables. */
struct csn_cfi_section {
	struct csn_span bytes;
	struct csn_eh_bases bases;
	bool is_debug_frame;
};

struct csn_cie {
	uint64_t offset;
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_column;
	uint8_t address_size;
	uint8_t pointer_encoding; /* of FDE addresses */
	bool has_augmentation_data, signal_frame;
	struct csn_span instructions;
	size_t instructions_offset; /* of their first byte, in the section */
};

struct csn_fde {
	uint64_t start, end; /* link-time code addresses */
	struct csn_cie cie;
	struct csn_span instructions;
	size_t instructions_offset;
};

/* What stands at an offset of the table. */
enum csn_cfi_entry {
	CSN_CFI_ENTRY_FDE,
	CSN_CFI_ENTRY_OTHER, /* a CIE, or an FDE that cannot be read: skip it */
	CSN_CFI_ENTRY_END,   /* terminator or end of the bytes */
};

/* An encoded pointer. False when cut, omitted, indirect or of unknown form. */
bool csn_eh_pointer_read(struct csn_span *at, uint8_t encoding, const struct csn_eh_bases *bases,
			 uint64_t *ret_value) csn_must_check;

/* Parses the entry at offset; ret_next is the offset of the following one. cached, when not NULL,
 * holds the CIE of the last call and is kept up to date. */
enum csn_cfi_entry csn_fde_read(const struct csn_cfi_section *section, uint64_t offset,
				struct csn_cie *cached, struct csn_fde *ret_fde,
				uint64_t *ret_next);

/* Rules that change from row to row. */
struct csn_cfi_state {
	struct csn_cfi_rule cfa;
	uint16_t cfa_register;
	bool return_signed;
	struct csn_cfi_rule registers[CSN_CFI_REGISTERS];
};

/* Memory for DW_CFA_remember_state, kept from call to call. */
struct csn_cfi_scratch {
	struct csn_cfi_state *saved; /* owned */
	size_t n_saved, capacity;
};

/* Executes fde up to address. False when malformed or past a cap. */
bool csn_fde_run(const struct csn_cfi_section *section, const struct csn_fde *fde, uint64_t address,
		 struct csn_cfi_scratch *scratch, struct csn_cfi_row *ret_row) csn_must_check;

#endif
