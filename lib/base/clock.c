#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec now = { 0 };

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * CSN_NS_PER_SECOND + now.tv_nsec;
}

int64_t csn_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t csn_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t csn_boottime_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t csn_seconds_to_ns(int64_t seconds)
{
	const int64_t most = 4000000000ll;

	if (seconds > most)
		seconds = most;
	if (seconds < -most)
		seconds = -most;
	return seconds * CSN_NS_PER_SECOND;
}

bool csn_parse_duration(const char *text, int64_t *ret_seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {
		{ '\0', 1 },    { 's', 1 },      { 'm', 60 },           { 'h', 3600 },
		{ 'd', 86400 }, { 'w', 604800 }, { 'M', 30ll * 86400 }, { 'y', 365ll * 86400 },
	};
	unsigned long long number;
	size_t i;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	number = strtoull(text, &end, 10);
	if (number > INT32_MAX || (*end && end[1]))
		return false;
	for (i = 0; i < csn_countof(units); i++) {
		if (units[i].unit != *end)
			continue;
		*ret_seconds = (int64_t)number * units[i].seconds;
		return true;
	}
	return false;
}
