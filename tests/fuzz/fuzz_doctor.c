/* Settings of other programs, as the doctor reads them: sysctl.d, limits.conf, /proc/PID/limits,
 * systemd's system.conf. Each reader gets the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "doctor/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const groups[] = { "web", NULL };
	const struct csn_limits_person person = {
		.name = "www", .uid = 1001, .gid = 50, .groups = groups
	};
	const char *text = (const char *)data;
	struct csn_limits_state state = { 0 };
	struct csn_core_limit limit;
	char value[16];

	csn_limits_conf_read(text, size, &person, &state);
	if (state.rank[0] > 3 || state.rank[1] > 3)
		abort();
	(void)csn_sysctl_find(text, size, "kernel.core_pattern", value, sizeof(value));
	(void)csn_core_limit_of_process(text, size, &limit);
	(void)csn_core_limit_of_systemd(text, size, &limit);
	return 0;
}
