#include "capture/facts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/version.h"
#include "capture/container.h"
#include "target/proc_json.h"

#define DELETED " (deleted)"

/* The environment may hold secrets: only names from this list leave the process. */
static const char *const allowed_env[] = {
	"BACKTRACE_DEFAULTS", "LANG",      "TERM",           "POD_NAME",      "POD_NAMESPACE",
	"NODE_NAME",          "SNAP_NAME", "CONTAINER_NAME", "INVOCATION_ID",
};

bool csn_facts_executable(const struct csn_hold *hold, char *out, size_t out_size,
			  bool *ret_deleted)
{
	const struct csn_text *exe = &hold->texts.items[CSN_TEXT_EXE];
	size_t suffix = strlen(DELETED), length = exe->size;

	*ret_deleted = false;
	if (hold->done < CSN_PHASE_PROC || !exe->data || length == 0)
		return false;
	if (length > suffix && memcmp(exe->data + length - suffix, DELETED, suffix) == 0) {
		length -= suffix;
		*ret_deleted = true;
	}
	snprintf(out, out_size, "%.*s", (int)length, exe->data);
	return true;
}

static void put_text(struct csn_json *json, const char *member, const struct csn_text *text)
{
	size_t size = text->size;

	if (!text->data)
		return;
	if (size && text->data[size - 1] == '\n')
		size--;
	csn_json_key(json, member);
	csn_json_string_n(json, text->data, size);
}

static void put_cmdline(struct csn_json *json, const struct csn_text *text)
{
	const char *at = text->data, *end = at + text->size;

	if (!at)
		return;
	csn_json_key(json, "cmdline");
	csn_json_begin_array(json);
	for (; at < end; at += strlen(at) + 1)
		csn_json_string(json, at);
	csn_json_end_array(json);
}

static void put_env(struct csn_json *json, const struct csn_text *text)
{
	const char *at = text->data, *end = at + text->size, *equals;
	size_t i;

	if (!at)
		return;
	csn_json_key(json, "env");
	csn_json_begin_object(json);
	for (; at < end; at += strlen(at) + 1) {
		equals = strchr(at, '=');
		for (i = 0; equals && i < csn_countof(allowed_env); i++)
			if (strlen(allowed_env[i]) == (size_t)(equals - at) &&
			    memcmp(allowed_env[i], at, (size_t)(equals - at)) == 0)
				csn_json_member_string(json, allowed_env[i], equals + 1);
	}
	csn_json_end_object(json);
}

/* The path behind the second colon of a line "4:memory:/path". False at the end of the text. */
static bool next_path(const char **at, char *out, size_t out_size)
{
	const char *end = strchrnul(*at, '\n'), *colon = memchr(*at, ':', (size_t)(end - *at));

	if (end == *at)
		return false;
	colon = colon ? memchr(colon + 1, ':', (size_t)(end - colon - 1)) : NULL;
	snprintf(out, out_size, "%.*s", colon ? (int)(end - colon - 1) : 0, colon ? colon + 1 : "");
	*at = *end ? end + 1 : end;
	return true;
}

/* Of all hierarchies the path that names a container, else the longest: "/" says nothing. */
static void put_cgroup(struct csn_json *json, const struct csn_text *text)
{
	char path[CSN_MAX_PATH] = "", line[CSN_MAX_PATH];
	struct csn_container container = { 0 }, found;
	const char *at = text->data;

	if (!at)
		return;
	while (next_path(&at, line, sizeof(line))) {
		csn_container_find(line, &found);
		if (container.id[0] ? found.id[0] && strlen(line) > strlen(path)
				    : found.id[0] || strlen(line) > strlen(path)) {
			container = found;
			snprintf(path, sizeof(path), "%s", line);
		}
	}
	csn_json_member_string(json, "cgroup", path);
	csn_json_member_string(json, "container", container.id[0] ? container.id : NULL);
	if (container.runtime)
		csn_json_member_string(json, "container_runtime", container.runtime);
	if (container.pod_uid[0])
		csn_json_member_string(json, "pod_uid", container.pod_uid);
}

