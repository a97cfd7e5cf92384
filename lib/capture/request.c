#include "capture/request.h"

#include "base/text.h"

struct field {
	const char *what;
	uint64_t max;
};

int csn_request_parse(size_t n_words, const char *const *words, struct csn_request *ret_request,
		      struct csn_error *err)
{
	static const struct field fields[CSN_REQUEST_WORDS + 1] = {
		{ "process id (%P)", INT32_MAX }, { "thread id (%I)", INT32_MAX },
		{ "signal (%s)", 1024 },          { "dumpable (%d)", 2 },
		{ "time (%t)", INT64_MAX / 2 },   { "user id (%u)", UINT32_MAX },
		{ "group id (%g)", UINT32_MAX },  { "pidfd (%F)", 1024 },
	};
	uint64_t values[CSN_REQUEST_WORDS + 1] = { 0 };
	size_t i;

	if (n_words == CSN_REQUEST_WORDS + 1 && !*words[CSN_REQUEST_WORDS])
		n_words = CSN_REQUEST_WORDS;
	if (n_words < CSN_REQUEST_WORDS || n_words > CSN_REQUEST_WORDS + 1)
		return csn_fail(err, CSN_E_USAGE, "%zu words instead of %d (%%P ... %%g) or %d",
				n_words, CSN_REQUEST_WORDS, CSN_REQUEST_WORDS + 1);
	for (i = 0; i < n_words; i++)
		if (!csn_parse_u64(words[i], 10, &values[i]) || values[i] > fields[i].max)
			return csn_fail(err, CSN_E_USAGE, "'%s' is no %s", words[i],
					fields[i].what);
	if (values[0] == 0 || values[1] == 0)
		return csn_fail(err, CSN_E_USAGE, "process and thread id cannot be 0");
	*ret_request = (struct csn_request){
		.pid = (int64_t)values[0],
		.tid = (int64_t)values[1],
		.signal = (int)values[2],
		.dumpable = (int)values[3],
		.time = (int64_t)values[4],
		.uid = (uint32_t)values[5],
		.gid = (uint32_t)values[6],
		.pidfd = n_words > CSN_REQUEST_WORDS ? (int)values[7] : -1,
	};
	return 0;
}
