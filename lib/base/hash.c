#include "base/hash.h"

#include <sodium.h>

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
