/* The pull reader against the tree reader: what jansson takes, ours takes, and a value that was
 * skipped is as long as one that was read. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json_load.h"
#include "base/json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Reads everything by kind, one value deep at a time. */
static void read_all(struct csn_json_reader *reader, struct csn_buf *text)
{
	char kind = csn_json_peek(reader);

	if (kind == '{') {
		csn_json_enter(reader, kind);
		while (csn_json_next_member(reader))
			read_all(reader, text);
	} else if (kind == '[') {
		csn_json_enter(reader, kind);
		while (csn_json_next_item(reader))
			read_all(reader, text);
	} else if (kind == '"') {
		csn_buf_clear(text);
		csn_json_read_text(reader, text);
	} else if (kind == '0') {
		csn_json_read_number(reader);
	} else if (kind == 'n') {
		csn_json_skip(reader);
	} else {
		csn_json_read_bool(reader);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	cleanup_(csn_json_reader_done) struct csn_json_reader reader, skipper;
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(CSN_MIB);
	cleanup_json json_t *tree = NULL;
	bool taken, read, skipped;

	csn_json_reader_init(&reader, (const char *)data, size_bytes);
	csn_json_reader_init(&skipper, (const char *)data, size_bytes);
	/* jansson takes a NUL for the end of the text. */
	if (size_bytes && memchr(data, 0, size_bytes))
		return 0;
	taken = csn_json_load((const char *)data, size_bytes, &tree, NULL) == 0;
	read_all(&reader, &text);
	csn_json_skip(&skipper);
	if (!reader.failed && reader.at != skipper.at)
		abort();
	read = csn_json_reader_check(&reader, true, NULL) == 0;
	skipped = csn_json_reader_check(&skipper, true, NULL) == 0;
	if ((taken && !read) || read != skipped)
		abort();
	return 0;
}
