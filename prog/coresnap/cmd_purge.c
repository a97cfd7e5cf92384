/* coresnap purge: removes what is older than purge.age, or what is named. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "coresnap.h"
#include "host/purge.h"

static int purge_named(const struct csn_host *host, int argc, char **argv)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_spool_object object;
	int i, status = -1;

	for (i = 0; i < argc; i++) {
		status = coresnap_find(host, argv[i], &object);
		if (status >= 0)
			return status;
		if (csn_purge_object(host, &object, &err) < 0)
			return coresnap_complain(coresnap_status_of(&err), &err, NULL);
		printf("removed %s/%s\n", csn_stage_name(object.stage), object.uuid);
	}
	return 0;
}

int coresnap_purge(int argc, char **argv, void *context)
{
	cleanup_(csn_host_done) struct csn_host host = CSN_HOST_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	int64_t age_seconds = -1, oldest_ns;
	const struct csn_option options[] = {
		{ "age", 0, CSN_OPT_DURATION, "AGE",
		  "remove what is older (default: purge.age; 0s for everything)", &age_seconds },
		{ NULL },
	};
	const struct coresnap_syntax syntax = {
		.usage = "coresnap purge [--age=AGE] [STAGE/UUID...]",
		.summary = "Removes old objects, or the named ones.",
		.options = options,
		.operands = true,
		.examples = { "coresnap purge sending/3d22c19c", "coresnap purge --age=7d" },
	};
	int first, status = coresnap_parse(&syntax, argc, argv, &first);
	size_t count;

	if (status < 0)
		status = coresnap_open(context, true, &host);
	if (status >= 0)
		return status;
	if (first < argc)
		return purge_named(&host, argc - first, argv + first);
	if (age_seconds < 0)
		age_seconds = host.conf.purge_age_seconds;
	if (csn_purge(&host, csn_realtime_ns(), age_seconds, &count, &oldest_ns, &err) < 0)
		return coresnap_complain(coresnap_status_of(&err), &err, NULL);
	printf("removed %zu object%s\n", count, count == 1 ? "" : "s");
	return 0;
}
