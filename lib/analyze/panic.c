#include "analyze/panic_internal.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

static bool is_named(const char *function, const char *wanted)
{
	size_t length = strlen(wanted);

	return wanted[length - 1] == '*' ? strncmp(function, wanted, length - 1) == 0
					 : strcmp(function, wanted) == 0;
}

static bool is_of_fault(const struct csn_scene *scene, size_t frame)
{
	return frame < scene->n_frames && scene->frames[frame].thread->fault;
}

size_t csn_panic_find_frame(const struct csn_scene *scene, size_t first, const char *const *names,
			    size_t n_names)
{
	for (size_t i = first; is_of_fault(scene, i); i++) {
		const char *function = scene->frames[i].stored->function;

		for (size_t k = 0; function && k < n_names; k++)
			if (is_named(function, names[k]))
				return i;
	}
	return SIZE_MAX;
}

csn_addr csn_panic_stack(const struct csn_scene *scene, size_t frame)
{
	unsigned sp = scene->target->arch->sp;

	if (!is_of_fault(scene, frame) ||
	    !csn_register_known(&scene->frames[frame].frame->registers, sp))
		return 0;
	return scene->frames[frame].frame->registers.value[sp];
}

csn_addr csn_panic_stack_of_caller(const struct csn_scene *scene, size_t frame)
{
	size_t next = frame;

	while (is_of_fault(scene, next) && scene->frames[next].frame == scene->frames[frame].frame)
		next++;
	return csn_panic_stack(scene, next);
}

bool csn_panic_read_text(struct csn_target *target, csn_addr address, uint64_t size_bytes,
			 struct csn_panic_text *ret_text)
{
	size_t n = csn_min_u64(size_bytes, CSN_PANIC_TEXT), at = 0;

	if (!address || size_bytes > CSN_MIB ||
	    csn_target_read_some(target, address, ret_text->bytes, n) != n)
		return false;
	while (at < n) {
		size_t length = csn_utf8_length(ret_text->bytes + at, n - at);
		uint8_t byte = (uint8_t)ret_text->bytes[at];

		/* Cut within a character. */
		if (!length && n < size_bytes && n - at < 4)
			break;
		if (!length || (byte < ' ' && !strchr("\t\n\r", byte)) || !byte || byte == 0x7f)
			return false;
		at += length;
	}
	ret_text->bytes[at] = '\0';
	ret_text->n_bytes = at;
	ret_text->address = address;
	ret_text->size_bytes = size_bytes;
	return true;
}

bool csn_panic_is_constant(struct csn_target *target, csn_addr address)
{
	const struct csn_mapping *mapping = csn_target_find_mapping(target, address);

	return mapping && mapping->is_file && !(mapping->perms_known && mapping->writable);
}

const char *csn_panic_say(const struct csn_scene *scene, const char *word, const char *before,
			  const struct csn_panic_text *text, const char *after)
{
	cleanup_(csn_buf_done) struct csn_buf out = CSN_BUF_INIT(CSN_MAX_VALUE_TEXT);
	size_t length = text->n_bytes;
	bool cut = length > CSN_SHOWN_PANIC || length < text->size_bytes;

	if (length > CSN_SHOWN_PANIC)
		length = CSN_SHOWN_PANIC;
	/* Not within a character. */
	while (cut && length && ((uint8_t)text->bytes[length] & 0xc0) == 0x80)
		length--;
	csn_buf_printf(&out, "%s: %s", word, before);
	csn_escape_text(&out, text->bytes, length);
	csn_buf_printf(&out, "%s%s", cut ? "..." : "", after);
	return csn_buf_ok(&out) ? csn_arena_strdup(scene->snapshot->arena, csn_buf_text(&out))
				: NULL;
}
