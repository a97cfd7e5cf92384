#include "analyze/attributes.h"

#include <stdio.h>
#include <string.h>

#include "analyze/facts.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/text.h"
#include "snapshot/protected.h"

enum csn_fact_kind {
	CSN_FACT_NUMBER,
	CSN_FACT_TEXT,
	CSN_FACT_SECONDS, /* from milliseconds */
};

/* Sizes stay in kilobytes, as the format of these columns says. */
static const struct csn_attribute_row {
	const char *name, *fact;
	enum csn_fact_kind kind;
} csn_attribute_rows[] = {
	{ "hostname", "hostname", CSN_FACT_TEXT },
	{ "uname.sysname", "uname.sysname", CSN_FACT_TEXT },
	{ "uname.release", "uname.release", CSN_FACT_TEXT },
	{ "uname.version", "uname.version", CSN_FACT_TEXT },
	{ "uname.machine", "uname.machine", CSN_FACT_TEXT },
	{ "process.id", "pid", CSN_FACT_NUMBER },
	{ "process.age", "age_ms", CSN_FACT_SECONDS },
	{ "process.parent.id", "stat.ppid", CSN_FACT_NUMBER },
	{ "process.cwd", "cwd", CSN_FACT_TEXT },
	{ "process.oom.score", "oom_score", CSN_FACT_NUMBER },
	{ "process.fault.minor", "stat.minflt", CSN_FACT_NUMBER },
	{ "process.fault.major", "stat.majflt", CSN_FACT_NUMBER },
	{ "container.id", "container", CSN_FACT_TEXT },
	{ "container.runtime", "container_runtime", CSN_FACT_TEXT },
	{ "pod.uid", "pod_uid", CSN_FACT_TEXT },
	{ "namespace.pid", "namespaces.pid", CSN_FACT_NUMBER },
	{ "namespace.mnt", "namespaces.mnt", CSN_FACT_NUMBER },
	{ "namespace.user", "namespaces.user", CSN_FACT_NUMBER },
	{ "namespace.net", "namespaces.net", CSN_FACT_NUMBER },
	{ "process.namespace.id", "ns_pid", CSN_FACT_NUMBER },
	{ "cgroup", "cgroup", CSN_FACT_TEXT },
	{ "cpu.count", "cpu.count", CSN_FACT_NUMBER },
	{ "cpu.user", "cpu.user", CSN_FACT_NUMBER },
	{ "cpu.nice", "cpu.nice", CSN_FACT_NUMBER },
	{ "cpu.kernel", "cpu.system", CSN_FACT_NUMBER },
	{ "cpu.idle", "cpu.idle", CSN_FACT_NUMBER },
	{ "cpu.iowait", "cpu.iowait", CSN_FACT_NUMBER },
	{ "cpu.irq", "cpu.irq", CSN_FACT_NUMBER },
	{ "cpu.softirq", "cpu.softirq", CSN_FACT_NUMBER },
	{ "cpu.context", "system.ctxt", CSN_FACT_NUMBER },
	{ "cpu.boottime", "system.btime", CSN_FACT_NUMBER },
	{ "cpu.process.count", "system.processes", CSN_FACT_NUMBER },
	{ "cpu.process.running", "system.procs_running", CSN_FACT_NUMBER },
	{ "cpu.process.blocked", "system.procs_blocked", CSN_FACT_NUMBER },
	{ "sched.cs.voluntary", "status.voluntary_ctxt_switches", CSN_FACT_NUMBER },
	{ "sched.cs.involuntary", "status.nonvoluntary_ctxt_switches", CSN_FACT_NUMBER },
	{ "descriptor.count", "status.FDSize", CSN_FACT_NUMBER },
	{ "descriptor.count", "fd_count", CSN_FACT_NUMBER },
	{ "vm.threads", "status.Threads", CSN_FACT_NUMBER },
	{ "vm.vma.size", "status.VmSize", CSN_FACT_NUMBER },
	{ "vm.vma.peak", "status.VmPeak", CSN_FACT_NUMBER },
	{ "vm.rss.size", "status.VmRSS", CSN_FACT_NUMBER },
	{ "vm.rss.peak", "status.VmHWM", CSN_FACT_NUMBER },
	{ "vm.data.size", "status.VmData", CSN_FACT_NUMBER },
	{ "vm.stack.size", "status.VmStk", CSN_FACT_NUMBER },
	{ "vm.exe", "status.VmExe", CSN_FACT_NUMBER },
	{ "vm.shared.size", "status.VmLib", CSN_FACT_NUMBER },
	{ "vm.locked.size", "status.VmLck", CSN_FACT_NUMBER },
	{ "vm.pte.size", "status.VmPTE", CSN_FACT_NUMBER },
	{ "vm.swap.size", "status.VmSwap", CSN_FACT_NUMBER },
	{ "system.memory.total", "meminfo.MemTotal", CSN_FACT_NUMBER },
	{ "system.memory.free", "meminfo.MemFree", CSN_FACT_NUMBER },
	{ "system.memory.available", "meminfo.MemAvailable", CSN_FACT_NUMBER },
	{ "system.memory.buffers", "meminfo.Buffers", CSN_FACT_NUMBER },
	{ "system.memory.cached", "meminfo.Cached", CSN_FACT_NUMBER },
	{ "system.memory.active", "meminfo.Active", CSN_FACT_NUMBER },
	{ "system.memory.inactive", "meminfo.Inactive", CSN_FACT_NUMBER },
	{ "system.memory.dirty", "meminfo.Dirty", CSN_FACT_NUMBER },
	{ "system.memory.writeback", "meminfo.Writeback", CSN_FACT_NUMBER },
	{ "system.memory.slab", "meminfo.Slab", CSN_FACT_NUMBER },
	{ "system.memory.swap.total", "meminfo.SwapTotal", CSN_FACT_NUMBER },
	{ "system.memory.swap.free", "meminfo.SwapFree", CSN_FACT_NUMBER },
	{ "system.memory.swap.cached", "meminfo.SwapCached", CSN_FACT_NUMBER },
	{ "system.memory.vmalloc.total", "meminfo.VmallocTotal", CSN_FACT_NUMBER },
	{ "system.memory.vmalloc.used", "meminfo.VmallocUsed", CSN_FACT_NUMBER },
	{ "system.memory.vmalloc.chunk", "meminfo.VmallocChunk", CSN_FACT_NUMBER },
};

