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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static const struct csn_expr_ops ops = { .read_register = read_register,
						 .read_memory = read_memory,
						 .call_frame_cfa = read_frame,
						 .frame_base = read_frame };
	struct csn_expr_input input = { .bytes = csn_span_of(data, size_bytes),
					.ops = &ops,
					.address_size = 8,
					.has_initial = true,
					.initial = 0x7ffe0000 };
	struct csn_expr_result result;

	if (csn_expr_evaluate(&input, &result, NULL) == 0 && result.kind == CSN_EXPR_IMPLICIT &&
	    result.implicit.size)
		sum += result.implicit.data[result.implicit.size - 1];
	input.address_size = 4;
	input.has_initial = false;
	(void)!csn_expr_evaluate(&input, &result, NULL);
	return 0;
}
