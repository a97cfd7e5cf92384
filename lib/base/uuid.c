#include "base/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

void csn_random_bytes(void *bytes, size_t size_bytes)
{
	size_t done = 0;
	ssize_t n;

	while (done < size_bytes) {
		n = getrandom((char *)bytes + done, size_bytes - done, 0);
		if (n > 0)
			done += (size_t)n;
	}
}

void csn_hex_format(const void *bytes, size_t size_bytes, char *text)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = bytes;
	size_t i;

	for (i = 0; i < size_bytes; i++) {
		text[2 * i] = digits[in[i] >> 4];
		text[2 * i + 1] = digits[in[i] & 15];
	}
	text[2 * size_bytes] = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool csn_hex_parse(const char *text, void *bytes, size_t size_bytes)
{
	uint8_t *out = bytes;
	size_t i;

	for (i = 0; i < size_bytes; i++) {
		int high = digit(text[2 * i]);
		int low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return text[2 * size_bytes] == '\0';
}

void csn_uuid_format(const uint8_t bytes[16], char text[CSN_UUID_TEXT])
{
	static const uint8_t dash_before[] = { 4, 6, 8, 10 };
	char hex[33];
	size_t i, at = 0, dash = 0;

	csn_hex_format(bytes, 16, hex);
	for (i = 0; i < 16; i++) {
		if (dash < sizeof(dash_before) && i == dash_before[dash]) {
			text[at++] = '-';
			dash++;
		}
		text[at++] = hex[2 * i];
		text[at++] = hex[2 * i + 1];
	}
	text[at] = '\0';
}

void csn_uuid_format_random(char text[CSN_UUID_TEXT])
{
	uint8_t bytes[16];

	csn_random_bytes(bytes, sizeof(bytes));
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	csn_uuid_format(bytes, text);
}

bool csn_uuid_parse(const char *text, uint8_t bytes[16])
{
	uint8_t parsed[16];
	char hex[33];
	size_t i, at = 0;

	if (strlen(text) != CSN_UUID_TEXT - 1)
		return false;
	for (i = 0; i < CSN_UUID_TEXT - 1; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
		} else {
			hex[at++] = text[i];
		}
	}
	hex[at] = '\0';
	if (!csn_hex_parse(hex, parsed, sizeof(parsed)))
		return false;
	if (bytes)
		memcpy(bytes, parsed, sizeof(parsed));
	return true;
}
