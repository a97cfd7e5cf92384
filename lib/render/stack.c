#include "render/stack.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/span.h"
#include "base/text.h"
#include "render/variable.h"

/* A recursion is folded when it went round more often than this, and its round has no more calls
 * than that. */
#define CSN_RUN_FRAMES 4u
#define CSN_RUN_CALLS 8u
/* So many thread ids are told for one stack. */
#define CSN_TOLD_THREADS 8u

struct csn_renderer {
	const struct csn_snapshot *snapshot;
	const struct csn_render_options *options;
	struct csn_buf *out;
};

/* SGR parameters; the terminal's own palette decides what they look like. */
static const char CSN_STYLE_HEAD[] = "1", CSN_STYLE_FAULT[] = "1;31", CSN_STYLE_FUNCTION[] = "33",
		  CSN_STYLE_DIM[] = "2";

static void csn_style(struct csn_renderer *renderer, const char *style)
{
	if (renderer->options->colour)
		csn_buf_printf(renderer->out, "\033[%sm", style);
}

static void csn_style_end(struct csn_renderer *renderer)
{
	if (renderer->options->colour)
		csn_buf_puts(renderer->out, "\033[m");
}

static void csn_foreign(struct csn_renderer *renderer, const char *text)
{
	csn_escape_text(renderer->out, text, strlen(text));
}

static const char *csn_attribute_text(const struct csn_snapshot *snapshot, const char *name)
{
	const struct csn_snapshot_attribute *found = csn_snapshot_find_attribute(snapshot, name);

	return found && found->kind == CSN_VALUE_STRING ? found->string : NULL;
}

/* How many values were withheld, and by which rules. */
static void csn_render_withheld(struct csn_renderer *renderer)
{
	const struct csn_snapshot *snapshot = renderer->snapshot;
	uint64_t count = 0;

	if (!snapshot->n_withheld)
		return;
	for (size_t i = 0; i < snapshot->n_withheld; i++)
		count += csn_max_u64(snapshot->withheld[i].count, 1);
	csn_buf_printf(renderer->out, "withheld: %" PRIu64 " that look%s like a secret (", count,
		       count == 1 ? "s" : "");
	for (size_t i = 0; i < snapshot->n_withheld; i++) {
		const char *rule = snapshot->withheld[i].rule;
		size_t known = 0;

		while (known < i && strcmp(snapshot->withheld[known].rule, rule) != 0)
			known++;
		if (known < i)
			continue;
		csn_buf_puts(renderer->out, i ? ", " : "");
		csn_foreign(renderer, rule);
	}
	csn_buf_puts(renderer->out, ")\n");
}

static void csn_render_head(struct csn_renderer *renderer)
{
	const struct csn_snapshot *snapshot = renderer->snapshot;
	const struct csn_snapshot_attribute *pid =
		csn_snapshot_find_attribute(snapshot, "process.id");
	const char *application = csn_attribute_text(snapshot, "application");
	const char *verdict = csn_attribute_text(snapshot, "verdict");

	csn_style(renderer, CSN_STYLE_HEAD);
	csn_foreign(renderer, application ? application : "process");
	csn_style_end(renderer);
	if (pid && pid->kind == CSN_VALUE_UINT)
		csn_buf_printf(renderer->out, " (pid %" PRIu64 ")", pid->uint);
	else if (pid && pid->kind == CSN_VALUE_INT)
		csn_buf_printf(renderer->out, " (pid %" PRId64 ")", pid->int_);
	if (verdict) {
		csn_buf_puts(renderer->out, ": ");
		csn_style(renderer, CSN_STYLE_FAULT);
		csn_foreign(renderer, verdict);
		csn_style_end(renderer);
	}
	csn_buf_putc(renderer->out, '\n');
	for (size_t i = 0; i < snapshot->n_truncated; i++) {
		csn_buf_puts(renderer->out, "not whole: ");
		csn_foreign(renderer, snapshot->truncated[i]);
		csn_buf_putc(renderer->out, '\n');
	}
	for (size_t i = 0; i < snapshot->n_annotations; i++) {
		if (strcmp(snapshot->annotations[i].name, "warning") != 0)
			continue;
		csn_buf_puts(renderer->out, "warning: ");
		csn_foreign(renderer, snapshot->annotations[i].text);
		csn_buf_putc(renderer->out, '\n');
	}
	if (renderer->options->verbose)
		csn_render_withheld(renderer);
}

