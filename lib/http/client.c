#include "http/client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/text.h"

struct csn_http_client {
	CURL *curl;
	struct csn_http_options options;
	char *ca_file, *user_agent;
	char message[CURL_ERROR_SIZE];
};

/* What waits longer is no wait. */
#define MAX_RETRY_AFTER_S (366l * 86400)

/* One request under way, as curl's callbacks see it. */
struct transfer {
	struct csn_http_client *client;
	const struct csn_http_call *call;
	struct csn_http_reply *reply;
	uint64_t max_size;
	off_t body_at;
	int64_t retry_date_s; /* of Retry-After, since the epoch; -1 none */
	int os_error;         /* of our own reading or writing */
	bool over_limit;
};

int csn_http_client_new(const struct csn_http_options *options, struct csn_http_client **ret_client,
			struct csn_error *err)
{
	cleanup_(csn_http_client_freep) struct csn_http_client *client = calloc(1, sizeof(*client));
	const char *agent = options->user_agent ? options->user_agent : "coresnap";

	if (!client)
		return csn_fail_nomem(err);
	client->options = *options;
	client->user_agent = strdup(agent);
	client->ca_file = options->ca_file ? strdup(options->ca_file) : NULL;
	if (!client->user_agent || (options->ca_file && !client->ca_file))
		return csn_fail_nomem(err);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return csn_fail(err, CSN_E_OS, "cannot start the HTTP library");
	client->curl = curl_easy_init();
	if (!client->curl)
		return csn_fail_nomem(err);
	*ret_client = csn_take(client);
	return 0;
}

void csn_http_client_free(struct csn_http_client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->curl);
	free(client->ca_file);
	free(client->user_agent);
	free(client);
}

void csn_http_client_freep(struct csn_http_client **client)
{
	csn_http_client_free(*client);
}

void csn_http_reply_done(struct csn_http_reply *reply)
{
	csn_buf_done(&reply->body);
}

static size_t on_read(char *to, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	ssize_t n = csn_pread_full(transfer->call->body_fd, to, size * count, transfer->body_at);

	if (n < 0) {
		transfer->os_error = (int)-n;
		return CURL_READFUNC_ABORT;
	}
	transfer->body_at += n;
	return (size_t)n;
}

/* curl asks for this when a kept connection turned out dead and the body must go again. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
	struct transfer *transfer = context;

	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	transfer->body_at = (off_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t on_write(char *data, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	size_t bytes = size * count;
	long status = 0;
	int r;

	if (bytes > transfer->max_size - transfer->reply->body_size) {
		transfer->over_limit = true;
		return 0;
	}
	curl_easy_getinfo(transfer->client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->call->save_fd >= 0 && status == 200) {
		r = csn_write_full(transfer->call->save_fd, data, bytes);
		if (r < 0) {
			transfer->os_error = -r;
			return 0;
		}
	} else {
		csn_buf_append(&transfer->reply->body, data, bytes);
		if (!csn_buf_ok(&transfer->reply->body)) {
			transfer->over_limit = true;
			return 0;
		}
	}
	transfer->reply->body_size += bytes;
	return bytes;
}

/* A header's value without blanks around, when line starts with the name; NULL otherwise. */
static const char *header_value(const char *line, size_t length, const char *name, char *value,
				size_t value_size)
{
	size_t name_length = strlen(name), n;

	if (length <= name_length || strncasecmp(line, name, name_length) != 0 ||
	    line[name_length] != ':')
		return NULL;
	line += name_length + 1;
	length -= name_length + 1;
	while (length && isspace((unsigned char)*line))
		line++, length--;
	while (length && isspace((unsigned char)line[length - 1]))
		length--;
	n = length < value_size - 1 ? length : value_size - 1;
	memcpy(value, line, n);
	value[n] = '\0';
	return value;
}

