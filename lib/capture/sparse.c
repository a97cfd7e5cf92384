#include "capture/sparse.h"

#include <string.h>

#include "base/io.h"
#include "base/types.h"

static bool is_zero(const uint8_t *data, size_t size)
{
	return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

int csn_write_sparse(int fd, const uint8_t *data, uint64_t size_bytes, uint64_t offset,
		     uint64_t page_bytes)
{
	uint64_t at, end;
	int r = 0;

	for (at = 0; r == 0 && at < size_bytes; at = end) {
		bool zero = is_zero(data + at, csn_min_u64(page_bytes, size_bytes - at));

		for (end = at + page_bytes; end < size_bytes; end += page_bytes)
			if (is_zero(data + end, csn_min_u64(page_bytes, size_bytes - end)) != zero)
				break;
		end = csn_min_u64(end, size_bytes);
		if (!zero)
			r = csn_pwrite_full(fd, data + at, end - at, (off_t)(offset + at));
	}
	return r;
}
