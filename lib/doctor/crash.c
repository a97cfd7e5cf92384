/* The canary as a check: how far it came, how long each step took, and what to do where it is. */
#include <signal.h>
#include <unistd.h>

#include "base/limits.h"
#include "doctor/canary.h"
#include "doctor/doctor_internal.h"
#include "host/service.h"

/* Why it is stuck behind the step that it reached. */
static void tell_stuck(struct csn_doctor *doctor, const struct csn_canary *canary)
{
	const char *uuid = canary->uuid, *self = doctor->self;
	const char *show = doctor_text(doctor, "%s show %s", self, uuid);

	if (canary->step == CSN_CANARY_BORN)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, NULL, "the canary did not die of SIGSEGV");
	else if (canary->step == CSN_CANARY_DEAD && !canary->was_dumped)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "%s enable; dmesg | grep -i core | tail", self),
			   "the canary crashed and the kernel dumped nothing: core_pattern is not "
			   "what the kernel takes, or the helper cannot be run");
	else if (canary->step == CSN_CANARY_DEAD)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor_text(doctor, "%s status; grep coresnap /var/log/syslog | tail",
				       self),
			   "the canary crashed and was dumped, but nothing came into pending/ of "
			   "%s: the crash went elsewhere, or the helper failed, and says so in the "
			   "log",
			   doctor->host.spool.path);
	else if (!csn_service_find_daemon(&doctor->host.spool))
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, doctor_service(doctor, "start"),
			   "the canary %s was archived after %lld ms and waits: coresnapd does "
			   "not run",
			   uuid, (long long)canary->reached_ms[CSN_CANARY_ARCHIVED]);
	else if (canary->step == CSN_CANARY_ARCHIVED)
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, show,
			   "the canary %s was archived after %lld ms, and is stuck in pending/: "
			   "ptrace does not analyse it",
			   uuid, (long long)canary->reached_ms[CSN_CANARY_ARCHIVED]);
	else
		doctor_say(doctor, CSN_DOCTOR_PROBLEM, show,
			   "the canary %s was analysed after %lld ms, and is stuck in sending/: "
			   "coroner does not get it to the server",
			   uuid, (long long)canary->reached_ms[CSN_CANARY_ANALYSED]);
}

/* Where it went, for whoever wants to see it there. */
static const char *ask_for(struct csn_doctor *doctor, const struct csn_canary *canary)
{
	char exe[CSN_MAX_PATH];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	struct csn_crash crash = { .exe = exe, .signal = SIGSEGV };
	const char *project;
	unsigned runaway_line;

	exe[n > 0 ? n : 0] = '\0';
	project = csn_router_find(doctor->host.router, &crash, &runaway_line);

	return doctor_text(doctor, "morgue list %s --filter=coresnap.object,equal,%s",
			   project ? doctor_quote(doctor, project) : "blackhole", canary->uuid);
}

void doctor_check_canary(struct csn_doctor *doctor)
{
	struct csn_error err = CSN_ERROR_INIT;
	struct csn_canary canary;
	int r;

	if (!doctor->options->crash)
		return;
	if (!doctor->has_spool) {
		doctor_say(doctor, CSN_DOCTOR_PROBLEM,
			   doctor->is_root
				   ? doctor_text(doctor, "%s enable", doctor->self)
				   : doctor_text(doctor, "sudo %s doctor --crash", doctor->self),
			   "no canary is crashed: there is no spool to see it in");
		return;
	}
	r = csn_canary_run(&doctor->host.spool, CSN_CANARY_SENT, &doctor->options->progress,
			   &canary, &err);
	if (r < 0)
		doctor_say(doctor, r == -CSN_E_LIMIT ? CSN_DOCTOR_WARNING : CSN_DOCTOR_PROBLEM,
			   r == -CSN_E_LIMIT ? doctor_text(doctor, "sleep 60; %s doctor --crash",
							   doctor->self)
					     : NULL,
			   "%s", err.text);
	else if (canary.step < CSN_CANARY_SENT)
		tell_stuck(doctor, &canary);
	else
		doctor_say(doctor, CSN_DOCTOR_OK, NULL,
			   "the canary %s: released after %lld ms, archived %lld, analysed %lld, "
			   "sent %lld; to see it: %s",
			   canary.uuid, (long long)canary.reached_ms[CSN_CANARY_DEAD],
			   (long long)canary.reached_ms[CSN_CANARY_ARCHIVED],
			   (long long)canary.reached_ms[CSN_CANARY_ANALYSED],
			   (long long)canary.reached_ms[CSN_CANARY_SENT], ask_for(doctor, &canary));
}
