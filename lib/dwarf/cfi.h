/* Call frame information: from a program counter to the rules that find its caller's registers.
 *
 * Reads .eh_frame (through .eh_frame_hdr where that is sound) and .debug_frame. All addresses are
 * link-time addresses of the object: subtract the load bias first. Rows hold no target values;
 * they may be cached per address as long as the csn_cfi and its bytes live, because expressions
 * are borrowed from them. One thread at a time. */
#ifndef CSN_DWARF_CFI_H
#define CSN_DWARF_CFI_H

#include "base/error.h"
#include "base/span.h"

/* DWARF register columns that a row keeps: x86-64 0..16 (16 is the return address) and vectors,
 * AArch64 x0..x30 and sp. Rules of higher columns are read and dropped. */
#define CSN_CFI_REGISTERS 33

enum csn_cfi_kind {
	CSN_CFI_UNSPECIFIED,    /* no rule: the architecture's default (mostly: same) */
	CSN_CFI_UNDEFINED,      /* lost; for the return address: this is the outermost frame */
	CSN_CFI_SAME,           /* unchanged */
	CSN_CFI_OFFSET,         /* saved at CFA + offset */
	CSN_CFI_VAL_OFFSET,     /* is CFA + offset */
	CSN_CFI_REGISTER,       /* is in register number offset */
	CSN_CFI_EXPRESSION,     /* saved at the address the expression yields; CFA on the stack */
	CSN_CFI_VAL_EXPRESSION, /* is what the expression yields; CFA on the stack */
};

struct csn_cfi_rule {
	uint8_t kind; /* enum csn_cfi_kind */
	uint32_t expr_size;
	union {
		int64_t offset;
		const uint8_t *expr; /* borrowed; expr_size bytes; see dwarf/expr.h */
	};
};

struct csn_cfi_row {
	uint64_t start, end; /* code range [start, end) for which this row holds */
	uint64_t function_start, function_end; /* of the whole entry (FDE) */
	/* CFA: value of cfa_register + cfa.offset (kind OFFSET), or cfa.expr (VAL_EXPRESSION) with
	 * an empty stack. */
	struct csn_cfi_rule cfa;
	uint16_t cfa_register;
	uint16_t return_column; /* may be >= CSN_CFI_REGISTERS on odd machines */
	bool signal_frame;      /* the caller's pc is exact, no minus one */
	bool from_debug_frame;
	bool return_signed; /* AArch64: the saved return address carries a signature to strip */
	uint64_t args_size;
	struct csn_cfi_rule registers[CSN_CFI_REGISTERS];
};

struct csn_cfi_input {
	struct csn_span eh_frame; /* failed or empty: absent. Must live as long as the csn_cfi */
	uint64_t eh_frame_address;
	struct csn_span eh_frame_hdr; /* failed or empty: absent */
	uint64_t eh_frame_hdr_address;
	struct csn_span debug_frame; /* failed or empty: absent */
	uint64_t text_address;       /* base of DW_EH_PE_textrel */
	uint64_t data_address;       /* base of DW_EH_PE_datarel in .eh_frame (the GOT) */
	uint16_t machine;            /* EM_... */
	uint8_t address_size;        /* 4 or 8 */
};

enum csn_cfi_answer {
	CSN_CFI_FOUND,
	CSN_CFI_NONE,   /* no entry covers the address */
	CSN_CFI_BROKEN, /* an entry does, but it cannot be executed */
};

struct csn_cfi;
struct csn_elf_file;

/* No file behind it: tables in memory. Only NOMEM fails: broken tables give NONE or BROKEN later.
 * Copies the input, not the bytes. */
int csn_cfi_new(const struct csn_cfi_input *input, struct csn_cfi **ret_cfi, struct csn_error *err)
	csn_must_check;
/* From the sections or program headers of an object, which must outlive the csn_cfi. */
int csn_cfi_open(struct csn_elf_file *file, struct csn_cfi **ret_cfi, struct csn_error *err)
	csn_must_check;
void csn_cfi_free(struct csn_cfi *cfi);
void csn_cfi_freep(struct csn_cfi **cfi);

/* The row for address. For a return address pass it minus one (except after a signal frame).
 * ret_row is written only when FOUND. */
enum csn_cfi_answer csn_cfi_find(struct csn_cfi *cfi, uint64_t address, struct csn_cfi_row *ret_row)
	csn_must_check;

#endif
