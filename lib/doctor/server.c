/* The object store, seen from here: name, connection, certificate, token, clock, ports.
 *
 * A token is tried by a submission without a document: the server checks token and project before
 * it looks at the body, so that it answers 400 for a token that may submit and 403 for one that may
 * not, and no object is made (docs/formats/http-api.yaml, /api/post). */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/version.h"
#include "doctor/doctor_internal.h"
#include "http/api_error.h"
#include "http/client.h"

#define CONNECT_MS 5000u
#define TIMEOUT_MS 10000u
/* More than this, and times of crashes mislead. */
#define MAX_SKEW_S 120
#define MAX_TOKENS 16

/* A certificate that is not trusted says so with one of these. */
static bool is_certificate(const struct csn_error *err)
{
	return err->code == CSN_E_DENIED || strstr(err->text, "certificate") ||
	       strstr(err->text, "SSL");
}

static int new_client(const struct csn_doctor *doctor, struct csn_http_client **ret_client,
		      struct csn_error *err)
{
	const struct csn_coroner_cf *cf = &doctor->cf;
	const struct csn_http_options options = {
		.no_verify_peer = !cf->verify_peer,
		.no_verify_host = !cf->verify_host,
		.ca_file = cf->ca_file,
		.user_agent = "coresnap/" CSN_VERSION,
		.connect_ms = CONNECT_MS,
		.timeout_ms = TIMEOUT_MS,
		.max_reply_size = CSN_MIB,
	};

	return csn_http_client_new(&options, ret_client, err);
}

/* Host and port of a URL; the scheme's port when it names none. */
static bool split_url(const char *url, char *host, size_t host_size, unsigned *ret_port)
{
	const char *start = strstr(url, "://"), *end, *colon;
	uint64_t port = start && strncmp(url, "http:", 5) == 0 ? 80 : 443;
	char digits[8];
	size_t length;

	start = start ? start + 3 : url;
	end = start + strcspn(start, "/?#");
	if (*start == '[') {
		const char *close = memchr(start, ']', (size_t)(end - start));

		colon = close && close[1] == ':' ? close + 1 : NULL;
	} else {
		colon = memchr(start, ':', (size_t)(end - start));
	}
	length = (size_t)((colon ? colon : end) - start);
	if (!length || length >= host_size)
		return false;
	memcpy(host, start, length);
	host[length] = '\0';
	if (colon) {
		length = (size_t)(end - colon - 1);
		if (!length || length >= sizeof(digits))
			return false;
		memcpy(digits, colon + 1, length);
		digits[length] = '\0';
		if (!csn_parse_u64(digits, 10, &port) || port == 0 || port > 65535)
			return false;
	}
	*ret_port = (unsigned)port;
	return true;
}

static bool check_name(struct csn_doctor *doctor, const char *host)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char plain[256];
	int r;

	snprintf(plain, sizeof(plain), "%s", *host == '[' ? host + 1 : host);
	plain[strcspn(plain, "]")] = '\0';
	csn_progress_tell(&doctor->options->progress, "looking up", plain, 0, 0);
	r = getaddrinfo(plain, NULL, &hints, &found);
	if (r == 0) {
		freeaddrinfo(found);
		return true;
	}
	doctor_say(doctor, CSN_DOCTOR_PROBLEM,
		   doctor_text(doctor,
			       "getent hosts %s    # mend /etc/resolv.conf, or the name in %s",
			       doctor_quote(doctor, plain), doctor_quote(doctor, doctor->cf.path)),
		   "%s has no address: %s", plain, gai_strerror(r));
	return false;
}

