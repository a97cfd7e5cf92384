/* Which listeners there are, and where the data is.
 *
 * The file is JSON; of the public sample's sections these count:
 *
 *	{"data": "/var/lib/coronerd",
 *	 "listener": {
 *	   "http-console": {"port": 443, "threads": 1, "concurrency": 1000,
 *	                    "ssl": {"certificate": FILE, "key": FILE}},
 *	   "read": {"port": 4097, ...},
 *	   "write": {"http_bind": [{"port": 6097, ...}], "https_bind": [{"port": 6098, ...}]}},
 *	 "console": {"port": 9040}}
 *
 * Each may carry "address". Members that we do not know are left alone: the sample has many. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "base/text.h"
#include "coronerd.h"

#define EVERYWHERE "::"
#define LOOPBACK "127.0.0.1"

struct reading {
	const char *path;
	struct coronerd_config *config;
	struct csn_root root;
};

static int fail_in(const struct reading *reading, struct csn_error *err, const char *where,
		   const char *what)
{
	return csn_fail(err, CSN_E_USAGE, "%s: %s: %s", reading->path, where, what);
}

static struct coronerd_listener *add_listener(struct coronerd_config *config, const char *address,
					      uint16_t port, unsigned role)
{
	struct coronerd_listener *listener;

	if (config->n_listeners == CORONERD_LISTENERS)
		return NULL;
	listener = &config->listeners[config->n_listeners++];
	*listener = (struct coronerd_listener){ .port = port, .role = role };
	snprintf(listener->address, sizeof(listener->address), "%s", address);
	return listener;
}

/* ---- certificates ---- */

static const struct {
	const char *certificate, *key;
} certificate_names[] = {
	{ "certificate.pem", "key.pem" },
	{ "fullchain.pem", "privkey.pem" },
	{ "coronerd.crt", "coronerd.key" },
	{ "server.crt", "server.key" },
};

static bool find_certificate(const struct csn_root *root, struct coronerd_listener *listener)
{
	char folder[4000];

	csn_root_path(root, "/etc/coronerd/ssl", folder, sizeof(folder));
	for (size_t i = 0; i < csn_countof(certificate_names); i++) {
		snprintf(listener->certificate, sizeof(listener->certificate), "%s/%s", folder,
			 certificate_names[i].certificate);
		snprintf(listener->key, sizeof(listener->key), "%s/%s", folder,
			 certificate_names[i].key);
		if (access(listener->certificate, F_OK) == 0 && access(listener->key, F_OK) == 0)
			return true;
	}
	listener->certificate[0] = listener->key[0] = '\0';
	return false;
}

static void add_defaults(struct coronerd_config *config, const struct csn_root *root)
{
	static const struct {
		uint16_t port;
		unsigned role;
	} secure[] = {
		{ 443, CSN_ROLE_CONSOLE | CSN_ROLE_READ | CSN_ROLE_POST },
		{ 4097, CSN_ROLE_READ },
		{ 6098, CSN_ROLE_POST },
	};
	struct coronerd_listener probe = { 0 };

	if (!find_certificate(root, &probe)) {
		add_listener(config, LOOPBACK, 6097, CSN_ROLE_ALL);
		add_listener(config, LOOPBACK, 9040, CSN_ROLE_CONTROL);
		return;
	}
	for (size_t i = 0; i < csn_countof(secure); i++) {
		struct coronerd_listener *listener =
			add_listener(config, EVERYWHERE, secure[i].port, secure[i].role);

		if (!listener)
			return;
		memcpy(listener->certificate, probe.certificate, sizeof(probe.certificate));
		memcpy(listener->key, probe.key, sizeof(probe.key));
	}
	add_listener(config, EVERYWHERE, 9040, CSN_ROLE_CONTROL);
}

/* ---- the file ---- */

static int read_path(const struct reading *reading, const json_t *ssl, const char *name,
		     const char *other, char out[4096], const char *where, struct csn_error *err)
{
	const char *path = csn_json_get_string(ssl, name, NULL);

	if (!path && other)
		path = csn_json_get_string(ssl, other, NULL);
	if (!path)
		return fail_in(reading, err, where, "ssl needs certificate and key");
	if (access(path, R_OK) < 0)
		return csn_fail(err, CSN_E_USAGE, "%s: %s: %s: %s", reading->path, where, path,
				strerror(errno));
	snprintf(out, 4096, "%s", path);
	return 0;
}

static int read_number(const struct reading *reading, const json_t *section, const char *name,
		       int64_t max, unsigned *out, const char *where, struct csn_error *err)
{
	const json_t *value = json_object_get(section, name);
	uint64_t number;

	if (!value)
		return 0;
	if (!csn_json_number_u64(value, &number) || number > (uint64_t)max)
		return csn_fail(err, CSN_E_USAGE, "%s: %s: %s must be a number up to %lld",
				reading->path, where, name, (long long)max);
	*out = (unsigned)number;
	return 0;
}

struct section {
	const char *where;
	uint16_t port;
	unsigned role;
	bool tls_needed;
};

