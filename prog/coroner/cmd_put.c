/* coroner put: checks each file here, posts it, tells apart what may succeed later from what never
 * will. A snapshot is known by its uuid, so sending one again is harmless: the server answers with
 * the object that it has. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "base/options.h"
#include "base/text.h"
#include "conf/ini.h"
#include "http/api_error.h"
#include "sender.h"
#include "snapshot/document.h"

struct put {
	struct sender to;
	bool unlink;
	struct csn_option_list kv;
	const char *project;
	char *attributes; /* owned: "&k=v" as the query takes them */
};

static void put_done(struct put *put)
{
	sender_done(&put->to);
	csn_option_list_done(&put->kv);
	free(put->attributes);
}

/* [default] put.<option> = <value>: as if the option stood before those of the command line. */
static int apply_default(struct put *put, const char *option, const char *value)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "k", &put->to.insecure },
		{ "insecure", &put->to.insecure },
		{ "u", &put->unlink },
		{ "unlink", &put->unlink },
	};
	struct csn_error err = CSN_ERROR_INIT;
	bool on;
	size_t i;

	for (i = 0; i < csn_countof(flags); i++) {
		if (strcmp(flags[i].name, option) != 0)
			continue;
		if (csn_ini_bool(value, &on, &err) < 0)
			return complain(CSN_EXIT_CONFIG, put->to.cf.path, "[default] put.%s: %s",
					option, err.text);
		*flags[i].flag |= on;
		return -1;
	}
	return complain(
		CSN_EXIT_CONFIG, put->to.cf.path,
		"[default] put.%s: put has no such option; known are k, u, insecure, unlink",
		option);
}

static int apply_defaults(struct put *put)
{
	size_t i;
	int status = -1;

	for (i = 0; status < 0 && i < put->to.cf.defaults.count; i++) {
		const struct csn_named_value *item = &put->to.cf.defaults.items[i];

		if (strncmp(item->name, "put.", 4) == 0)
			status = apply_default(put, item->name + 4, item->value);
	}
	return status;
}

static bool is_reserved(const char *name, size_t length)
{
	static const char *const names[] = { "token",  "format",   "universe", "project",
					     "object", "resource", "sync",     "attachment_name" };
	size_t i;

	for (i = 0; i < csn_countof(names); i++)
		if (strlen(names[i]) == length && strncmp(names[i], name, length) == 0)
			return true;
	return length == 0 || *name == '_';
}

/* "k:v[,k:v]" into "&k=v&k=v". */
static int add_pairs(struct csn_buf *out, const char *pairs)
{
	while (*pairs) {
		size_t length = strcspn(pairs, ",");
		const char *colon = memchr(pairs, ':', length);
		cleanup_free char *name = NULL, *value = NULL;

		if (!colon)
			return complain(CSN_EXIT_USAGE, NULL,
					"--kv: '%.*s' has no ':' between name and value",
					(int)length, pairs);
		if (is_reserved(pairs, (size_t)(colon - pairs)))
			return complain(CSN_EXIT_USAGE, NULL,
					"--kv: '%.*s' is not a name that can be set",
					(int)(colon - pairs), pairs);
		name = strndup(pairs, (size_t)(colon - pairs));
		value = strndup(colon + 1, length - (size_t)(colon + 1 - pairs));
		if (!name || !value)
			return complain(CSN_EXIT_OS, NULL, "out of memory");
		csn_buf_putc(out, '&');
		csn_http_encode(out, name);
		csn_buf_putc(out, '=');
		csn_http_encode(out, value);
		pairs += length + (pairs[length] == ',');
	}
	return -1;
}

static int collect_attributes(struct put *put)
{
	cleanup_(csn_buf_done) struct csn_buf query =
		CSN_BUF_INIT(CSN_MAX_KV_PAIRS * CSN_MAX_KV_BYTES);
	size_t i;
	int status = -1;

	for (i = 0; status < 0 && i < put->kv.count; i++)
		status = add_pairs(&query, put->kv.items[i]);
	if (status >= 0)
		return status;
	csn_buf_puts(&query, "");
	put->attributes = csn_buf_take(&query);
	if (!put->attributes)
		return complain(CSN_EXIT_USAGE, NULL, "--kv: too much");
	return -1;
}

/* A broken file never leaves the machine. What a whole .btt says is the server's to judge (its
 * SHA-256 shows that it is as it was written); a JSON file has no such mark and is read. */
static int check_file(int fd, const char *file, const char **ret_format, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf bytes = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_FILE);
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON + 1);
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	int r = csn_read_fd(fd, file, &bytes, err);

	if (r < 0)
		return r;
	if (csn_btt_probe(csn_buf_text(&bytes), bytes.size)) {
		*ret_format = "btt";
		r = csn_btt_unpack(bytes.data, bytes.size, &json, err);
	} else {
		*ret_format = "json";
		r = csn_snapshot_read_json(csn_buf_text(&bytes), bytes.size, &snapshot, err);
	}
	return r < 0 ? csn_wrap(err, "%s", file) : 0;
}

