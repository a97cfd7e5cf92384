#include "host/attributes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "snapshot/protected.h"

static void refuse(struct csn_attributes *attributes, const char *source, const char *name,
		   const char *why)
{
	size_t used = strlen(attributes->refused);
	char shown[64];

	snprintf(attributes->refused + used, sizeof(attributes->refused) - used, "%s%s (%s): %s",
		 used ? "; " : "", csn_escape_to(shown, sizeof(shown), name), source, why);
}

/* What may stand in a column's name; blanks and separators are no part of a key already. */
static bool is_name(const char *key)
{
	size_t left = strlen(key), n;

	for (; left; key += n, left -= n) {
		n = csn_utf8_length(key, left);
		if (n == 0 || (unsigned char)*key < 0x20 || *key == 0x7f)
			return false;
	}
	return true;
}

static int set_pair(struct csn_attributes *attributes, const char *source, const char *key,
		    const char *value, struct csn_error *err)
{
	cleanup_free char *copy = NULL;
	size_t i;

	if (!is_name(key)) {
		refuse(attributes, source, key, "not a name");
		return 0;
	}
	if (csn_attribute_is_protected(key)) {
		refuse(attributes, source, key, "measured or reserved");
		return 0;
	}
	if (strlen(key) + strlen(value) > CSN_MAX_KV_BYTES) {
		refuse(attributes, source, key, "larger than 4 KiB");
		return 0;
	}
	for (i = 0; i < attributes->n_pairs; i++)
		if (strcmp(attributes->pairs[i].key, key) == 0)
			break;
	if (i == CSN_MAX_KV_PAIRS) {
		refuse(attributes, source, key, "more than 64 attributes");
		return 0;
	}
	copy = strdup(value);
	if (!copy)
		return csn_fail_nomem(err);
	if (i == attributes->n_pairs) {
		attributes->pairs[i].key = strdup(key);
		if (!attributes->pairs[i].key)
			return csn_fail_nomem(err);
		attributes->n_pairs++;
	}
	free(attributes->pairs[i].value);
	attributes->pairs[i].value = csn_take(copy);
	return 0;
}

/* Blanks around the key and a carriage return at the end do not count. */
static int add_line(struct csn_attributes *attributes, const char *source, char *line,
		    struct csn_error *err)
{
	size_t length = strlen(line);
	char *equals;

	while (length && strchr(" \t\r", line[length - 1]))
		line[--length] = '\0';
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	equals = strchr(line, '=');
	if (!equals || equals == line || line[strcspn(line, " \t:,=")] != '=') {
		refuse(attributes, source, line, "not key=value");
		return 0;
	}
	*equals = '\0';
	return set_pair(attributes, source, line, equals + 1, err);
}

int csn_attributes_add(struct csn_attributes *attributes, const char *source, const char *text,
		       struct csn_error *err)
{
	cleanup_free char *copy = strdup(text ? text : "");
	char *line, *next;
	int r;

	if (!copy)
		return csn_fail_nomem(err);
	for (line = copy; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		r = add_line(attributes, source, line, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void csn_attributes_done(struct csn_attributes *attributes)
{
	size_t i;

	for (i = 0; i < attributes->n_pairs; i++) {
		free(attributes->pairs[i].key);
		free(attributes->pairs[i].value);
	}
	*attributes = (struct csn_attributes){ 0 };
}
