/* A packed core that others left in a watched folder, and what remembers it. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "host/finder_copy.h"
#include "spool/core_identity.h"

#define MAX_UNPACKED (4 * CSN_MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	const struct finder_unpack_limits limits = { .max_bytes = MAX_UNPACKED,
						     .packed_bytes = size_bytes,
						     .room_bytes = CSN_MIB };
	int fd = memfd_create("packed", MFD_CLOEXEC), out_fd = memfd_create("core", MFD_CLOEXEC);
	struct csn_core_identity identity;
	enum finder_packing packing;

	if (fd >= 0 && out_fd >= 0 && csn_write_full(fd, data, size_bytes) == 0 &&
	    lseek(fd, 0, SEEK_SET) == 0) {
		packing = finder_packing_of(fd);
		if ((packing == FINDER_GZIP || packing == FINDER_ZSTD) &&
		    finder_unpack(packing, fd, out_fd, &limits, NULL) == 0) {
			if (lseek(out_fd, 0, SEEK_END) > (off_t)MAX_UNPACKED)
				abort();
			(void)!csn_core_identify(out_fd, &identity, NULL);
		}
	}
	if (fd >= 0)
		close(fd);
	if (out_fd >= 0)
		close(out_fd);
	return 0;
}