/* --- frames --- */

static void csn_render_source(struct csn_renderer *renderer, const struct csn_snapshot_frame *frame)
{
	if (frame->source_path && !renderer->options->no_source) {
		csn_buf_puts(renderer->out, " at ");
		csn_foreign(renderer, frame->source_path);
		if (frame->line)
			csn_buf_printf(renderer->out, ":%u", frame->line);
	} else if (frame->library) {
		csn_buf_puts(renderer->out, " from ");
		csn_foreign(renderer, frame->library);
	}
}

static void csn_render_registers(struct csn_renderer *renderer,
				 const struct csn_snapshot_frame *frame)
{
	if (frame->kind != CSN_FRAME_UNKNOWN)
		csn_buf_printf(renderer->out, "      found by %s\n",
			       csn_frame_kind_name(frame->kind));
	for (size_t i = 0; i < frame->n_registers; i++)
		csn_buf_printf(renderer->out, "%s%s=0x%" PRIx64 "%s", i % 6 == 0 ? "      " : " ",
			       frame->registers[i].name, frame->registers[i].value,
			       i % 6 == 5 || i + 1 == frame->n_registers ? "\n" : "");
}

/* A line each, like `bt full`. */
static void csn_render_variables(struct csn_renderer *renderer,
				 const struct csn_snapshot_variable *variables, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct csn_snapshot_variable *variable = &variables[i];

		csn_buf_puts(renderer->out, "        ");
		csn_foreign(renderer, variable->name ? variable->name : "?");
		csn_buf_puts(renderer->out, " = ");
		csn_render_value(variable, renderer->out);
		csn_buf_putc(renderer->out, '\n');
	}
}

/* Demangled names bring their own parentheses; those of "operator()", "(anonymous namespace)" and
 * template arguments are part of a name. */
static bool csn_has_parameters(const char *name)
{
	static const char *const parts[] = { "operator()", "operator<<=", "operator<<",
					     "operator<=", "operator<",   "operator>>",
					     "operator->", "operator>",   "(anonymous namespace)" };
	unsigned depth = 0;

	while (*name) {
		size_t skipped = 1;

		for (size_t i = 0; i < csn_countof(parts) && skipped == 1; i++)
			if (strncmp(name, parts[i], strlen(parts[i])) == 0)
				skipped = strlen(parts[i]);
		if (skipped == 1) {
			if (*name == '(' && !depth)
				return true;
			depth += *name == '<';
			depth -= *name == '>' && depth;
		}
		name += skipped;
	}
	return false;
}

static void csn_render_frame(struct csn_renderer *renderer, size_t level,
			     const struct csn_snapshot_frame *frame)
{
	struct csn_buf *out = renderer->out;

	csn_buf_printf(out, "#%-3zu ", level);
	if (frame->signal_frame && !frame->function) {
		csn_buf_puts(out, "<signal handler called>\n");
		return;
	}
	if (frame->has_address && !frame->inlined) {
		csn_style(renderer, CSN_STYLE_DIM);
		csn_buf_printf(out, "0x%016" PRIx64, frame->address);
		csn_style_end(renderer);
		csn_buf_puts(out, " in ");
	}
	csn_style(renderer, CSN_STYLE_FUNCTION);
	csn_foreign(renderer, frame->function ? frame->function : "??");
	csn_style_end(renderer);
	if (!frame->function || !csn_has_parameters(frame->function))
		csn_buf_puts(out, " ()");
	csn_render_source(renderer, frame);
	if (frame->signal_frame)
		csn_buf_puts(out, " <signal handler called>");
	csn_buf_putc(out, '\n');
	if (renderer->options->verbose)
		csn_render_registers(renderer, frame);
	if (renderer->options->verbose)
		csn_render_variables(renderer, frame->variables, frame->n_variables);
}

