/* The snapshot as a document: JSON (docs/formats/snapshot.schema.json) and .btt files.
 *
 * A .btt file is a zstd skippable frame (magic 0x184D2A50; "BTT", version byte, JSON length u64,
 * SHA-256 of the JSON) followed by zstd frames of the JSON, so `zstdcat x.btt | jq` works. */
#ifndef CSN_SNAPSHOT_DOCUMENT_H
#define CSN_SNAPSHOT_DOCUMENT_H

#include "base/buf.h"
#include "base/error.h"
#include "snapshot/snapshot.h"

/* Appends the JSON text. */
int csn_snapshot_write_json(const struct csn_snapshot *snapshot, struct csn_buf *out,
			    struct csn_error *err) csn_must_check;
/* Reads a report in the public JSON format. Unknown members are ignored, addresses may be strings
 * or numbers. FORMAT names what is wrong. Free with csn_snapshot_free. */
int csn_snapshot_read_json(const char *text, size_t length, struct csn_snapshot **ret_snapshot,
			   struct csn_error *err) csn_must_check;

/* Appends the .btt bytes. */
int csn_btt_pack(const char *json, size_t length, struct csn_buf *out, struct csn_error *err)
	csn_must_check;
/* True when the bytes begin like a .btt (enough to tell it from JSON). */
bool csn_btt_probe(const void *data, size_t size_bytes);
/* Checks header, length and SHA-256 and appends the JSON text. FORMAT for a file cut in half. */
int csn_btt_unpack(const void *data, size_t size_bytes, struct csn_buf *out_json,
		   struct csn_error *err) csn_must_check;

/* Reads a file, .btt or JSON. A descriptor stays the caller's; name is for messages. */
int csn_snapshot_read_fd(int fd, const char *name, struct csn_snapshot **ret_snapshot,
			 struct csn_error *err) csn_must_check;
int csn_snapshot_read_file(const char *path, struct csn_snapshot **ret_snapshot,
			   struct csn_error *err) csn_must_check;

#endif
