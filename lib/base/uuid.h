/* UUIDs (RFC 9562): random version 4, parsed and printed in lower case with dashes. */
#ifndef CSN_BASE_UUID_H
#define CSN_BASE_UUID_H

#include "base/types.h"

/* Bytes of the text form, NUL included. */
#define CSN_UUID_TEXT 37

/* Fills bytes from the kernel's random source (getrandom); aborts never, retries EINTR. */
void csn_random_bytes(void *bytes, size_t size_bytes);
void csn_uuid_format_random(char text[CSN_UUID_TEXT]);
void csn_uuid_format(const uint8_t bytes[16], char text[CSN_UUID_TEXT]);
/* True for 8-4-4-4-12 hex digits of either case, nothing behind; bytes may be NULL. */
bool csn_uuid_parse(const char *text, uint8_t bytes[16]);
/* size_bytes * 2 lower-case digits and a NUL. */
void csn_hex_format(const void *bytes, size_t size_bytes, char *text);
/* Exactly size_bytes * 2 digits, nothing behind. */
bool csn_hex_parse(const char *text, void *bytes, size_t size_bytes);

#endif
