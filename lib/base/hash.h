/* Hashes: SHA-256 (identity, integrity) and CRC-32 (torn records). */
#ifndef CSN_BASE_HASH_H
#define CSN_BASE_HASH_H

#include "base/types.h"

#define CSN_SHA256_BYTES 32
#define CSN_SHA256_TEXT 65

/* SHA-256, as bytes. */
void csn_sha256(const void *data, size_t size_bytes, uint8_t digest[CSN_SHA256_BYTES]);
/* 64 lower-case hex digits and a NUL. */
void csn_sha256_hex(const void *data, size_t size_bytes, char text[CSN_SHA256_TEXT]);
/* CRC-32 (ISO 3309, as in gzip). */
uint32_t csn_crc32(const void *data, size_t size_bytes);
/* FNV-1a, for hash tables over trusted or capped keys. */
uint64_t csn_hash_bytes(const void *data, size_t size_bytes);

#endif
