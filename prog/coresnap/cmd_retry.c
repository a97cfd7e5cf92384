/* coresnap retry: asks the daemon; without one it does the work itself. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "coresnap.h"
#include "host/service.h"

static int ask_daemon(const struct csn_host *host, const struct csn_spool_list *objects, bool all)
{
	struct csn_error err = CSN_ERROR_INIT;
	char request[128];
	size_t i;

	for (i = 0; i < (all ? 1 : objects->count); i++) {
		const struct csn_spool_object *object = &objects->items[i];

		if (all)
			snprintf(request, sizeof(request), "retry all");
		else
			snprintf(request, sizeof(request), "retry %s/%s",
				 csn_stage_name(object->stage), object->uuid);
		if (csn_service_ask(&host->spool, request, &err) < 0)
			return coresnap_complain(coresnap_status_of(&err), &err, NULL);
	}
	return 0;
}

static void log_line(void *context, int level, bool raw, const char *text)
{
	if (raw)
		csn_log_raw(context, level, text);
	else
		csn_log(context, level, "%s", text);
}

static int work_here(struct csn_host *host, const struct csn_spool_list *objects)
{
	struct csn_service *service = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_log log;
	size_t i;
	int r = csn_host_become_owner(host, &err);

	if (r < 0)
		return coresnap_complain(coresnap_status_of(&err), &err, NULL);
	csn_log_open(&log, "coresnap", LOG_DAEMON, true);
	host->log = log_line;
	host->log_context = &log;
	csn_host_say(host, LOG_NOTICE, "coresnapd does not run; working on %zu object%s here",
		     objects->count, objects->count == 1 ? "" : "s");
	r = csn_service_new(host, true, &service, &err);
	for (i = 0; r == 0 && i < objects->count; i++)
		r = csn_service_add(service, objects->items[i].stage, objects->items[i].uuid, &err);
	if (r == 0)
		r = csn_service_run(service, &err);
	if (r == 0 && (csn_service_get_failed(service) || csn_service_get_sent(service) == 0))
		r = 1;
	csn_service_free(service);
	csn_log_close(&log);
	if (r < 0)
		return coresnap_complain(coresnap_status_of(&err), &err, NULL);
	return r ? CSN_EXIT_TEMPORARY : 0;
}

static int add_object(struct csn_spool_list *list, const struct csn_spool_object *object)
{
	struct csn_spool_object *items = reallocarray(list->items, list->count + 1, sizeof(*items));

	if (!items)
		return CSN_EXIT_OS;
	list->items = items;
	items[list->count++] = *object;
	return -1;
}

static int collect(const struct csn_host *host, int argc, char **argv, bool all,
		   struct csn_spool_list *list)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_spool_object object;
	int i, status = -1;

	if (all) {
		if (csn_spool_list(&host->spool, CSN_STAGE_SENDING, list, &err) < 0 ||
		    csn_spool_list(&host->spool, CSN_STAGE_PENDING, list, &err) < 0)
			return coresnap_complain(coresnap_status_of(&err), &err, NULL);
		return -1;
	}
	for (i = 0; status < 0 && i < argc; i++) {
		status = coresnap_find(host, argv[i], &object);
		if (status < 0 && object.stage == CSN_STAGE_KEPT) {
			csn_fail(&err, CSN_E_USAGE, "kept/%s is sent already", object.uuid);
			return coresnap_complain(CSN_EXIT_USAGE, &err,
						 "use 'ptrace --core' on the file");
		}
		if (status < 0)
			status = add_object(list, &object);
	}
	return status;
}

int coresnap_retry(int argc, char **argv, void *context)
{
	cleanup_(csn_spool_list_done) struct csn_spool_list list = { 0 };
	cleanup_(csn_host_done) struct csn_host host = CSN_HOST_INIT;
	struct csn_error err = CSN_ERROR_INIT;
	const struct coresnap_syntax syntax = {
		.usage = "coresnap retry all|STAGE/UUID...",
		.summary = "Processes objects now, without waiting.",

		.operands = true,
		.examples = { "coresnap retry pending/84605573", "coresnap retry all" },
	};
	int first, status = coresnap_parse(&syntax, argc, argv, &first);
	bool all;

	if (status >= 0)
		return status;
	if (first >= argc) {
		csn_fail(&err, CSN_E_USAGE, "retry: which object?");
		return coresnap_complain(CSN_EXIT_USAGE, &err, "'all', or one of 'coresnap list'");
	}
	all = argc - first == 1 && strcmp(argv[first], "all") == 0;
	status = coresnap_open(context, true, &host);
	if (status < 0)
		status = collect(&host, argc - first, argv + first, all, &list);
	if (status >= 0)
		return status;
	/* All, also when there is no object: ticks may wait. */
	if (csn_service_find_daemon(&host.spool))
		return ask_daemon(&host, &list, all);
	return list.count ? work_here(&host, &list) : 0;
}
