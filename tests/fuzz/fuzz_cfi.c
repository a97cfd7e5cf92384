/* Call frame information. The first byte chooses the arrangement: bit 0 a .debug_frame instead of
 * an .eh_frame, bit 1 ELF32, bit 2 the first 64 bytes behind it are an .eh_frame_hdr. The tables
 * are at 0x1000 (header) and 0x2000. */
#include "base/cleanup.h"
#include "dwarf/cfi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static unsigned sum;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_cfi_freep) struct csn_cfi *cfi = NULL;
	static const struct csn_span none = { .failed = true };
	struct csn_cfi_input input = { .eh_frame = none,
				       .eh_frame_hdr = none,
				       .debug_frame = none };
	struct csn_span all = csn_span_of(data, size_bytes), table;
	uint8_t how = csn_span_u8(&all);
	struct csn_cfi_row row;
	uint64_t at;

	if (how & 4) {
		input.eh_frame_hdr = csn_span_take(&all, 64);
		input.eh_frame_hdr_address = 0x1000;
	}
	table = csn_span_take(&all, csn_span_left(&all));
	if (how & 1)
		input.debug_frame = table;
	else
		input.eh_frame = table;
	input.eh_frame_address = 0x2000;
	input.address_size = how & 2 ? 4 : 8;
	if (csn_cfi_new(&input, &cfi, NULL) < 0)
		return 0;
	for (at = 0x3000; at < 0x3000 + 256; at += 3) {
		unsigned i;

		if (csn_cfi_find(cfi, at, &row) != CSN_CFI_FOUND)
			continue;
		for (i = 0; i < CSN_CFI_REGISTERS; i++) {
			const struct csn_cfi_rule *rule = &row.registers[i];

			if (rule->kind >= CSN_CFI_EXPRESSION && rule->expr_size)
				sum += rule->expr[0] + rule->expr[rule->expr_size - 1];
		}
	}
	return 0;
}
