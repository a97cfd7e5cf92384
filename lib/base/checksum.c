#include "base/hash.h"

/* Apart from hash.c so that the program the kernel starts links no cryptographic library. Records
 * are small: four bits a step need a table of 16 words and no library. */
uint32_t csn_crc32(const void *data, size_t size_bytes)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *bytes = data;
	uint32_t crc = 0xffffffff;
	size_t i;

	for (i = 0; i < size_bytes; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

uint64_t csn_hash_bytes(const void *data, size_t size_bytes)
{
	const uint8_t *bytes = data;
	uint64_t hash = 0xcbf29ce484222325u;
	size_t i;

	for (i = 0; i < size_bytes; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}
