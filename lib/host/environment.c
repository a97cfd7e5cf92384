#include "host/environment.h"

#include <string.h>
#include <unistd.h>

/* A name that ends in '_' stands for all that begin with it. */
static const char *const passed[] = {
	"PATH",        "HOME",           "TZ",           "LANG",
	"LC_",         "TMPDIR",         "http_proxy",   "https_proxy",
	"HTTPS_PROXY", "all_proxy",      "ALL_PROXY",    "no_proxy",
	"NO_PROXY",    "SSL_CERT_FILE",  "SSL_CERT_DIR", "DEBUGINFOD_",
	"CORESNAP_",   "XDG_CACHE_HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS",
};

static bool is_passed(const char *pair)
{
	size_t i;

	for (i = 0; i < csn_countof(passed); i++) {
		size_t length = strlen(passed[i]);

		if (strncmp(pair, passed[i], length) == 0 &&
		    (passed[i][length - 1] == '_' || pair[length] == '='))
			return true;
	}
	return false;
}

void csn_environment_fill(const char *out[CSN_ENVIRONMENT_MAX])
{
	char **pair;
	bool has_path = false;
	size_t n = 0;

	for (pair = environ; *pair && n + 2 < CSN_ENVIRONMENT_MAX; pair++)
		if (is_passed(*pair)) {
			out[n++] = *pair;
			has_path |= strncmp(*pair, "PATH=", 5) == 0;
		}
	if (!has_path)
		out[n++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	out[n] = NULL;
}
