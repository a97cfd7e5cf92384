/* coresnap.conf and its rules, as text of any kind; and attribute lines of the dead. */
#include <stdlib.h>
#include <string.h>

#include "conf/coresnap_conf.h"
#include "host/attributes.h"
#include "host/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct csn_attributes attributes = { 0 };
	struct csn_crash crash = { .exe = NULL };
	struct csn_router *router = NULL;
	unsigned line;
	struct csn_coresnap_conf conf;
	char *text = malloc(size_bytes + 1);

	if (!text)
		return 0;
	memcpy(text, data, size_bytes);
	text[size_bytes] = '\0';
	if (csn_coresnap_conf_parse("", "fuzz", text, &conf, NULL) == 0) {
		crash.exe = conf.archive_path;
		if (csn_router_new(&conf, &router, NULL) == 0)
			(void)csn_router_find(router, &crash, &line);
		csn_router_free(router);
		csn_coresnap_conf_done(&conf);
	}
	if (csn_attributes_add(&attributes, "fuzz", text, NULL) < 0 ||
	    attributes.n_pairs > CSN_MAX_KV_PAIRS)
		abort();
	csn_attributes_done(&attributes);
	free(text);
	return 0;
}