static void put_namespaces(struct csn_json *json, const struct csn_texts *texts)
{
	unsigned id;

	csn_json_key(json, "namespaces");
	csn_json_begin_object(json);
	for (id = CSN_TEXT_NS_PID; id <= CSN_TEXT_NS_CGROUP; id++) {
		const char *text = texts->items[id].data, *open = text ? strchr(text, '[') : NULL;

		if (open)
			csn_json_member_uint(json, csn_text_name(id) + strlen("ns/"),
					     strtoull(open + 1, NULL, 10));
	}
	csn_json_end_object(json);
}

static void put_host(struct csn_json *json)
{
	char boot_id[64] = "";
	struct csn_buf text = CSN_BUF_INIT(sizeof(boot_id));
	struct utsname name;

	if (csn_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text, NULL) == 0)
		snprintf(boot_id, sizeof(boot_id), "%.36s", csn_buf_text(&text));
	csn_buf_done(&text);
	csn_json_member_string(json, "boot_id", boot_id);
	if (uname(&name) < 0)
		return;
	csn_json_member_string(json, "hostname", name.nodename);
	csn_json_key(json, "uname");
	csn_json_begin_object(json);
	csn_json_member_string(json, "sysname", name.sysname);
	csn_json_member_string(json, "release", name.release);
	csn_json_member_string(json, "version", name.version);
	csn_json_member_string(json, "machine", name.machine);
	csn_json_member_string(json, "domainname", name.domainname);
	csn_json_end_object(json);
}

static void put_ids(struct csn_json *json, const struct csn_hold *hold)
{
	const struct csn_texts *texts = &hold->texts;
	size_t i;

	csn_json_member_int(json, "pid", hold->request.pid);
	csn_json_member_int(json, "tid", hold->request.tid);
	if (hold->prefix.n_threads)
		csn_json_member_int(json, "ns_tid", hold->prefix.threads[0].ns_tid);
	if (hold->done < CSN_PHASE_PROC || !texts->n_tids)
		return;
	for (i = 0; i < texts->n_tids; i++)
		if (texts->tids[i].tid == hold->request.pid)
			csn_json_member_int(json, "ns_pid", texts->tids[i].ns_tid);
	csn_json_key(json, "tids");
	csn_json_begin_array(json);
	for (i = 0; i < texts->n_tids; i++) {
		csn_json_begin_array(json);
		csn_json_int(json, texts->tids[i].ns_tid);
		csn_json_int(json, texts->tids[i].tid);
		csn_json_end_array(json);
	}
	csn_json_end_array(json);
}

static void put_ages(struct csn_json *json, const struct csn_hold *hold,
		     const struct csn_facts *facts)
{
	int64_t ticks, start_ms;
	long per_second = sysconf(_SC_CLK_TCK);

	csn_json_member_int(json, "uptime_ms", facts->uptime_ms);
	if (per_second <= 0 ||
	    !csn_proc_stat_field(hold->texts.items[CSN_TEXT_STAT].data, 22, &ticks))
		return;
	start_ms = ticks * 1000 / per_second;
	csn_json_member_int(json, "start_ms", start_ms);
	csn_json_member_int(json, "age_ms", facts->uptime_ms - start_ms);
}

static void put_numbers(struct csn_json *json, const struct csn_texts *texts)
{
	const struct csn_text *items = texts->items;
	const char *value;
	size_t length;

	csn_proc_put_limits(json, items[CSN_TEXT_LIMITS].data);
	csn_proc_put_lines(json, "status", items[CSN_TEXT_STATUS].data, false);
	csn_proc_put_stat(json, items[CSN_TEXT_STAT].data);
	csn_proc_put_sched(json, items[CSN_TEXT_SCHED].data);
	csn_proc_put_list(json, "schedstat", items[CSN_TEXT_SCHEDSTAT].data, 3);
	csn_proc_put_lines(json, "io", items[CSN_TEXT_IO].data, true);
	if (texts->fd_count >= 0)
		csn_json_member_int(json, "fd_count", texts->fd_count);
	if (csn_text_line(&items[CSN_TEXT_STATUS], "Threads", &value, &length))
		csn_json_member_int(json, "thread_count", strtoll(value, NULL, 10));
	csn_proc_put_number(json, "oom_score", items[CSN_TEXT_OOM_SCORE].data);
	csn_proc_put_number(json, "oom_score_adj", items[CSN_TEXT_OOM_SCORE_ADJ].data);
	csn_proc_put_lines(json, "meminfo", items[CSN_TEXT_MEMINFO].data, true);
}

