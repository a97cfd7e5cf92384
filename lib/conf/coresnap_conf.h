/* coresnap.conf: how a host takes, analyses, routes and sends its crashes.
 *
 * The first of <root>/usr/local/etc/coresnap/coresnap.conf and <root>/etc/coresnap/coresnap.conf
 * is read; when neither exists the built-in values hold, which are those of the template. Built-in
 * paths lie below root, paths written in the file are taken as they are. Strings are owned by the
 * struct; free with csn_coresnap_conf_done. */
#ifndef CSN_CONF_CORESNAP_CONF_H
#define CSN_CONF_CORESNAP_CONF_H

#include "base/error.h"
#include "base/types.h"

enum csn_conf_mode { CSN_CONF_MINIMAL, CSN_CONF_FULL, CSN_CONF_AUTO };

/* How the kernel brings crashes; AUTO: by the socket where a supervised listener is up. */
enum csn_capture_mode { CSN_CAPTURE_PIPE, CSN_CAPTURE_SOCKET, CSN_CAPTURE_AUTO };

enum csn_keep_core { CSN_KEEP_NONE, CSN_KEEP_FAILED, CSN_KEEP_ALL };

/* What a format rule looks at: the letter behind the %. */
#define CSN_FORMAT_LETTERS "efuhsc"

struct csn_format_rule {
	char *project;
	char letter;   /* one of CSN_FORMAT_LETTERS; 0: matches everything */
	char *pattern; /* PCRE2, delimiters dropped; NULL with letter 0 */
	unsigned line; /* in the file; 0 built in */
};

struct csn_rate {
	uint32_t count, seconds;
};

struct csn_coresnap_conf {
	char *file;                    /* read from; NULL: built-in values */
	struct csn_format_rule *rules; /* file order */
	size_t n_rules;
	char *archive_path, *coroner_path, *coroner_config, *ptrace_path;
	char *ptrace_options; /* words separated by blanks; "" none */
	char *defaults_command;
	char *metrics_path, *metrics_socket; /* "" none */
	char **watch_paths; /* folders into which others write cores; absolute, without a last slash
			     */
	size_t n_watch_paths;
	bool watch_keep; /* cores stay where they were found */
	uint64_t watch_max_bytes;
	enum csn_conf_mode dump_mode;
	uint64_t dump_budget_bytes, dump_full_below_bytes, dump_files_bytes;
	uint32_t quota_permyriad; /* 1/100 of a percent; 0 when given in bytes */
	uint64_t quota_bytes;
	uint64_t spool_bytes;              /* limits of the spool; 0 none */
	uint32_t spool_files, spool_share; /* share in percent */
	struct csn_rate rate_full, rate_notes;
	bool rate_disabled;
	enum csn_keep_core keep_core;
	bool core_pattern_manage;
	enum csn_capture_mode capture_mode;
	int64_t purge_age_seconds;
	bool purge_disabled;
	int64_t retry_min_seconds, retry_max_seconds;
	uint32_t workers; /* analyses at a time; sending is always one, in order */
};

/* given may be NULL: then the two places below root ("" on a host). FORMAT names file, line and
 * the nearest known key. */
int csn_coresnap_conf_find(const char *root, const char *given, struct csn_coresnap_conf *ret_conf,
			   struct csn_error *err) csn_must_check;
/* From text; name stands for the file in messages. */
int csn_coresnap_conf_parse(const char *root, const char *name, const char *text,
			    struct csn_coresnap_conf *ret_conf, struct csn_error *err)
	csn_must_check;
void csn_coresnap_conf_done(struct csn_coresnap_conf *conf);

#endif
