#include "render/variable.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

static void foreign(struct csn_buf *out, const char *text)
{
	csn_escape_text(out, text, strlen(text));
}

/* Texts have backslashes of their own, before what is no plain character. */
static void render_text(struct csn_buf *out, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\\");

		csn_escape_text(out, text, length);
		text += length;
		if (*text)
			csn_buf_putc(out, *text++);
	}
}

static void render_parts(const struct csn_snapshot_variable *variable, struct csn_buf *out)
{
	static const char *const before[] = {
		[CSN_VARIABLE_BASE] = "<",
		[CSN_VARIABLE_STATIC] = "static ",
	};
	const struct csn_form_marks *marks = csn_form_marks(variable->form);

	if (!variable->n_parts && !variable->is_cut && variable->form == CSN_FORM_BRACES) {
		csn_buf_puts(out, "{<No data fields>}");
		return;
	}
	csn_buf_puts(out, marks->open);
	for (size_t i = 0; i < variable->n_parts; i++) {
		const struct csn_snapshot_variable *part = &variable->parts[i];
		const char *mark =
			(size_t)part->role < csn_countof(before) ? before[part->role] : NULL;

		csn_buf_puts(out, i ? ", " : "");
		if (part->name && marks->between) {
			csn_buf_puts(out, mark ? mark : "");
			foreign(out, part->name);
			csn_buf_puts(out, part->role == CSN_VARIABLE_BASE ? ">" : "");
			csn_buf_puts(out, marks->between);
		}
		csn_render_value(part, out);
	}
	/* A tuple of one is told from a value in parentheses. */
	if (variable->form == CSN_FORM_TUPLE && variable->n_parts == 1 && !variable->value)
		csn_buf_putc(out, ',');
	if (variable->is_cut)
		csn_buf_puts(out, "...");
	csn_buf_puts(out, marks->close);
}

/* The parts of what has a text, too. What is pointed to may be one value without a name. */
static void render_behind(const struct csn_snapshot_variable *variable, struct csn_buf *out)
{
	if (!variable->parts_are_target)
		csn_buf_puts(out, variable->form == CSN_FORM_BRACES ? " = " : "");
	else
		csn_buf_puts(out, *variable->value == '@' ? ": " : " -> ");
	if (variable->parts_are_target && variable->dynamic_type && *variable->value != '@') {
		csn_buf_putc(out, '(');
		foreign(out, variable->dynamic_type);
		csn_buf_puts(out, ") ");
	}
	if (variable->parts_are_target && variable->n_parts == 1 && !variable->parts->name)
		csn_render_value(variable->parts, out);
	else
		render_parts(variable, out);
}

void csn_render_value(const struct csn_snapshot_variable *variable, struct csn_buf *out)
{
	if (variable->missing) {
		/* Of a pointer to what is withheld, the address is there. */
		if (variable->value)
			foreign(out, variable->value);
		csn_buf_puts(out, variable->value ? " <" : "<");
		foreign(out, variable->missing);
		csn_buf_putc(out, '>');
	} else if (variable->value) {
		render_text(out, variable->value);
		if (variable->n_parts) {
			render_behind(variable, out);
		}
	} else {
		render_parts(variable, out);
	}
	if (variable->dynamic_type && variable->value && *variable->value == '@') {
		csn_buf_puts(out, " <in ");
		foreign(out, variable->dynamic_type);
		csn_buf_putc(out, '>');
	}
	if (variable->same_as) {
		csn_buf_puts(out, " <told as ");
		foreign(out, variable->same_as);
		csn_buf_putc(out, '>');
	}
	if (variable->repeats > 1)
		csn_buf_printf(out, " <repeats %" PRIu64 " times>", variable->repeats);
}
