#include "analyze/poison.h"

static const struct csn_poison csn_poisons[] = {
	{ 0x5a5a5a5a5a5a5a5a, "freed memory of jemalloc with junk filling" },
	{ 0xa5a5a5a5a5a5a5a5, "new memory of jemalloc with junk filling" },
	{ 0x6b6b6b6b6b6b6b6b, "freed memory of Linux' slab" },
	{ 0xdeadbeefdeadbeef, "written by programs over what they gave up" },
	{ 0xcdcdcdcdcdcdcdcd, "new memory of a debugging allocator" },
	{ 0xdddddddddddddddd, "freed memory of a debugging allocator" },
	{ 0xfeeefeeefeeefeee, "freed memory of a debugging heap" },
	{ 0xbaadf00dbaadf00d, "new memory of a debugging heap" },
	{ 0xabababababababab, "behind a chunk of a debugging heap" },
	{ 0xaaaaaaaaaaaaaaaa, "variables of a compiler that fills them (-ftrivial-auto-var-init)" },
	{ 0xbebebebebebebebe, "new memory of AddressSanitizer" },
	{ 0xfefefefefefefefe, "variables of a compiler that fills them (-ftrivial-auto-var-init)" },
};

const struct csn_poison *csn_poison_find(csn_addr address, csn_addr *ret_start)
{
	for (size_t i = 0; i < csn_countof(csn_poisons); i++) {
		uint64_t starts[] = { csn_poisons[i].pattern, csn_poisons[i].pattern & UINT32_MAX };

		for (size_t k = 0; k < csn_countof(starts); k++) {
			if (address < starts[k] || address - starts[k] >= CSN_POISON_REACH)
				continue;
			*ret_start = starts[k];
			return &csn_poisons[i];
		}
	}
	return NULL;
}
