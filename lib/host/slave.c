#include "host/slave.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"

#define MAX_WORDS (CSN_MAX_KV_PAIRS + 128)

struct words {
	struct csn_arena *arena;
	const char **items;
	size_t count;
	bool failed;
};

/* Takes the word; NULL (out of memory, out of room) fails the whole line. */
static void add(struct words *words, const char *word)
{
	if (!word || words->count + 1 >= MAX_WORDS)
		words->failed = true;
	else
		words->items[words->count++] = word;
}

static int begin(struct words *words, struct csn_arena *arena, struct csn_error *err)
{
	*words = (struct words){ .arena = arena };
	words->items = csn_arena_array(arena, MAX_WORDS, sizeof(*words->items));
	return words->items ? 0 : csn_fail_nomem(err);
}

static int finish(struct words *words, const char *const **ret_argv, struct csn_error *err)
{
	if (words->failed)
		return csn_fail(err, CSN_E_LIMIT, "the command line is too long");
	*ret_argv = words->items;
	return 0;
}

static void add_options(struct words *words, const char *text)
{
	size_t length;

	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		length = strcspn(text, " \t");
		add(words, csn_arena_strndup(words->arena, text, length));
		text += length;
	}
}

/* "--kv=<key>:<value>"; a comma would begin another pair, unless escaped. */
static void add_pair(struct words *words, const char *key, const char *value)
{
	cleanup_(csn_buf_done) struct csn_buf word = CSN_BUF_INIT(4 * CSN_MAX_KV_BYTES);

	csn_buf_printf(&word, "--kv=%s:", key);
	for (; *value; value++) {
		if (*value == ',')
			csn_buf_putc(&word, '\\');
		csn_buf_putc(&word, *value);
	}
	add(words, csn_buf_ok(&word) ? csn_arena_strdup(words->arena, word.data) : NULL);
}

static void add_attributes(struct words *words, const struct csn_attributes *attributes)
{
	char warning[sizeof(attributes->refused) + 16];
	size_t i;

	for (i = 0; i < attributes->n_pairs; i++)
		add_pair(words, attributes->pairs[i].key, attributes->pairs[i].value);
	snprintf(warning, sizeof(warning), "refused %s", attributes->refused);
	if (*attributes->refused)
		add_pair(words, "coresnap.warning", warning);
}

int csn_slave_ptrace(struct csn_arena *arena, const struct csn_host *host,
		     const struct csn_crash *crash, const struct csn_attributes *attributes,
		     const char *const **ret_argv, struct csn_error *err)
{
	const char *archive = host->spool.path;
	struct words words;
	int r = begin(&words, arena, err);

	if (r < 0)
		return r;
	add(&words, csn_arena_strdup(arena, host->conf.ptrace_path));
	add(&words, "--faulted");
	add(&words, csn_arena_sprintf(arena, "-o%s/sending/%s", archive, crash->uuid));
	add(&words, "--load=libc-");
	add(&words, csn_arena_sprintf(arena, "--kv=coresnap.object:%s", crash->uuid));
	/* Nobody measured the host of a core that was found. */
	if (crash->found_at && crash->hostname)
		add_pair(&words, "hostname", crash->hostname);
	if (crash->found_at)
		add_pair(&words, "coresnap.found_at", crash->found_at);
	add_attributes(&words, attributes);
	add(&words, csn_arena_sprintf(arena, "--resource=%s/assets/%s", archive, crash->uuid));
	add_options(&words, host->conf.ptrace_options);
	add(&words, "--core");
	add(&words, csn_arena_sprintf(arena, "%s/pending/%s", archive, crash->uuid));
	if (crash->exe)
		add(&words, csn_arena_strdup(arena, crash->exe));
	return finish(&words, ret_argv, err);
}

/* The words that all commands of coroner begin with. */
static int begin_coroner(struct words *words, struct csn_arena *arena, const struct csn_host *host,
			 const char *command, const char *project, struct csn_error *err)
{
	int r = begin(words, arena, err);

	if (r < 0)
		return r;
	add(words, csn_arena_strdup(arena, host->conf.coroner_path));
	add(words, "-c");
	add(words, csn_arena_strdup(arena, host->conf.coroner_config));
	add(words, command);
	add(words, csn_arena_strdup(arena, project));
	add(words, csn_arena_strdup(arena, project));
	return 0;
}

int csn_slave_coroner(struct csn_arena *arena, const struct csn_host *host, const char *uuid,
		      const char *project, const char *const **ret_argv, struct csn_error *err)
{
	struct words words;
	int r = begin_coroner(&words, arena, host, "put", project, err);

	if (r < 0)
		return r;
	add(&words, csn_arena_sprintf(arena, "%s/sending/%s", host->spool.path, uuid));
	return finish(&words, ret_argv, err);
}

int csn_slave_tick(struct csn_arena *arena, const struct csn_host *host, const char *object,
		   const char *project, const char *const **ret_argv, struct csn_error *err)
{
	const char *archive = host->spool.path, *name = csn_last_part(archive);
	struct words words;
	int r = begin_coroner(&words, arena, host, "tick", project, err);

	if (r < 0)
		return r;
	add(&words,
	    csn_arena_sprintf(arena, "%.*sticks/%s.out", (int)(name - archive), archive, object));
	return finish(&words, ret_argv, err);
}
