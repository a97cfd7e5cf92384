#include "base/hash.h"

#include <sodium.h>
#include <zlib.h>

#include "base/uuid.h"

void csn_sha256(const void *data, size_t size_bytes, uint8_t digest[CSN_SHA256_BYTES])
{
	crypto_hash_sha256(digest, data, size_bytes);
}

void csn_sha256_hex(const void *data, size_t size_bytes, char text[CSN_SHA256_TEXT])
{
	uint8_t digest[CSN_SHA256_BYTES];

	csn_sha256(data, size_bytes, digest);
	csn_hex_format(digest, sizeof(digest), text);
}

uint32_t csn_crc32(const void *data, size_t size_bytes)
{
	return (uint32_t)crc32_z(0, data, size_bytes);
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