/* What the analysis noted of a frame and its variables. */
static void csn_render_notes(struct csn_renderer *renderer,
			     const struct csn_snapshot_thread *thread, size_t level)
{
	const struct csn_snapshot *snapshot = renderer->snapshot;
	char key[24];

	for (size_t i = 0; i < snapshot->n_annotations; i++) {
		const struct csn_annotation *note = &snapshot->annotations[i];

		/* Variables are not shown, so what is noted of them is not, but for what modules
		 * say, which somebody asked for. */
		if (note->variable && !renderer->options->verbose &&
		    strncmp(note->name, "module/", strlen("module/")) != 0)
			continue;
		if (!note->has_frame || note->frame != level || !note->thread ||
		    strcmp(note->thread, csn_snapshot_thread_key(thread, key)) != 0)
			continue;
		csn_buf_puts(renderer->out, "      note: ");
		if (note->variable) {
			csn_foreign(renderer, note->variable);
			csn_buf_puts(renderer->out, ": ");
		}
		csn_foreign(renderer, note->text);
		csn_buf_putc(renderer->out, '\n');
	}
}

/* A call: the functions inlined at a counter and the frame that is really there. */
static size_t csn_call_length(const struct csn_snapshot_thread *thread, size_t from)
{
	size_t at = from;

	while (at + 1 < thread->n_frames && thread->frames[at].inlined)
		at++;
	return at + 1 - from;
}

/* The frames of n_calls calls, from there on; 0 when there are fewer. */
static size_t csn_calls_length(const struct csn_snapshot_thread *thread, size_t from,
			       size_t n_calls)
{
	size_t at = from;

	while (n_calls && at < thread->n_frames) {
		at += csn_call_length(thread, at);
		n_calls--;
	}
	return n_calls ? 0 : at - from;
}

static bool csn_same_frames(const struct csn_snapshot_frame *a, const struct csn_snapshot_frame *b,
			    size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!a[i].has_address || !b[i].has_address || a[i].address != b[i].address ||
		    a[i].inlined != b[i].inlined)
			return false;
	return true;
}

/* How often the calls that begin there, length frames long, follow upon themselves. */
static size_t csn_run_length(const struct csn_snapshot_thread *thread, size_t from, size_t length)
{
	size_t run = 1, at = from + length;

	while (at + length <= thread->n_frames &&
	       csn_same_frames(&thread->frames[from], &thread->frames[at], length)) {
		at += length;
		run++;
	}
	return run;
}

/* A recursion that begins there, of one function or of several that call each other: how many
 * calls are its round, how many frames they have, how often it went round. */
struct csn_recursion {
	size_t n_calls, length, run;
};

static struct csn_recursion csn_find_recursion(const struct csn_snapshot_thread *thread,
					       size_t from)
{
	struct csn_recursion found = { 1, csn_call_length(thread, from), 1 };

	for (size_t n_calls = 1; n_calls <= CSN_RUN_CALLS; n_calls++) {
		size_t length = csn_calls_length(thread, from, n_calls);
		size_t run = length ? csn_run_length(thread, from, length) : 0;

		if (run > CSN_RUN_FRAMES)
			return (struct csn_recursion){ n_calls, length, run };
	}
	return found;
}

static void csn_render_recursion(struct csn_renderer *renderer,
				 const struct csn_recursion *recursion)
{
	csn_buf_printf(renderer->out, "     ... %zu more frames of the same ",
		       (recursion->run - 1) * recursion->length);
	if (recursion->n_calls > 1)
		csn_buf_printf(renderer->out, "%zu calls\n", recursion->n_calls);
	else
		csn_buf_puts(renderer->out, "call\n");
}

