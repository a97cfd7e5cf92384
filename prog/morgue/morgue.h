/* morgue: asks and administers an object store. What the commands share: the session, requests,
 * one way to fail.
 *
 * Functions that can fail return 0 or an exit status after having printed why, so that a command
 * reads `if (status) return status;`. */
#ifndef MORGUE_MORGUE_H
#define MORGUE_MORGUE_H

#include <jansson.h>

#include "base/options.h"
#include "http/client.h"
#include "text.h"

#define MORGUE_EXIT_FAILED 1

struct morgue {
	const char *root; /* --root; NULL: from the program's own place */
	bool insecure;    /* -k */
	uint64_t timeout_ms;
	struct csn_http_client *client; /* made at the first request */
	json_t *state;                  /* current.json; NULL until loaded */
};

/* The options that every command takes; the tables put it first. */
#define MORGUE_COMMON_OPTIONS(morgue) \
	{ "insecure",         'k', CSN_OPT_FLAG, NULL, "do not verify the server's certificate", \
	  &(morgue)->insecure }, \
	{ \
		"timeout", 0, CSN_OPT_U64, "MS", "give up after so long (30000)", \
			&(morgue)->timeout_ms \
	}

void morgue_done(struct morgue *morgue);

/* "Error: ..." on stderr, escaped; returns MORGUE_EXIT_FAILED. */
int morgue_fail(const char *format, ...) csn_printf(1, 2);
/* Writes the buffer to stdout. */
int morgue_print(const struct csn_buf *out);

/* --- session: $MORGUE_CONFIG_DIR/current.json, as the public client writes it --- */

/* Fails when nobody is logged in. */
int morgue_session_load(struct morgue *morgue) csn_must_check;
/* Keeps the reply of /api/login; endpoint is the URL that the user gave. */
int morgue_session_save(struct morgue *morgue, const char *endpoint, json_t *reply) csn_must_check;
const char *morgue_session_token(const struct morgue *morgue);
const char *morgue_session_endpoint(const struct morgue *morgue);
/* "http://host:port" that submissions go to; NULL when the server named none. */
const char *morgue_session_submission(const struct morgue *morgue);
const json_t *morgue_session_login(const struct morgue *morgue);
/* The universe meant when none is named; "" unknown. */
const char *morgue_session_universe(const struct morgue *morgue);

struct morgue_project {
	char universe[256], name[256];
};

/* "project" or "universe/project". */
int morgue_project_parse(const struct morgue *morgue, const char *text,
			 struct morgue_project *ret_project) csn_must_check;

/* --- requests --- */

/* base + path + "?name=value&...", encoded; parameters: name, value, ..., NULL (a NULL value leaves
 * the pair out). */
void morgue_url(struct csn_buf *out, const char *base, const char *path,
		const char *const *parameters);
/* One request; prints only when there was no reply at all. */
int morgue_request(struct morgue *morgue, const struct csn_http_call *call,
		   struct csn_http_reply *ret_reply) csn_must_check;
/* POST of a JSON body (NULL: {}); a reply other than 200 or with an error member is printed. The
 * caller owns *ret_reply; raw, when not NULL, gets the bytes too. */
int morgue_post_json(struct morgue *morgue, const char *url, const json_t *body, json_t **ret_reply,
		     struct csn_buf *raw) csn_must_check;
/* GET below the endpoint of the session, for JSON or text. */
int morgue_explain(const char *what, const struct csn_http_reply *reply);

/* --- configuration objects (/api/bpg) --- */

struct morgue_bpg {
	const char *endpoint, *token;
};

/* Sends actions (stolen); *ret_results has one object per action. */
int morgue_bpg_send(struct morgue *morgue, const struct morgue_bpg *bpg, json_t *actions,
		    json_t **ret_results) csn_must_check;
/* {"action":action,"type":"configuration/<type>"}, for the caller to fill. */
json_t *morgue_bpg_action(const char *action, const char *type);
/* NULL when a result is a success, else its text. */
const char *morgue_bpg_failure(const json_t *result);
/* All rows of a type, through the session; the caller owns the array. */
int morgue_bpg_rows(struct morgue *morgue, const struct morgue_bpg *bpg, const char *type,
		    json_t **ret_rows) csn_must_check;
struct morgue_bpg morgue_bpg_of_session(const struct morgue *morgue);
/* The number of the project of that name, among rows of projects. */
int morgue_project_pid(const json_t *projects, const char *name, int64_t *ret_pid) csn_must_check;

/* --- asking people --- */

/* Reads a line from the terminal; without one that is an error that names the variable to set. */
int morgue_ask(const char *question, bool hidden, const char *instead, char **ret_answer)
	csn_must_check;

/* --- commands --- */
int morgue_setup(int argc, char **argv, void *context);
int morgue_login(int argc, char **argv, void *context);
int morgue_logout(int argc, char **argv, void *context);
int morgue_project(int argc, char **argv, void *context);
int morgue_attribute(int argc, char **argv, void *context);
int morgue_token(int argc, char **argv, void *context);
int morgue_list(int argc, char **argv, void *context);
int morgue_describe(int argc, char **argv, void *context);
int morgue_get(int argc, char **argv, void *context);
int morgue_put(int argc, char **argv, void *context);

#endif