/* Says why there was no reply. */
static void tell_unreachable(struct csn_doctor *doctor, enum csn_doctor_level level,
			     const char *what, const char *base, const struct csn_error *err)
{
	const char *path = doctor_quote(doctor, doctor->cf.path), *mend;
	char host[256];
	unsigned port;

	if (!split_url(base, host, sizeof(host), &port))
		snprintf(host, sizeof(host), "%s", base), port = 443;
	if (is_certificate(err))
		mend = doctor_text(doctor,
				   "sed -i '/^\\[universe\\]/a curl.ca_file = "
				   "/etc/ssl/certs/YOUR-CA.pem' %s    # see: openssl s_client "
				   "-connect %s:%u </dev/null",
				   path, doctor_quote(doctor, host), port);
	else
		mend = doctor_text(doctor,
				   "curl -v %s    # open the way to %s port %u: firewall here, "
				   "between, there; is the server up?",
				   doctor_quote(doctor, base), doctor_quote(doctor, host), port);
	doctor_say(doctor, level, mend, "%s: %s", what, err->text);
}

static void check_clock(struct csn_doctor *doctor, const struct csn_http_reply *reply)
{
	int64_t skew = csn_realtime_ns() / CSN_NS_PER_SECOND - reply->date_s;

	if (reply->date_s < 0)
		return;
	if (skew > MAX_SKEW_S || skew < -MAX_SKEW_S)
		doctor_say(doctor, CSN_DOCTOR_WARNING,
			   "timedatectl set-ntp true    # or: chronyc makestep, on the one that is "
			   "wrong",
			   "the clock here is %lld s %s of the server's",
			   (long long)(skew < 0 ? -skew : skew), skew > 0 ? "ahead" : "behind");
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "the server's clock agrees");
}

static void tell_refused(struct csn_doctor *doctor, const char *name,
			 const struct csn_http_reply *reply)
{
	struct csn_api_error error = csn_api_error_of_reply(reply);
	const char *project = doctor_quote(doctor, name);

	if (reply->status == 404)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "morgue project create %s", project),
			   "the server does not know project '%s': %s", name, error.message);
	else if (reply->status == 401 || reply->status == 403)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "sed -i %s %s; %s",
				       doctor_quote(doctor, doctor_text(doctor, "/^%s *=/d", name)),
				       doctor_quote(doctor, doctor->cf.path),
				       doctor_make_token(doctor, name)),
			   "the server refuses the token of '%s' (status %d): %s", name,
			   reply->status, error.message);
	else
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, NULL,
			   "the server answers a submission to '%s' with status %d: %s", name,
			   reply->status, error.message);
}

/* One token, tried. False when there was no reply at all: then neither has the next one. */
static bool check_token(struct csn_doctor *doctor, struct csn_http_client *client, const char *base,
			const char *name, const char *token, bool first)
{
	cleanup_(csn_buf_done) struct csn_buf url = CSN_BUF_INIT(CSN_MAX_PATH);
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_http_reply reply;

	csn_progress_tell(&doctor->options->progress, "asking", base, 0, 0);
	csn_buf_printf(&url, "%s/api/post?format=btt&project=", base);
	csn_http_encode(&url, name);
	csn_buf_puts(&url, "&token=");
	csn_http_encode(&url, token);
	if (doctor->cf.universe) {
		csn_buf_puts(&url, "&universe=");
		csn_http_encode(&url, doctor->cf.universe);
	}
	call.url = csn_buf_text(&url);
	call.post = true;
	if (csn_http_run(client, &call, &reply, &err) < 0) {
		tell_unreachable(doctor, CSN_DOCTOR_PROBLEM, "crashes cannot be sent", base, &err);
		return false;
	}
	if (first)
		check_clock(doctor, &reply);
	/* 400: the empty document is refused, so the token was not. A proxy would say it in HTML.
	 */
	if (reply.status == 400 && strncmp(reply.content_type, "application/json", 16) == 0)
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "%s takes submissions to '%s' with its token", base, name);
	else
		tell_refused(doctor, name, &reply);
	csn_http_reply_done(&reply);
	return true;
}