static void csn_render_code_word(struct csn_renderer *renderer,
				 const struct csn_snapshot_code_word *code)
{
	csn_buf_puts(renderer->out, "  ");
	csn_style(renderer, CSN_STYLE_FUNCTION);
	csn_foreign(renderer, code->function ? code->function : "??");
	csn_style_end(renderer);
	if (code->function)
		csn_buf_printf(renderer->out, "+%" PRIu64, code->offset);
	if (code->library) {
		csn_buf_puts(renderer->out, " in ");
		csn_foreign(renderer, code->library);
	}
}

/* A word a line; a run of equal words is told once. */
static void csn_render_raw_stack(struct csn_renderer *renderer,
				 const struct csn_snapshot_raw_stack *raw)
{
	struct csn_span span = csn_span_of(raw->bytes, raw->size_bytes), next;
	size_t same = 0, n_named = 0;

	csn_buf_puts(renderer->out, "     raw stack from there on:\n");
	for (size_t at = 0; at + raw->word_bytes <= raw->size_bytes; at += raw->word_bytes) {
		const struct csn_snapshot_code_word *code = &raw->code[n_named];
		uint64_t word = csn_span_uint(&span, raw->word_bytes);
		bool named = n_named < raw->n_code && code->at == at;

		next = span;
		if (!named && csn_span_left(&next) >= raw->word_bytes &&
		    csn_span_uint(&next, raw->word_bytes) == word) {
			same++;
			continue;
		}
		csn_buf_printf(renderer->out, "      0x%016" PRIx64 ": 0x%0*" PRIx64,
			       raw->address + at - same * raw->word_bytes, (int)raw->word_bytes * 2,
			       word);
		if (same)
			csn_buf_printf(renderer->out, "  (%zu times)", same + 1);
		same = 0;
		if (named) {
			csn_render_code_word(renderer, code);
			n_named++;
		}
		csn_buf_putc(renderer->out, '\n');
	}
}

static void csn_render_frames(struct csn_renderer *renderer,
			      const struct csn_snapshot_thread *thread)
{
	bool fold = !renderer->options->no_fold && !renderer->options->verbose;

	for (size_t i = 0; i < thread->n_frames;) {
		struct csn_recursion recursion = csn_find_recursion(thread, i);

		for (size_t k = 0; k < recursion.length; k++) {
			csn_render_frame(renderer, i + k, &thread->frames[i + k]);
			csn_render_notes(renderer, thread, i + k);
		}
		i += recursion.length;
		if (!fold || recursion.run == 1)
			continue;
		csn_render_recursion(renderer, &recursion);
		i += (recursion.run - 1) * recursion.length;
	}
	if (thread->frames_left_out)
		csn_buf_printf(renderer->out,
			       "     (%" PRIu64 " frames between were left out; --depth=0 keeps "
			       "all)\n",
			       thread->frames_left_out);
	if (thread->unwind_end &&
	    (renderer->options->verbose || strcmp(thread->unwind_end, "outermost frame") != 0)) {
		csn_buf_puts(renderer->out, "     (stack ends: ");
		csn_foreign(renderer, thread->unwind_end);
		csn_buf_puts(renderer->out, ")\n");
	}
	if (renderer->options->verbose && thread->raw_stack.size_bytes)
		csn_render_raw_stack(renderer, &thread->raw_stack);
}

/* --- threads --- */

struct csn_stack_key {
	uint64_t hash;
	size_t index, count; /* of the thread; threads that share its stack */
	size_t next;         /* of a head: where its run of equal keys begins */
};

static uint64_t csn_stack_hash(const struct csn_snapshot_thread *thread)
{
	uint64_t hash = thread->n_frames;

	for (size_t i = 0; i < thread->n_frames; i++)
		hash = (hash ^ thread->frames[i].address) * 0x9e3779b97f4a7c15ull;
	return hash;
}