static void read_disposition(struct csn_http_reply *reply, const char *value)
{
	const char *name = strcasestr(value, "filename=");
	size_t length;

	if (!name)
		return;
	name += strlen("filename=");
	if (*name == '"')
		length = strcspn(++name, "\"");
	else
		length = strcspn(name, "; \t");
	if (length >= sizeof(reply->disposition_name))
		return;
	memcpy(reply->disposition_name, name, length);
	reply->disposition_name[length] = '\0';
}

/* An HTTP date as seconds since the epoch; -1 when it is none. */
static int64_t read_date(const char *value)
{
	time_t seconds = curl_getdate(value, NULL);

	return seconds > 0 ? (int64_t)seconds : -1;
}

/* Retry-After as a date counts from the server's own clock, if it tells that: ours may be off. */
static void count_retry_date(const struct transfer *transfer)
{
	int64_t now_s = transfer->reply->date_s > 0 ? transfer->reply->date_s : (int64_t)time(NULL);
	int64_t wait_s = transfer->retry_date_s - now_s;

	if (transfer->retry_date_s > 0 && wait_s <= MAX_RETRY_AFTER_S)
		transfer->reply->retry_after_s = wait_s > 0 ? wait_s : 0;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	struct csn_http_reply *reply = transfer->reply;
	size_t length = size * count;
	char value[512];
	uint64_t seconds;

	if (header_value(line, length, "Retry-After", value, sizeof(value))) {
		if (csn_parse_u64(value, 10, &seconds) && seconds <= MAX_RETRY_AFTER_S)
			reply->retry_after_s = (int64_t)seconds;
		else
			transfer->retry_date_s = read_date(value);
	} else if (header_value(line, length, "Date", value, sizeof(value))) {
		reply->date_s = read_date(value);
	} else if (header_value(line, length, "Content-Type", value, sizeof(value))) {
		value[sizeof(reply->content_type) - 1] = '\0';
		memcpy(reply->content_type, value, strlen(value) + 1);
	} else if (header_value(line, length, "Content-Disposition", value, sizeof(value))) {
		read_disposition(reply, value);
	}
	return length;
}

static void set_limits(struct csn_http_client *client)
{
	const struct csn_http_options *options = &client->options;
	CURL *curl = client->curl;
	long stall = options->stall_ms ? (long)(options->stall_ms + 999) / 1000 : 30;

	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
			 options->connect_ms ? (long)options->connect_ms : 10000L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, stall);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, options->no_verify_peer ? 0L : 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, options->no_verify_host ? 0L : 2L);
	if (client->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, client->user_agent);
	client->message[0] = '\0';
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->message);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static int set_body(struct csn_http_client *client, struct transfer *transfer,
		    struct csn_error *err)
{
	const struct csn_http_call *call = transfer->call;
	CURL *curl = client->curl;
	struct stat st;

	if (!call->post) {
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
		return 0;
	}
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	if (call->body_fd < 0) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_size);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
				 call->body ? (const char *)call->body : "");
		return 0;
	}
	if (fstat(call->body_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return csn_fail(err, CSN_E_USAGE, "not a file");
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)st.st_size);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(curl, CURLOPT_SEEKDATA, transfer);
	return 0;
}

static void free_headers(struct curl_slist **headers)
{
	curl_slist_free_all(*headers);
}

static int add_header(struct curl_slist **headers, const char *line, struct csn_error *err)
{
	struct curl_slist *grown = curl_slist_append(*headers, line);

	if (!grown)
		return csn_fail_nomem(err);
	*headers = grown;
	return 0;
}

static int make_headers(const struct csn_http_call *call, struct curl_slist **ret_headers,
			struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf type = CSN_BUF_INIT(CSN_MAX_PATH);
	size_t i;
	int r;

	/* An empty "Expect:" spares a round trip; an empty Content-Type stops curl's own. */
	csn_buf_printf(&type, "Content-Type:%s%s", call->content_type ? " " : "",
		       call->content_type ? call->content_type : "");
	r = csn_buf_check(&type, "Content-Type", err);
	if (r == 0)
		r = add_header(ret_headers, csn_buf_text(&type), err);
	if (r == 0)
		r = add_header(ret_headers, "Expect:", err);
	for (i = 0; r == 0 && call->headers && call->headers[i]; i++)
		r = add_header(ret_headers, call->headers[i], err);
	return r;
}

