/* Writing with holes: pages of zeros are left out, so that the file system need not store them. */
#ifndef CSN_CAPTURE_SPARSE_H
#define CSN_CAPTURE_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes what is not zero of [data, data + size_bytes) to offset. The file must read as zeros
 * there, and its end is set by the caller. 0 or a negative errno. */
int csn_write_sparse(int fd, const uint8_t *data, uint64_t size_bytes, uint64_t offset,
		     uint64_t page_bytes);

#endif
