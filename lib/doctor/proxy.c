/* Proxies: what counts is the environment of the daemon, which is not that of whoever asks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "doctor/doctor_internal.h"
#include "host/service.h"

/* The variable's value in the text of /proc/PID/environ; NULL when it is not set. */
static const char *find_variable(const struct csn_buf *text, const char *name)
{
	const char *at = csn_buf_text(text), *end = at + text->size;
	size_t length = strlen(name);

	for (; at < end; at += strlen(at) + 1)
		if (strncmp(at, name, length) == 0 && at[length] == '=')
			return at + length + 1;
	return NULL;
}

/* Without the user and password in front of an '@'. */
static const char *without_password(const char *value)
{
	const char *at = strrchr(value, '@');

	return at ? at + 1 : value;
}

bool doctor_take_proxies(struct csn_doctor *doctor)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
					     "all_proxy",  "ALL_PROXY",   "no_proxy",
					     "NO_PROXY" };
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(0);
	pid_t daemon = doctor->has_spool ? csn_service_find_daemon(&doctor->host.spool) : 0;
	char path[64];
	bool any = false, known;
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)daemon);
	known = daemon && doctor_read_text(path, &text);
	for (i = 0; i < csn_countof(names); i++) {
		const char *value = known ? find_variable(&text, names[i]) : getenv(names[i]);

		/* The requests to come are made as the daemon's uploads are. */
		if (known && value)
			setenv(names[i], value, true);
		else if (known)
			unsetenv(names[i]);
		if (!value || !*value)
			continue;
		any = any || names[i][0] != 'n';
		doctor_say(doctor, CSN_DOCTOR_OK, NULL, "%s: %s is %s",
			   known ? "the daemon's environment" : "the environment here", names[i],
			   without_password(value));
	}
	return any;
}
