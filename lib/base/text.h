/* Text that came from the dead, made safe to show: shell quoting, terminal escaping, sizes.
 *
 * No locale is used; bytes are judged as UTF-8. */
#ifndef CSN_BASE_TEXT_H
#define CSN_BASE_TEXT_H

#include "base/buf.h"

/* One word as it can be pasted into a shell (contracts 3): bare when all of A-Za-z0-9@%+=:,./_-,
 * POSIX single quotes otherwise, and $'\xNN' pieces for control and non-UTF-8 bytes. Always one
 * line. */
void csn_quote_shell(struct csn_buf *out, const char *word);
/* Words joined by blanks. argv ends with NULL. */
void csn_quote_command(struct csn_buf *out, const char *const argv[]);

/* For people's eyes: control bytes, DEL, backslash and bytes that are not UTF-8 as \xNN (backslash
 * as \\), everything else as it is. C1 controls (U+0080..U+009F) are escaped too. */
void csn_escape_text(struct csn_buf *out, const char *text, size_t length);
/* The same into an arena-less fixed buffer; cut with "..." when it does not fit. Returns out. */
const char *csn_escape_to(char *out, size_t out_size, const char *text);

/* Length in bytes of the valid UTF-8 sequence at text (1 to 4), 0 when invalid. */
size_t csn_utf8_length(const char *text, size_t left);

/* Decimal sizes as the guide prints them: "9.45kB", "3.12mB", "512.00B". */
void csn_format_size(char *out, size_t out_size, uint64_t bytes);

/* Whole-string number parsers: no sign unless signed, no blanks, no overflow. base 0 accepts 0x. */
bool csn_parse_u64(const char *text, int base, uint64_t *ret_value);
bool csn_parse_i64(const char *text, int64_t *ret_value);

/* What stands behind the last slash of a path; all of it when it has none. NULL for NULL. */
const char *csn_last_part(const char *path);

/* The place of the word among words, -1 when it is none of them or NULL. */
int csn_find_word(const char *const *words, size_t n_words, const char *word);

/* Levenshtein distance, for "did you mean"; texts longer than 64 bytes count as far apart. */
unsigned csn_text_distance(const char *a, const char *b);

#endif