static void put_process(struct csn_json *json, const struct csn_hold *hold,
			const struct csn_facts *facts)
{
	const struct csn_text *items = hold->texts.items;
	char exe[CSN_MAX_PATH];
	bool deleted;

	if (hold->done < CSN_PHASE_PROC || !hold->victim.verified)
		return;
	put_ages(json, hold, facts);
	if (csn_facts_executable(hold, exe, sizeof(exe), &deleted)) {
		csn_json_member_string(json, "exe", exe);
		csn_json_member_hex(json, "exe_hex", exe);
		csn_json_member_bool(json, "exe_deleted", deleted);
	}
	put_text(json, "comm", &items[CSN_TEXT_COMM]);
	put_text(json, "thread_comm", &items[CSN_TEXT_THREAD_COMM]);
	put_cmdline(json, &items[CSN_TEXT_CMDLINE]);
	put_text(json, "cwd", &items[CSN_TEXT_CWD]);
	put_text(json, "root", &items[CSN_TEXT_ROOT]);
	put_cgroup(json, &items[CSN_TEXT_CGROUP]);
	put_namespaces(json, &hold->texts);
	put_env(json, &items[CSN_TEXT_ENVIRON]);
	put_numbers(json, &hold->texts);
}

static void put_captured(struct csn_json *json, const struct csn_hold *hold, bool notes_only)
{
	static const char *const names[CSN_N_CLASSES] = { "files", "stacks", "windows", "stream" };
	uint64_t total = hold->prefix.image.size, taken;
	unsigned i;

	csn_json_key(json, "captured");
	csn_json_begin_object(json);
	csn_json_member_uint(json, "headers", hold->prefix.image.size);
	for (i = 0; i < CSN_N_CLASSES; i++) {
		taken = notes_only ? 0 : hold->memory.taken[i];
		csn_json_member_uint(json, names[i], taken);
		total += taken;
	}
	if (hold->whole && !notes_only) {
		csn_json_member_uint(json, "whole", hold->whole->read_bytes);
		total += hold->whole->read_bytes;
	}
	csn_json_member_uint(json, "total", total);
	csn_json_member_uint(json, "threads", hold->prefix.n_threads);
	csn_json_end_object(json);
	csn_json_member_uint(json, "dumpable_bytes", hold->prefix.dumpable_bytes);
}