void doctor_check_server(struct csn_doctor *doctor)
{
	cleanup_(csn_http_client_freep) struct csn_http_client *client = NULL;
	cleanup_free char *base = NULL;
	const struct csn_named_list *tokens = &doctor->cf.tokens;
	struct csn_error err = CSN_ERROR_INIT;
	char host[256];
	unsigned port;
	size_t i;

	if (!doctor->has_cf)
		return;
	base = csn_coroner_cf_make_base(&doctor->cf);
	if (!base)
		return;
	if (!split_url(base, host, sizeof(host), &port)) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "editor %s", doctor_quote(doctor, doctor->cf.path)),
			   "%s: write = %s names no server", doctor->cf.path, base);
		return;
	}
	/* A proxy looks names up itself. */
	if (!doctor_take_proxies(doctor) && !check_name(doctor, host))
		return;
	if (new_client(doctor, &client, &err) < 0) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, NULL, "%s", err.text);
		return;
	}
	for (i = 0; i < tokens->count && i < MAX_TOKENS; i++)
		if (!check_token(doctor, client, base, tokens->items[i].name,
				 tokens->items[i].value, i == 0))
			return;
}

/* ---- the other ports ---- */

struct port {
	unsigned number;
	bool tls;
	bool either; /* tls is tried when the clear is not understood */
	const char *use;
};

static void check_port(struct csn_doctor *doctor, struct csn_http_client *client, const char *host,
		       const struct port *port)
{
	const char *base =
		doctor_text(doctor, "%s://%s:%u", port->tls ? "https" : "http", host, port->number);
	struct csn_http_call call = CSN_HTTP_CALL_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_http_reply reply;
	int r;

	csn_progress_tell(&doctor->options->progress, "asking", base, 0, 0);
	call.url = doctor_text(doctor, "%s/health", base);
	r = csn_http_run(client, &call, &reply, &err);
	if (r < 0 && port->either) {
		struct csn_error second = CSN_ERROR_INIT;

		call.url = doctor_text(doctor, "https://%s:%u/health", host, port->number);
		r = csn_http_run(client, &call, &reply, &second);
	}
	if (r < 0) {
		tell_unreachable(doctor, CSN_DOCTOR_WARNING,
				 doctor_text(doctor, "port %u, for %s", port->number, port->use),
				 base, &err);
		return;
	}
	/* Any answer is one: the port is reached, and its certificate is trusted. */
	doctor_say(doctor, CSN_DOCTOR_OK, NULL, "port %u of %s answers, for %s", port->number, host,
		   port->use);
	csn_http_reply_done(&reply);
}

/* A server on the usual port for submissions has the other usual ones, too. */
void doctor_check_ports(struct csn_doctor *doctor)
{
	static const struct port usual[] = {
		{ 443, true, false, "the console and morgue" },
		{ 4097, true, false, "reading" },
		{ 9040, false, true, "health and control" },
	};
	cleanup_(csn_http_client_freep) struct csn_http_client *client = NULL;
	cleanup_free char *base = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	struct port read = { .use = "reading (read in coroner.cf)" };
	char host[256], read_host[256];
	unsigned write_port;
	size_t i;

	base = doctor->has_cf ? csn_coroner_cf_make_base(&doctor->cf) : NULL;
	if (!base || !split_url(base, host, sizeof(host), &write_port) ||
	    new_client(doctor, &client, &err) < 0)
		return;
	if (doctor->cf.read_url &&
	    split_url(doctor->cf.read_url, read_host, sizeof(read_host), &read.number) &&
	    (read.number != write_port || strcmp(read_host, host) != 0)) {
		read.tls = doctor->cf.read_ssl && strncmp(doctor->cf.read_url, "http:", 5) != 0;
		check_port(doctor, client, read_host, &read);
	}
	if (write_port != 6098)
		return;
	for (i = 0; i < csn_countof(usual); i++)
		if (usual[i].number != read.number)
			check_port(doctor, client, host, &usual[i]);
}