static int read_listener(struct reading *reading, const json_t *value,
			 const struct section *section, struct csn_error *err)
{
	const json_t *ssl = json_object_get(value, "ssl");
	struct coronerd_listener *listener;
	unsigned port = section->port;
	int r;

	if (!json_is_object(value))
		return fail_in(reading, err, section->where, "must be an object");
	r = read_number(reading, value, "port", 65535, &port, section->where, err);
	if (r < 0)
		return r;
	listener = add_listener(reading->config, csn_json_get_string(value, "address", EVERYWHERE),
				(uint16_t)port, section->role);
	if (!listener)
		return fail_in(reading, err, section->where, "too many listeners");
	r = read_number(reading, value, "threads", 256, &listener->threads, section->where, err);
	if (r == 0)
		r = read_number(reading, value, "concurrency", 100000, &listener->connections,
				section->where, err);
	if (r == 0)
		r = read_number(reading, value, "backlog", 65535, &listener->backlog,
				section->where, err);
	if (r < 0)
		return r;
	if (!ssl && section->tls_needed && !find_certificate(&reading->root, listener))
		return fail_in(reading, err, section->where,
			       "needs ssl, or a certificate in /etc/coronerd/ssl");
	if (!ssl)
		return 0;
	r = read_path(reading, ssl, "certificate", "certificate_chain_file", listener->certificate,
		      section->where, err);
	return r < 0 ? r : read_path(reading, ssl, "key", NULL, listener->key, section->where, err);
}

/* One section, or an array of them. */
static int read_listeners(struct reading *reading, const json_t *value,
			  const struct section *section, struct csn_error *err)
{
	json_t *item;
	size_t i;
	int r = 0;

	if (!value)
		return 0;
	if (!json_is_array(value))
		return read_listener(reading, value, section, err);
	json_array_foreach((json_t *)value, i, item)
	{
		r = read_listener(reading, item, section, err);
		if (r < 0)
			break;
	}
	return r;
}

static int read_sections(struct reading *reading, const json_t *file, struct csn_error *err)
{
	static const struct section console = { "listener.http-console", 443,
						CSN_ROLE_CONSOLE | CSN_ROLE_READ | CSN_ROLE_POST,
						false };
	static const struct section read = { "listener.read", 4097, CSN_ROLE_READ, false };
	static const struct section clear = { "listener.write.http_bind", 6097, CSN_ROLE_POST,
					      false };
	static const struct section secure = { "listener.write.https_bind", 6098, CSN_ROLE_POST,
					       true };
	static const struct section control = { "console", 9040, CSN_ROLE_CONTROL, false };
	const json_t *listener = json_object_get(file, "listener");
	const json_t *write = json_object_get(listener, "write");
	const struct {
		const json_t *value;
		const struct section *section;
	} table[] = {
		{ json_object_get(listener, "http-console"), &console },
		{ json_object_get(listener, "read"), &read },
		{ json_object_get(write, "http_bind"), &clear },
		{ json_object_get(write, "https_bind"), &secure },
		{ json_object_get(file, "console"), &control },
	};
	int r = 0;

	if (listener && !json_is_object(listener))
		return fail_in(reading, err, "listener", "must be an object");
	for (size_t i = 0; r == 0 && i < csn_countof(table); i++)
		r = read_listeners(reading, table[i].value, table[i].section, err);
	return r;
}

static int read_config_file(struct reading *reading, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MAX_CONFIG_FILE);
	cleanup_json json_t *file = NULL;
	const char *data;
	int r = csn_read_file(AT_FDCWD, reading->path, &text, err);

	if (r < 0)
		return r;
	r = csn_json_load(csn_buf_text(&text), text.size, &file, err);
	if (r < 0)
		return csn_wrap(err, "%s", reading->path);
	if (!json_is_object(file))
		return csn_fail(err, CSN_E_USAGE, "%s: must be a JSON object", reading->path);
	data = csn_json_get_string(file, "data", NULL);
	if (data)
		snprintf(reading->config->data, sizeof(reading->config->data), "%s", data);
	return read_sections(reading, file, err);
}

/* ---- options ---- */

static int add_listen_option(struct coronerd_config *config, const char *text,
			     struct csn_error *err)
{
	const char *colon = strrchr(text, ':');
	struct coronerd_listener *listener;
	uint64_t port;
	size_t length;

	if (!colon || !csn_parse_u64(colon + 1, 10, &port) || port > 65535)
		return csn_fail(err, CSN_E_USAGE, "--listen %s: give it as ADDR:PORT", text);
	listener = add_listener(config, "", (uint16_t)port, CSN_ROLE_ALL);
	if (!listener)
		return csn_fail(err, CSN_E_USAGE, "too many listeners");
	length = (size_t)(colon - text);
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	}
	if (length == 9 && strncmp(text, "localhost", 9) == 0)
		snprintf(listener->address, sizeof(listener->address), "%s", LOOPBACK);
	else
		snprintf(listener->address, sizeof(listener->address), "%.*s", (int)length, text);
	return 0;
}

int coronerd_configure(const struct coronerd_options *options, struct coronerd_config *ret_config,
		       struct csn_error *err)
{
	struct reading reading = { .path = options->config, .config = ret_config };
	char path[4096];
	int r = 0;

	memset(ret_config, 0, sizeof(*ret_config));
	csn_root_init(&reading.root, options->root);
	csn_root_path(&reading.root, CSN_CORONERD_DATA, ret_config->data, sizeof(ret_config->data));
	if (!reading.path) {
		csn_root_path(&reading.root, "/etc/coronerd/coronerd.conf", path, sizeof(path));
		if (access(path, F_OK) == 0)
			reading.path = path;
	}
	if (reading.path)
		r = read_config_file(&reading, err);
	if (r < 0)
		return r;
	if (options->data)
		snprintf(ret_config->data, sizeof(ret_config->data), "%s", options->data);
	if (options->listen.count)
		ret_config->n_listeners = 0;
	for (size_t i = 0; r == 0 && i < options->listen.count; i++)
		r = add_listen_option(ret_config, options->listen.items[i], err);
	if (r == 0 && ret_config->n_listeners == 0)
		add_defaults(ret_config, &reading.root);
	return r;
}