static int csn_stack_key_compare(const void *a, const void *b)
{
	const struct csn_stack_key *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int csn_stack_key_compare_index(const void *a, const void *b)
{
	const struct csn_stack_key *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static void csn_render_thread_name(struct csn_renderer *renderer,
				   const struct csn_snapshot_thread *thread)
{
	char text[24];

	csn_foreign(renderer, csn_snapshot_thread_key(thread, text));
	if (thread->name) {
		csn_buf_puts(renderer->out, " \"");
		csn_foreign(renderer, thread->name);
		csn_buf_putc(renderer->out, '"');
	}
}

/* shared: keys of the threads with this stack, count of them. */
static void csn_render_group(struct csn_renderer *renderer, const struct csn_stack_key *shared,
			     size_t count)
{
	const struct csn_snapshot_thread *first = &renderer->snapshot->threads[shared[0].index];

	csn_buf_putc(renderer->out, '\n');
	csn_style(renderer, first->fault ? CSN_STYLE_FAULT : CSN_STYLE_HEAD);
	csn_buf_puts(renderer->out, count > 1 ? "Threads " : "Thread ");
	for (size_t i = 0; i < count && i < CSN_TOLD_THREADS; i++) {
		csn_buf_puts(renderer->out, i ? ", " : "");
		csn_render_thread_name(renderer, &renderer->snapshot->threads[shared[i].index]);
	}
	if (count > CSN_TOLD_THREADS)
		csn_buf_printf(renderer->out, " and %zu more", count - CSN_TOLD_THREADS);
	if (count > 1)
		csn_buf_printf(renderer->out, " (%zu threads)", count);
	csn_buf_puts(renderer->out, first->fault ? " faulted:" : ":");
	csn_style_end(renderer);
	csn_buf_putc(renderer->out, '\n');
	csn_render_frames(renderer, first);
}

static int csn_render_threads(struct csn_renderer *renderer, struct csn_error *err)
{
	const struct csn_snapshot *snapshot = renderer->snapshot;
	cleanup_free struct csn_stack_key *keys = NULL, *heads = NULL;
	size_t n = 0, n_heads = 0;

	keys = calloc(snapshot->n_threads + 1, sizeof(*keys));
	heads = calloc(snapshot->n_threads + 1, sizeof(*heads));
	if (!keys || !heads)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < snapshot->n_threads; i++) {
		const struct csn_snapshot_thread *thread = &snapshot->threads[i];
		/* The faulting thread stands alone, whoever shares its stack. */
		bool alone = thread->fault || renderer->options->no_fold;

		if (renderer->options->faulted && !thread->fault)
			continue;
		keys[n].index = i;
		keys[n++].hash = alone ? i : csn_stack_hash(thread) | 1ull << 63;
	}
	qsort(keys, n, sizeof(*keys), csn_stack_key_compare);
	for (size_t i = 0; i < n; i += keys[i].count) {
		keys[i].count = 1;
		while (i + keys[i].count < n && keys[i + keys[i].count].hash == keys[i].hash)
			keys[i].count++;
		heads[n_heads] = keys[i];
		heads[n_heads++].next = i;
	}
	qsort(heads, n_heads, sizeof(*heads), csn_stack_key_compare_index);
	for (size_t i = 0; i < n_heads; i++)
		csn_render_group(renderer, &keys[heads[i].next], heads[i].count);
	return 0;
}

static void csn_render_globals(struct csn_renderer *renderer)
{
	for (size_t i = 0; i < renderer->snapshot->n_globals; i++) {
		const struct csn_snapshot_globals *globals = &renderer->snapshot->globals[i];

		csn_buf_puts(renderer->out, "\nGlobal variables of ");
		csn_foreign(renderer, globals->file ? globals->file : "?");
		if (globals->library) {
			csn_buf_puts(renderer->out, " in ");
			csn_foreign(renderer, globals->library);
		}
		csn_buf_puts(renderer->out, ":\n");
		csn_render_variables(renderer, globals->variables, globals->n_variables);
	}
}

int csn_render_snapshot(const struct csn_snapshot *snapshot,
			const struct csn_render_options *options, struct csn_buf *out,
			struct csn_error *err)
{
	struct csn_renderer renderer = { .snapshot = snapshot, .options = options, .out = out };
	int result;

	csn_render_head(&renderer);
	result = csn_render_threads(&renderer, err);
	csn_render_globals(&renderer);
	return result < 0 ? result : csn_buf_check(out, "stacks", err);
}