static void put_omissions(struct csn_json *json, const struct csn_omissions *omissions)
{
	size_t i;

	csn_json_key(json, "truncated");
	csn_json_begin_array(json);
	for (i = 0; i < omissions->count; i++) {
		const struct csn_omission *item = &omissions->items[i];

		csn_json_begin_object(json);
		csn_json_member_string(json, "what", item->what);
		csn_json_member_string(json, "why", item->why);
		if (item->name)
			csn_json_member_string(json, "name", item->name);
		if (item->tid)
			csn_json_member_int(json, "tid", item->tid);
		if (item->address)
			csn_json_member_address(json, "address", item->address);
		if (item->bytes)
			csn_json_member_uint(json, "bytes", item->bytes);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
	if (omissions->more)
		csn_json_member_uint(json, "truncated_more", omissions->more);
}

static void put_assets(struct csn_json *json, const struct csn_assets *assets)
{
	size_t i;

	csn_json_key(json, "assets");
	csn_json_begin_array(json);
	for (i = 0; i < assets->count; i++) {
		const struct csn_asset *asset = &assets->items[i];
		size_t length = strlen(asset->path);

		if (!asset->copied)
			continue;
		if (asset->deleted)
			length -= strlen(DELETED);
		csn_json_begin_object(json);
		csn_json_key(json, "path");
		csn_json_string_n(json, asset->path, length);
		csn_json_member_string(json, "name", asset->name);
		csn_json_member_string(json, "build_id",
				       asset->build_id[0] ? asset->build_id : NULL);
		csn_json_member_uint(json, "bytes", asset->size_bytes);
		csn_json_member_bool(json, "deleted", asset->deleted);
		csn_json_end_object(json);
	}
	csn_json_end_array(json);
}

static void put_times(struct csn_json *json, const struct csn_hold *hold,
		      const struct csn_facts *facts)
{
	unsigned phase;

	csn_json_key(json, "times_us");
	csn_json_begin_object(json);
	for (phase = CSN_PHASE_START + 1; phase < CSN_N_PHASES; phase++)
		if (hold->done_ns[phase])
			csn_json_member_int(json, csn_phase_name(phase),
					    (hold->done_ns[phase] - hold->began_ns) / 1000);
	if (hold->released_ns)
		csn_json_member_int(json, "released", (hold->released_ns - hold->began_ns) / 1000);
	if (facts->assets_ns)
		csn_json_member_int(json, "assets", (facts->assets_ns - hold->began_ns) / 1000);
	csn_json_end_object(json);
	if (hold->released_ns)
		csn_json_member_int(json, "held_us", (hold->released_ns - hold->began_ns) / 1000);
}

static void put_header(struct csn_json *json, const struct csn_hold *hold,
		       const struct csn_facts *facts)
{
	static const char *const modes[] = {
		[CSN_MODE_MINIMAL] = "minimal", [CSN_MODE_FULL] = "full", [CSN_MODE_NOTES] = "notes"
	};
	const struct csn_request *request = &hold->request;
	const char *reason = facts->reason ? facts->reason : hold->reason;
	bool verified = hold->done >= CSN_PHASE_IDENTITY && hold->victim.verified;

	csn_json_member_int(json, "version", 1);
	csn_json_member_string(json, "producer", "coresnap-archive " CSN_VERSION);
	csn_json_member_string(json, "uuid", facts->uuid);
	csn_json_member_string(json, "mode",
			       modes[facts->notes_only ? CSN_MODE_NOTES : hold->mode]);
	if (reason)
		csn_json_member_string(json, "reason", reason);
	if (hold->mode == CSN_MODE_FULL)
		csn_json_member_string(json, "held_by", hold->released_ns ? "reading" : "disk");
	csn_json_member_string(json, "identity", verified ? "verified" : "unverified");
	if (!verified)
		csn_json_member_string(json, "identity_reason",
				       hold->victim.reason ? hold->victim.reason : "out of time");
	csn_json_member_int(json, "signal", request->signal);
	csn_json_member_uint(json, "uid", request->uid);
	csn_json_member_uint(json, "gid", request->gid);
	csn_json_member_int(json, "dumpable", hold->victim.privileged ? 2 : request->dumpable);
	csn_json_member_int(json, "time", request->time);
	csn_json_member_int(json, "captured_ns", facts->captured_ns);
	if (hold->died)
		csn_json_member_bool(json, "died", true);
}

int csn_facts_format(const struct csn_hold *hold, const struct csn_facts *facts,
		     struct csn_buf *out, struct csn_error *err)
{
	struct csn_json json = csn_json_to(out);

	csn_json_begin_object(&json);
	put_header(&json, hold, facts);
	put_ids(&json, hold);
	put_host(&json);
	put_process(&json, hold, facts);
	csn_proc_put_machine(&json);
	put_captured(&json, hold, facts->notes_only);
	put_omissions(&json, &hold->omissions);
	put_assets(&json, &hold->assets);
	put_times(&json, hold, facts);
	csn_json_end_object(&json);
	return csn_buf_check(out, "the CORESNAP note", err);
}