/* 0 when the file is a snapshot, else the exit status after the complaint. */
static int open_file(const char *file, int *ret_fd, const char **ret_format)
{
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct csn_error err = CSN_ERROR_INIT;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return complain(CSN_EXIT_DATA, file, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return complain(CSN_EXIT_DATA, file, "not a file");
	if (check_file(fd, file, ret_format, &err) < 0)
		return complain(err.code == CSN_E_OS || err.code == CSN_E_NOMEM ? CSN_EXIT_TEMPORARY
										: CSN_EXIT_DATA,
				NULL, "%s; it was not sent, make the snapshot again with ptrace",
				err.text);
	*ret_fd = csn_take_fd(fd);
	return 0;
}

/* {"response":"ok","object":"9c5f","fingerprint":"...","_rxid":"..."} */
static int print_success(const char *file, const struct csn_http_reply *reply)
{
	cleanup_(csn_buf_done) struct csn_buf line = CSN_BUF_INIT(CSN_MAX_LOG_LINE);
	cleanup_json json_t *root = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_api_error error;
	const char *object, *fingerprint;

	if (csn_json_load(csn_buf_text(&reply->body), reply->body.size, &root, &err) < 0)
		return complain(CSN_EXIT_TEMPORARY, file,
				"the reply is %s; is this an object store?", err.text);
	error = csn_api_error_of(root);
	if (error.present)
		return complain(CSN_EXIT_DATA, file, "%s; the server refuses this file",
				error.message);
	object = csn_json_get_string(root, "object", csn_json_get_string(root, "_rxid", NULL));
	fingerprint = csn_json_get_string(root, "fingerprint", "accepted");
	/* What answers for others (a portal, a proxy) knows no object, whatever else it says. */
	if (!object)
		return complain(CSN_EXIT_TEMPORARY, file,
				"the reply names no object; is this an object store?");
	csn_escape_text(&line, fingerprint, strlen(fingerprint));
	csn_buf_puts(&line, " => ");
	csn_escape_text(&line, object, strlen(object));
	printf("%s\n", csn_buf_text(&line));
	fflush(stdout);
	return 0;
}

static int post_file(struct put *put, const char *file, int fd, const char *format)
{
	cleanup_(csn_buf_done) struct csn_buf url =
		CSN_BUF_INIT(CSN_MAX_KV_PAIRS * CSN_MAX_KV_BYTES + CSN_MAX_PATH);
	cleanup_(csn_http_reply_done) struct csn_http_reply reply = { 0 };
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	int status;

	csn_buf_printf(&url, "%s/post?format=%s&token=%s%s", put->to.base, format, put->to.token,
		       put->attributes);
	if (csn_buf_check(&url, "URL", &err) < 0)
		return complain(CSN_EXIT_USAGE, file, "%s", err.text);
	call.url = csn_buf_text(&url);
	call.post = true;
	call.body_fd = fd;
	call.content_type =
		strcmp(format, "json") == 0 ? "application/json" : "application/octet-stream";
	status = sender_run(&put->to, file, &call, &reply);
	if (status != 0)
		return status;
	return print_success(file, &reply);
}

static int put_file(struct put *put, const char *file)
{
	cleanup_close int fd = -1;
	const char *format = "btt";
	int status = open_file(file, &fd, &format);

	if (status == 0)
		status = post_file(put, file, fd, format);
	if (status == 0 && put->unlink && remove(file) < 0)
		complain(0, file, "sent, but not removed: %s", strerror(errno));
	return status;
}

/* A refused file does not stop the others; a server, token or configuration that fails does. */
static int put_files(struct put *put, char **files, int n_files)
{
	int i, status, worst = 0;

	for (i = 0; i < n_files; i++) {
		status = put_file(put, files[i]);
		if (status != 0)
			worst = status;
		if (status != 0 && status != CSN_EXIT_DATA)
			break;
	}
	return worst;
}

static int prepare(struct put *put, const struct coroner *coroner, const char *token)
{
	int status = sender_configure(&put->to, coroner);

	if (status < 0)
		status = apply_defaults(put);
	if (status < 0)
		status = collect_attributes(put);
	if (status < 0)
		status = sender_connect(&put->to, token);
	return status;
}

int coroner_put(int argc, char **argv, void *context)
{
	struct coroner *coroner = context;
	cleanup_(put_done) struct put put = { 0 };
	const struct csn_option options[] = {
		{ "config", 'c', CSN_OPT_STRING, "FILE", "configuration", &coroner->config },
		{ "insecure", 'k', CSN_OPT_FLAG, NULL, "do not verify the server's certificate",
		  &put.to.insecure },
		{ "unlink", 'u', CSN_OPT_FLAG, NULL, "delete each file once the server has it",
		  &put.unlink },
		{ "kv", 0, CSN_OPT_LIST, "K:V[,K:V]", "set attributes of the objects", &put.kv },
		{ NULL },
	};
	const struct csn_program program = {
		.name = "coroner put",
		.summary = "Sends snapshots (.btt or JSON reports) and prints, for each, "
			   "'<fingerprint> => <object>'.",
		.usages = (const char *const[]){ "coroner put [OPTION...] PROJECT TOKEN FILE...",
						 NULL },
		.options = options,
		.examples =
			(const char *const[]){
				"coroner put blackhole blackhole vim.basic.27336.1485210312.btt",
				"coroner put -u --kv version:1.2.3,dc:newyork web web *.btt",
				NULL,
			},
	};
	int first, status = csn_options_parse(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	if (argc - first < 3)
		return csn_usage_error(&program, "a project, a token and a file are needed");
	put.project = argv[first];
	status = prepare(&put, coroner, argv[first + 1]);
	if (status >= 0)
		return status;
	return put_files(&put, argv + first + 2, argc - first - 2);
}