int csn_attributes_from_facts(struct csn_snapshot *snapshot, const json_t *facts,
			      struct csn_error *err)
{
	for (size_t i = 0; i < csn_countof(csn_attribute_rows); i++) {
		const struct csn_attribute_row *row = &csn_attribute_rows[i];
		const char *text;
		uint64_t number;
		int result = 0;

		if (row->kind == CSN_FACT_TEXT) {
			text = csn_facts_string(facts, row->fact);
			if (text && *text)
				result = csn_snapshot_set_string(snapshot, row->name, text, err);
		} else if (csn_facts_number(facts, row->fact, &number)) {
			if (row->kind == CSN_FACT_SECONDS)
				number /= 1000;
			result = csn_snapshot_set_uint(snapshot, row->name, number, err);
		}
		if (result < 0)
			return result;
	}
	return 0;
}

static int csn_warn_refused(struct csn_snapshot *snapshot, const char *source, const char *name,
			    const char *why, struct csn_error *err)
{
	char shown[80], text[320];

	snprintf(text, sizeof(text), "%s: attribute \"%s\" refused: %s", source,
		 csn_escape_to(shown, sizeof(shown), name), why);
	return csn_snapshot_add_annotation(snapshot, "warning", text, err);
}

static int csn_set_default(struct csn_snapshot *snapshot, char *line, const char *source,
			   size_t *n_pairs, struct csn_error *err)
{
	char *equals = strchr(line, '=');

	if (!*line)
		return 0;
	if (!equals || equals == line)
		return csn_warn_refused(snapshot, source, line, "no key=value", err);
	*equals = '\0';
	if (csn_attribute_is_protected(line))
		return csn_warn_refused(snapshot, source, line, "the name is reserved", err);
	if (strlen(line) + strlen(equals + 1) > CSN_MAX_KV_BYTES)
		return csn_warn_refused(snapshot, source, line, "longer than 4096 bytes", err);
	if (++*n_pairs > CSN_MAX_KV_PAIRS)
		return *n_pairs == CSN_MAX_KV_PAIRS + 1
			       ? csn_warn_refused(snapshot, source, line, "more than 64 pairs", err)
			       : 0;
	return csn_snapshot_set_string(snapshot, line, equals + 1, err);
}

int csn_attributes_from_defaults(struct csn_snapshot *snapshot, const char *text,
				 const char *source, struct csn_error *err)
{
	cleanup_free char *copy = NULL;
	size_t n_pairs = 0;
	int result = 0;

	if (!text)
		return 0;
	copy = strdup(text);
	if (!copy)
		return csn_fail_nomem(err);
	for (char *line = copy, *next; line && result == 0; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		result = csn_set_default(snapshot, line, source, &n_pairs, err);
	}
	return result;
}

/* The end of a pair: the comma before the next piece that has a colon of its own. Takes the
 * backslashes of "\," away in place. */
static char *csn_kv_end(char *text)
{
	char *to = text;

	for (char *at = text; *at; at++) {
		if (at[0] == '\\' && at[1] == ',') {
			*to++ = *++at;
			continue;
		}
		if (*at == ',' && at[1 + strcspn(at + 1, ":,")] == ':') {
			*to = '\0';
			return at + 1;
		}
		*to++ = *at;
	}
	*to = '\0';
	return NULL;
}

int csn_attributes_from_kv(struct csn_snapshot *snapshot, const char *text, struct csn_error *err)
{
	cleanup_free char *copy = strdup(text);
	int result = 0;

	if (!copy)
		return csn_fail_nomem(err);
	for (char *pair = copy, *next; pair && result == 0; pair = next) {
		char *colon;

		next = csn_kv_end(pair);
		colon = strchr(pair, ':');
		if (!colon || colon == pair)
			return csn_fail(err, CSN_E_USAGE,
					"--kv: \"%s\" is no pair; write KEY:VALUE", pair);
		*colon = '\0';
		if (strlen(pair) + strlen(colon + 1) > CSN_MAX_KV_BYTES)
			return csn_fail(err, CSN_E_LIMIT, "\"%.64s\": longer than %llu bytes", pair,
					CSN_MAX_KV_BYTES);
		result = csn_snapshot_set_string(snapshot, pair, colon + 1, err);
	}
	return result;
}