/* "host:port" of a URL for messages: the query may hold a token and is never shown. */
static void host_of(const char *url, char *host, size_t host_size)
{
	const char *start = strstr(url, "://"), *at;
	size_t length;

	start = start ? start + 3 : url;
	length = strcspn(start, "/?#");
	at = memrchr(start, '@', length);
	if (at) {
		length -= (size_t)(at + 1 - start);
		start = at + 1;
	}
	if (length >= host_size)
		length = host_size - 1;
	memcpy(host, start, length);
	host[length] = '\0';
}

static enum csn_code code_of(CURLcode code)
{
	static const struct {
		CURLcode curl;
		enum csn_code code;
	} table[] = {
		{ CURLE_OPERATION_TIMEDOUT, CSN_E_TIMEOUT },
		{ CURLE_PEER_FAILED_VERIFICATION, CSN_E_DENIED },
		{ CURLE_SSL_CACERT_BADFILE, CSN_E_USAGE },
		{ CURLE_UNSUPPORTED_PROTOCOL, CSN_E_USAGE },
		{ CURLE_URL_MALFORMAT, CSN_E_USAGE },
		{ CURLE_OUT_OF_MEMORY, CSN_E_NOMEM },
	};
	size_t i;

	for (i = 0; i < csn_countof(table); i++)
		if (table[i].curl == code)
			return table[i].code;
	return CSN_E_OS;
}

static int explain(const struct transfer *transfer, CURLcode code, struct csn_error *err)
{
	const struct csn_http_client *client = transfer->client;
	char host[128];
	int r;

	if (transfer->os_error)
		return csn_fail_os(err, transfer->os_error, "while transferring");
	host_of(transfer->call->url, host, sizeof(host));
	if (transfer->over_limit)
		return csn_fail(err, CSN_E_LIMIT, "%s: reply larger than %llu bytes", host,
				(unsigned long long)transfer->max_size);
	r = csn_fail(err, code_of(code), "%s: %s", host,
		     client->message[0] ? client->message : curl_easy_strerror(code));
	return r;
}

static int perform(struct transfer *transfer, struct curl_slist *headers, struct csn_error *err)
{
	struct csn_http_client *client = transfer->client;
	CURL *curl = client->curl;
	long status = 0;
	CURLcode code;
	int r;

	curl_easy_reset(curl);
	set_limits(client);
	r = set_body(client, transfer, err);
	if (r < 0)
		return r;
	curl_easy_setopt(curl, CURLOPT_URL, transfer->call->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
	code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		return explain(transfer, code, err);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	transfer->reply->status = (int)status;
	count_retry_date(transfer);
	return 0;
}

int csn_http_run(struct csn_http_client *client, const struct csn_http_call *call,
		 struct csn_http_reply *reply, struct csn_error *err)
{
	cleanup_(free_headers) struct curl_slist *headers = NULL;
	struct transfer transfer = { .client = client, .call = call, .reply = reply };
	int r;

	transfer.max_size = client->options.max_reply_size;
	if (!transfer.max_size)
		transfer.max_size = CSN_MAX_HTTP_REPLY;
	*reply = (struct csn_http_reply){ .retry_after_s = -1,
					  .date_s = -1,
					  .body = CSN_BUF_INIT(transfer.max_size) };
	r = make_headers(call, &headers, err);
	if (r == 0)
		r = perform(&transfer, headers, err);
	if (r < 0)
		csn_http_reply_done(reply);
	return r;
}

void csn_http_encode(struct csn_buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c < 0x80 && isalnum(c)) || strchr("-._~", c))
			csn_buf_putc(out, (char)c);
		else
			csn_buf_printf(out, "%%%02X", c);
	}
}
