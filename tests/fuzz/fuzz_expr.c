/* Expressions, on registers and memory that are functions of their number and address. */
#include "dwarf/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static unsigned sum;

static bool read_register(void *context, unsigned dwarf_register, uint64_t *ret_value)
{
	(void)context;
	*ret_value = dwarf_register * 0x10001ull;
	return dwarf_register < 17;
}

static bool read_memory(void *context, csn_addr address, unsigned size_bytes, uint64_t *ret_value)
{
	(void)context;
	*ret_value = (address * 7) >> (64 - 8 * size_bytes);
	return address != 0;
}

static bool read_frame(void *context, uint64_t *ret_value)
{
	(void)context;
	*ret_value = 0x7fff0000;
	return true;
}

static bool read_offset(void *context, uint64_t offset, uint64_t *ret_value)
{
	(void)context;
	*ret_value = offset * 3;
	return offset != 1;
}

static bool read_entry(void *context, struct csn_span location, uint64_t *ret_value)
{
	(void)context;
	*ret_value = csn_span_uint(&location, 1);
	return csn_span_ok(&location);
}

static bool read_index(void *context, uint64_t index, bool is_address, uint64_t *ret_value)
{
	(void)context;
	*ret_value = index + is_address;
	return index < 64;
}

/* Types of every kind and size. */
static bool read_type(void *context, uint64_t offset, struct csn_expr_type *ret_type)
{
	(void)context;
	*ret_type = (struct csn_expr_type){ .size_bytes = (uint8_t)(1 << (offset & 3)),
					    .is_signed = offset & 4,
					    .is_float = (offset & 10) == 10 };
	return offset < 64;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static const struct csn_expr_ops ops = { .read_register = read_register,
						 .read_memory = read_memory,
						 .call_frame_cfa = read_frame,
						 .frame_base = read_frame,
						 .tls_address = read_offset,
						 .entry_value = read_entry,
						 .indexed = read_index,
						 .base_type = read_type,
						 .variable = read_offset };
	struct csn_expr_piece pieces[4];
	struct csn_expr_input input = { .bytes = csn_span_of(data, size_bytes),
					.ops = &ops,
					.address_size = 8,
					.offset_size = 4,
					.pieces = pieces,
					.max_pieces = csn_countof(pieces),
					.has_initial = true,
					.initial = 0x7ffe0000 };
	struct csn_expr_result result = { 0 };

	if (csn_expr_evaluate(&input, &result, NULL) == 0 && result.kind == CSN_EXPR_IMPLICIT &&
	    result.implicit.size)
		sum += result.implicit.data[result.implicit.size - 1];
	for (size_t i = 0; result.kind == CSN_EXPR_PIECES && i < result.n_pieces; i++)
		sum += (unsigned)pieces[i].size_bits;
	input.address_size = 4;
	input.has_initial = false;
	(void)!csn_expr_evaluate(&input, &result, NULL);
	return 0;
}
