#include "host/backoff.h"

#include <string.h>

#include "base/clock.h"
#include "base/limits_host.h"
#include "base/text.h"

int64_t csn_backoff_delay_ns(int64_t min_ns, int64_t max_ns, unsigned failures, uint64_t random)
{
	int64_t top_ns = min_ns;

	for (; failures > 0 && top_ns < max_ns; failures--)
		top_ns = top_ns > max_ns / 2 ? max_ns : top_ns * 2;
	if (top_ns > max_ns)
		top_ns = max_ns;
	if (top_ns <= min_ns)
		return top_ns;
	return min_ns + (int64_t)(random % (uint64_t)(top_ns - min_ns + 1));
}

int64_t csn_backoff_read_retry_after(const char *line)
{
	static const char mark[] = "(Retry-After: ";
	const char *found = NULL, *next = line;
	char digits[16];
	uint64_t seconds;
	size_t length;

	/* The last one: what stands before it are the server's words. */
	while ((next = strstr(next, mark))) {
		found = next + sizeof(mark) - 1;
		next = found;
	}
	length = found ? strspn(found, "0123456789") : 0;
	if (length == 0 || length >= sizeof(digits) || strcmp(found + length, ")") != 0)
		return -1;
	memcpy(digits, found, length);
	digits[length] = '\0';
	if (!csn_parse_u64(digits, 10, &seconds))
		return -1;
	return seconds > CSN_MAX_RETRY_AFTER_SECONDS ? CSN_MAX_RETRY_AFTER_SECONDS
						     : (int64_t)seconds;
}

int64_t csn_backoff_obey_ns(int64_t delay_ns, int64_t retry_after_s, uint64_t random)
{
	int64_t asked_ns = retry_after_s > 0 ? retry_after_s * CSN_NS_PER_SECOND : 0;

	asked_ns += (int64_t)(random % (uint64_t)(asked_ns / 10 + 1));
	return asked_ns > delay_ns ? asked_ns : delay_ns;
}
