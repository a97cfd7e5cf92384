/* Texts of the dead under the default rules, and hostile files of rules: the first line of the
 * input is a rule, the rest a text, a name and a raw stack. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "privacy/privacy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();
	cleanup_(csn_privacy_freep) struct csn_privacy *privacy = NULL;
	cleanup_free char *text = strndup((const char *)data, size_bytes);
	struct csn_snapshot_variable variable = { .name = text, .type = text, .value = text };
	struct csn_snapshot_frame frame = { .variables = &variable, .n_variables = 1 };
	struct csn_snapshot_thread thread = {
		.frames = &frame,
		.n_frames = 1,
		.raw_stack = { .bytes = data, .size_bytes = size_bytes },
	};
	char *line_end = text ? strchr(text, '\n') : NULL;

	if (!snapshot || !text || csn_privacy_new(&privacy, NULL) < 0)
		return 0;
	if (line_end) {
		*line_end = '\0';
		(void)!csn_privacy_load(privacy, text, NULL);
		variable.value = line_end + 1;
	}
	snapshot->threads = &thread;
	snapshot->n_threads = 1;
	(void)!csn_snapshot_add_annotation(snapshot, "note", variable.value, NULL);
	(void)!csn_privacy_apply(privacy, snapshot, NULL);
	snapshot->n_threads = 0;
	return 0;
}
