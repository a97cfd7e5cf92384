/* The snapshot reader: .btt container and JSON document, and the writer on what was read. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "snapshot/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	cleanup_(csn_buf_done) struct csn_buf again = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	const char *text = (const char *)data;

	if (csn_btt_probe(data, size_bytes)) {
		if (csn_btt_unpack(data, size_bytes, &json, &err) < 0)
			return 0;
		text = csn_buf_text(&json);
		size_bytes = json.size;
	}
	if (csn_snapshot_read_json(text, size_bytes, &snapshot, &err) < 0)
		return 0;
	/* Whatever was accepted can be written and read again. */
	if (csn_snapshot_write_json(snapshot, &again, &err) < 0)
		abort();
	csn_snapshot_freep(&snapshot);
	snapshot = NULL;
	if (csn_snapshot_read_json(csn_buf_text(&again), again.size, &snapshot, &err) < 0)
		abort();
	return 0;
}
