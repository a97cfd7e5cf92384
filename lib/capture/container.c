#include "capture/container.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define LONG_ID 64u
#define SHORT_ID 12u
#define UUID_LENGTH 36u
#define HASH_LENGTH 32u

/* One name of the path, without its slashes. */
struct part {
	const char *at;
	size_t length;
};

/* What stands in front of an id, or of a name that people chose, in one part. */
static const struct maker {
	const char *prefix, *runtime;
	bool named;
} makers[] = {
	{ "docker-", "docker", false },
	{ "libpod-", "podman", false },
	{ "cri-containerd-", "containerd", false },
	{ "nerdctl-", "containerd", false },
	{ "crio-", "cri-o", false },
	{ "lxc.payload.", "lxc", true },
	{ "machine-", "nspawn", true },
	{ "systemd-nspawn@", "nspawn", true },
};

/* The part in front of one that is an id or a name itself. */
static const struct maker parents[] = {
	{ "docker", "docker", false },
	{ "libpod_parent", "podman", false },
	{ "cri-containerd", "containerd", false },
	{ "crio", "cri-o", false },
	{ "lxc", "lxc", true },
	{ "lxc.payload", "lxc", true },
};

static size_t hex_length(const char *text, size_t max)
{
	size_t n = 0;

	while (n < max && (isdigit((unsigned char)text[n]) || (text[n] >= 'a' && text[n] <= 'f')))
		n++;
	return n;
}

static bool begins_with(struct part part, const char *prefix)
{
	size_t length = strlen(prefix);

	return part.length >= length && memcmp(part.at, prefix, length) == 0;
}

static bool is(struct part part, const char *word)
{
	return part.length == strlen(word) && begins_with(part, word);
}

/* systemd writes what is special in a unit's name as "\x2d". */
static void copy_name(char *out, size_t out_size, struct part part)
{
	size_t at = 0, used = 0;

	while (at < part.length && used + 1 < out_size) {
		if (part.length - at >= 4 && memcmp(part.at + at, "\\x", 2) == 0 &&
		    hex_length(part.at + at + 2, 2) == 2) {
			char digits[3] = { part.at[at + 2], part.at[at + 3], '\0' };

			out[used++] = (char)strtoul(digits, NULL, 16);
			at += 4;
		} else {
			out[used++] = part.at[at++];
		}
	}
	out[used] = '\0';
}

static struct part without_suffix(struct part part)
{
	static const char *const suffixes[] = { ".scope", ".service", ".slice" };

	for (size_t i = 0; i < csn_countof(suffixes); i++) {
		size_t length = strlen(suffixes[i]);

		if (part.length > length &&
		    memcmp(part.at + part.length - length, suffixes[i], length) == 0)
			return (struct part){ part.at, part.length - length };
	}
	return part;
}

/* Takes the whole of part as an id, or as a name where the maker has names. */
static bool take(struct csn_container *container, const struct maker *maker, struct part part)
{
	size_t n = hex_length(part.at, part.length);

	if (!part.length || (!maker->named && (n != part.length || n < SHORT_ID || n > LONG_ID)))
		return false;
	copy_name(container->id, sizeof(container->id), part);
	container->runtime = maker->runtime;
	return true;
}

/* 64 hex digits alone or behind a dash are a container's id, whoever made it; but conmon is the
 * host's process beside the container. */
static void take_long_id(struct csn_container *container, struct part part)
{
	static const struct maker anybody = { .runtime = NULL };

	if (part.length < LONG_ID || memmem(part.at, part.length, "conmon", strlen("conmon")))
		return;
	if (part.length == LONG_ID || part.at[part.length - LONG_ID - 1] == '-')
		(void)take(container, &anybody,
			   (struct part){ part.at + part.length - LONG_ID, LONG_ID });
}

static void look_at(struct csn_container *container, struct part before, struct part part)
{
	struct part name = without_suffix(part);
	size_t i;

	for (i = 0; i < csn_countof(makers); i++) {
		size_t length = strlen(makers[i].prefix);

		if (begins_with(name, makers[i].prefix) &&
		    take(container, &makers[i],
			 (struct part){ name.at + length, name.length - length }))
			return;
	}
	for (i = 0; i < csn_countof(parents); i++)
		if (is(before, parents[i].prefix) && take(container, &parents[i], name))
			return;
	take_long_id(container, name);
}

/* "pod" and a uid, at the beginning or behind a dash; systemd's slices have underscores in it. */
static void look_for_pod(struct csn_container *container, struct part part)
{
	struct part name = without_suffix(part);
	size_t at, n, i;

	for (at = 0; at + 3 < name.length; at++) {
		const char *uid = name.at + at + 3;

		if (memcmp(name.at + at, "pod", 3) != 0 || (at && name.at[at - 1] != '-'))
			continue;
		n = name.length - at - 3;
		for (i = 0; i < n; i++)
			if (!hex_length(uid + i, 1) && uid[i] != '-' && uid[i] != '_')
				break;
		if (i < n || (n != UUID_LENGTH && n != HASH_LENGTH))
			continue;
		snprintf(container->pod_uid, sizeof(container->pod_uid), "%.*s", (int)n, uid);
		for (i = 0; i < n; i++)
			if (container->pod_uid[i] == '_')
				container->pod_uid[i] = '-';
	}
}

void csn_container_find(const char *path, struct csn_container *ret_container)
{
	struct part before = { path, 0 }, part;
	const char *at = path;

	*ret_container = (struct csn_container){ 0 };
	while (*at) {
		part = (struct part){ at, strcspn(at, "/:") };
		look_for_pod(ret_container, part);
		look_at(ret_container, before, part);
		before = part;
		at += part.length;
		if (*at)
			at++;
	}
}
