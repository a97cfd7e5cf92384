#include "host/backoff.h"

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
