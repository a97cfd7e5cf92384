/* snapshot: the document's writer and reader, and the .btt container. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "snapshot/document.h"

/* A fixed sequence that does not compress: addresses and build-ids are as random as this. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void fill_modules(struct csn_snapshot *snapshot, uint64_t *seed)
{
	static const char *const names[] = {
		"/usr/bin/vim.basic",
		"/usr/lib/x86_64-linux-gnu/libm.so.6",
		"/usr/lib/x86_64-linux-gnu/libtinfo.so.6.4",
		"/usr/lib/x86_64-linux-gnu/libselinux.so.1",
		"/usr/lib/x86_64-linux-gnu/libsodium.so.23.3.0",
		"/usr/lib/x86_64-linux-gnu/libacl.so.1.1.2301",
		"/usr/lib/x86_64-linux-gnu/libgpm.so.2",
		"/usr/lib/x86_64-linux-gnu/libc.so.6",
		"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		"linux-vdso.so.1",
	};
	size_t i;

	snapshot->n_modules = csn_countof(names);
	snapshot->modules =
		csn_arena_array(snapshot->arena, csn_countof(names), sizeof(*snapshot->modules));
	snapshot->n_maps = 4 * csn_countof(names);
	snapshot->maps =
		csn_arena_array(snapshot->arena, snapshot->n_maps, sizeof(*snapshot->maps));
	for (i = 0; i < csn_countof(names); i++) {
		struct csn_snapshot_module *module = &snapshot->modules[i];
		size_t m;

		module->start = 0x7f0000000000 + (next_random(seed) & 0xfffff000);
		module->path = names[i];
		module->state = "ok";
		module->build_id = csn_arena_sprintf(snapshot->arena, "%016llx%016llx%08x",
						     (unsigned long long)next_random(seed),
						     (unsigned long long)next_random(seed),
						     (unsigned)next_random(seed));
		module->end = module->start;
		for (m = 0; m < 4; m++) {
			struct csn_snapshot_map *map = &snapshot->maps[4 * i + m];
			static const char *const perms[] = { "r--p", "r-xp", "r--p", "rw-p" };

			map->start = module->end;
			map->end = map->start + (next_random(seed) & 0xff000) + 0x1000;
			map->offset = map->start - module->start;
			map->path = names[i];
			memcpy(map->perms, perms[m], 5);
			module->end = map->end;
		}
	}
}

static void fill_frame(struct csn_snapshot *snapshot, size_t at, uint64_t *seed)
{
	static const char *const registers[] = {
		"rbx", "rbp", "rsp", "r12", "r13", "r14", "r15", "rip",
	};
	struct csn_snapshot_frame *frame = &snapshot->threads[0].frames[at];
	const struct csn_snapshot_module *module = &snapshot->modules[at < 3 ? 7 : 0];
	size_t i;

	frame->has_address = true;
	frame->address = module->start + (next_random(seed) & 0x3fffff);
	frame->function = csn_arena_sprintf(snapshot->arena, "function_%x",
					    (unsigned)(next_random(seed) & 0xffff));
	frame->library = module->path;
	frame->build_id = module->build_id;
	frame->kind = CSN_FRAME_CFI;
	frame->faulted = at == 0;
	frame->has_offset = true;
	frame->offset = next_random(seed) & 0x7ff;
	frame->n_registers = csn_countof(registers);
	frame->registers =
		csn_arena_array(snapshot->arena, csn_countof(registers), sizeof(*frame->registers));
	for (i = 0; i < csn_countof(registers); i++) {
		bool changes = at == 0 || i == 2 || (i < 4 && (at & 1) == 0);

		frame->registers[i].name = registers[i];
		frame->registers[i].value =
			i == 7    ? frame->address
			: changes ? 0x7ffc00000000 + (next_random(seed) & 0xffff8)
				  : snapshot->threads[0].frames[at - 1].registers[i].value;
	}
}

static void fill_attributes(struct csn_snapshot *snapshot, uint64_t *seed)
{
	static const char *const numbers[] = {
		"process.age",
		"vm.vma.size",
		"vm.vma.peak",
		"vm.rss.size",
		"vm.rss.peak",
		"vm.data.size",
		"vm.stack.size",
		"vm.shared.size",
		"vm.locked.size",
		"vm.pte.size",
		"vm.swap.size",
		"system.memory.total",
		"system.memory.free",
		"system.memory.available",
		"system.memory.buffers",
		"system.memory.cached",
		"system.memory.active",
		"system.memory.inactive",
		"system.memory.dirty",
		"system.memory.writeback",
		"system.memory.slab",
		"system.memory.swap.total",
		"system.memory.swap.free",
		"system.memory.swap.cached",
		"system.memory.vmalloc.total",
		"system.memory.vmalloc.used",
		"system.memory.vmalloc.chunk",
		"sched.cs.voluntary",
		"sched.cs.involuntary",
		"cpu.boottime",
		"cpu.context",
		"cpu.idle",
		"cpu.iowait",
		"cpu.irq",
		"cpu.kernel",
		"cpu.nice",
		"cpu.softirq",
		"cpu.user",
		"cpu.process.count",
		"cpu.process.running",
		"cpu.process.blocked",
		"descriptor.count",
		"process.id",
		"cpu.count",
	};
	static const char *const texts[][2] = {
		{ "hostname", "mbreauxpc" },
		{ "application", "vim.basic" },
		{ "uname.machine", "x86_64" },
		{ "uname.sysname", "Linux" },
		{ "uname.release", "6.1.0-25-amd64" },
		{ "uname.version", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.106-3 (2024-08-26)" },
		{ "signal", "SIGABRT" },
		{ "error.message", "abort: vim.basic received SIGABRT" },
	};
	size_t i;

	for (i = 0; i < csn_countof(texts); i++)
		assert_int_equal(csn_snapshot_set_string(snapshot, texts[i][0], texts[i][1], NULL),
				 0);
	for (i = 0; i < csn_countof(numbers); i++)
		assert_int_equal(csn_snapshot_set_uint(snapshot, numbers[i],
						       next_random(seed) & 0xfffff, NULL),
				 0);
	assert_int_equal(csn_snapshot_set_string(snapshot, "coresnap.object", snapshot->uuid, NULL),
			 0);
}

static void fill_limits(struct csn_snapshot *snapshot)
{
	static const char *const names[] = {
		"Max cpu time",         "Max file size",      "Max data size",
		"Max stack size",       "Max core file size", "Max resident set",
		"Max processes",        "Max open files",     "Max locked memory",
		"Max address space",    "Max file locks",     "Max pending signals",
		"Max msgqueue size",    "Max nice priority",  "Max realtime priority",
		"Max realtime timeout",
	};
	size_t i;

	snapshot->n_limits = csn_countof(names);
	snapshot->limits =
		csn_arena_array(snapshot->arena, csn_countof(names), sizeof(*snapshot->limits));
	for (i = 0; i < csn_countof(names); i++)
		snapshot->limits[i] =
			(struct csn_snapshot_limit){ names[i], "unlimited", "unlimited", "bytes" };
}

/* As large as the snapshot of vim that the product promises to keep below 5 kB. */
static struct csn_snapshot *make_vim(void)
{
	struct csn_snapshot *snapshot = csn_snapshot_new();
	uint64_t seed = 88172645463325252ull;
	size_t i;

	assert_non_null(snapshot);
	snapshot->timestamp = 1485210312;
	snapshot->lang = "c";
	snapshot->agent = "coresnap";
	snapshot->agent_version = "0.1.0";
	snapshot->arch = "x86_64";
	snapshot->fault.present = true;
	snapshot->fault.signal = 6;
	snapshot->fault.signal_name = "SIGABRT";
	snapshot->fault.sender_pid = 4711;
	snapshot->fault.sender_uid = 1000;
	snapshot->n_threads = 1;
	snapshot->threads = csn_arena_array(snapshot->arena, 1, sizeof(*snapshot->threads));
	snapshot->threads[0] = (struct csn_snapshot_thread){
		.tid = 27336,
		.name = "vim.basic",
		.fault = true,
		.state = "S",
		.unwind_end = "outermost frame",
		.n_frames = 24,
	};
	snapshot->threads[0].frames =
		csn_arena_array(snapshot->arena, 24, sizeof(struct csn_snapshot_frame));
	fill_modules(snapshot, &seed);
	for (i = 0; i < 24; i++)
		fill_frame(snapshot, i, &seed);
	fill_attributes(snapshot, &seed);
	fill_limits(snapshot);
	assert_int_equal(csn_snapshot_add_classifier(snapshot, "abort", NULL), 0);
	assert_int_equal(csn_snapshot_add_classifier(snapshot, "stop", NULL), 0);
	return snapshot;
}

/* The document as text; free it. */
static char *to_json(const struct csn_snapshot *snapshot)
{
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	struct csn_error err = CSN_ERROR_INIT;

	assert_int_equal(csn_snapshot_write_json(snapshot, &json, &err), 0);
	return csn_buf_take(&json);
}

static void a_snapshot_like_vims_packs_below_5_kilobytes(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *vim = make_vim();
	cleanup_(csn_buf_done) struct csn_buf btt = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_FILE);
	cleanup_free char *json = to_json(vim);
	const char *keep = getenv("CSN_KEEP_SAMPLE");

	(void)state;
	assert_int_equal(csn_btt_pack(json, strlen(json), &btt, NULL), 0);
	print_message("# json %zu bytes, btt %zu bytes\n", strlen(json), btt.size);
	if (keep)
		assert_int_equal(csn_write_file(AT_FDCWD, keep, btt.data, btt.size, 0644, NULL), 0);
	assert_true(btt.size <= 5000);
}

/* A pointer that was followed, an array with a run in it, and one without a value. */
static void add_variables(struct csn_arena *arena, struct csn_snapshot_frame *frame)
{
	static struct csn_snapshot_variable target[] = {
		{ .name = "Base", .role = CSN_VARIABLE_BASE },
		{ .name = "count", .type = "int", .value = "5", .role = CSN_VARIABLE_STATIC },
	};
	static struct csn_snapshot_variable elements[] = {
		{ .missing = "not in the dump" },
		{ .value = "\"a\\n\"", .repeats = 12 },
	};
	const struct csn_snapshot_variable variables[] = {
		{ .name = "conn",
		  .type = "conn *",
		  .value = "0x7ffe00000010",
		  .role = CSN_VARIABLE_PARAMETER,
		  .parts_are_target = true,
		  .parts = target,
		  .n_parts = 2 },
		{ .name = "names",
		  .type = "char *[300]",
		  .is_cut = true,
		  .parts = elements,
		  .n_parts = 2 },
		{ .name = "rc", .type = "int", .missing = "optimized out" },
	};

	frame->variables = csn_arena_copy(arena, variables, sizeof(variables));
	frame->n_variables = 3;
}

/* One of everything the document can say. */
static struct csn_snapshot *make_rich(void)
{
	struct csn_snapshot *snapshot = csn_snapshot_new();
	struct csn_arena *arena = snapshot->arena;
	struct csn_snapshot_attribute attribute = { "ratio",
						    CSN_VALUE_DOUBLE,
						    { .double_ = 0.25 } };
	struct csn_snapshot_code_word *code;
	struct csn_snapshot_frame *frames;

	snprintf(snapshot->uuid, sizeof(snapshot->uuid), "00112233-4455-4677-8899-aabbccddeeff");
	snapshot->timestamp = 1700000000;
	snapshot->lang = "c++";
	snapshot->lang_version = "17";
	snapshot->agent = "coresnap";
	snapshot->agent_version = "0.1.0";
	snapshot->arch = "x86_64";
	snapshot->fault = (struct csn_snapshot_fault){
		.present = true,
		.signal = 11,
		.signal_name = "SIGSEGV",
		.code = 1,
		.code_name = "SEGV_MAPERR",
		.has_address = true,
		.address = 0x18,
		.access = "write",
		.sender_pid = -1,
		.sender_uid = -1,
	};
	snapshot->n_modules = 1;
	snapshot->modules = csn_arena_array(arena, 1, sizeof(*snapshot->modules));
	snapshot->modules[0] = (struct csn_snapshot_module){
		0x400000, 0x452000, "/usr/bin/net", "00ff00ff", "/usr/lib/debug/net.debug", "ok",
	};
	snapshot->n_maps = 2;
	snapshot->maps = csn_arena_array(arena, 2, sizeof(*snapshot->maps));
	snapshot->maps[0] =
		(struct csn_snapshot_map){ 0x400000, 0x401000, 4096, "r-xp", "/usr/bin/net" };
	snapshot->maps[1] = (struct csn_snapshot_map){ 0x7ff000, 0x800000, 0, "rw-p", NULL };
	snapshot->n_limits = 1;
	snapshot->limits = csn_arena_array(arena, 1, sizeof(*snapshot->limits));
	snapshot->limits[0] =
		(struct csn_snapshot_limit){ "Max open files", "1024", "unlimited", "files" };
	frames = csn_arena_array(arena, 2, sizeof(*frames));
	frames[0] = (struct csn_snapshot_frame){
		.has_address = true,
		.address = 0x400123,
		.function = "peer_get",
		.library = "/usr/bin/net",
		.build_id = "00ff00ff",
		.source_path = "src/net.h",
		.line = 14,
		.kind = CSN_FRAME_INLINE,
		.inlined = true,
	};
	frames[1] = frames[0];
	frames[1].function = "session_close";
	frames[1].source_path = "src/net.c";
	frames[1].line = 214;
	frames[1].column = 9;
	frames[1].kind = CSN_FRAME_CFI;
	frames[1].inlined = false;
	frames[1].faulted = true;
	frames[1].has_offset = true;
	frames[1].offset = 35;
	frames[1].n_registers = 1;
	frames[1].registers = csn_arena_array(arena, 1, sizeof(struct csn_register));
	frames[1].registers[0] = (struct csn_register){ "rip", 0xffffffffff600000 };
	add_variables(arena, &frames[1]);
	snapshot->n_threads = 2;
	snapshot->threads = csn_arena_array(arena, 2, sizeof(*snapshot->threads));
	snapshot->threads[0] = (struct csn_snapshot_thread){
		.tid = 42,
		.name = "net\x1b[31m",
		.fault = true,
		.state = "R",
		.unwind_end = "outermost frame",
		.frames = frames,
		.n_frames = 2,
		.frames_left_out = 3,
	};
	snapshot->threads[1] = (struct csn_snapshot_thread){
		.tid = -1,
		.key = "worker",
		.unwind_end = "return address 0x4141 is no code",
		.raw_stack = { .address = 0x7ff100,
			       .word_bytes = 8,
			       .bytes = (const uint8_t *)"AA\0\0\0\0\0\0\x23\x01\x40\0\0\0\0\0",
			       .size_bytes = 16,
			       .code = csn_arena_array(arena, 1, sizeof(*code)),
			       .n_code = 1 },
	};
	code = snapshot->threads[1].raw_stack.code;
	*code = (struct csn_snapshot_code_word){ 8, "session_close", 35, "/usr/bin/net" };
	assert_int_equal(csn_snapshot_set_string(snapshot, "hostname", "h1", NULL), 0);
	assert_int_equal(csn_snapshot_set_uint(snapshot, "vm.rss.size", 5120, NULL), 0);
	assert_int_equal(csn_snapshot_set(snapshot, &attribute, NULL), 0);
	assert_int_equal(csn_snapshot_add_classifier(snapshot, "segv", NULL), 0);
	assert_int_equal(csn_snapshot_add_annotation(snapshot, "warning", "one", NULL), 0);
	assert_int_equal(csn_snapshot_add_annotation(snapshot, "warning", "two", NULL), 0);
	assert_int_equal(csn_snapshot_add_annotation(snapshot, "comment", "three", NULL), 0);
	assert_int_equal(csn_snapshot_add_owned_annotation(snapshot, "alias", "holds the address",
							   &(struct csn_annotation_owner){
								   .thread = &snapshot->threads[0],
								   .frame = 1,
								   .has_frame = true,
								   .variable = "conn->peer" },
							   NULL),
			 0);
	assert_int_equal(csn_snapshot_add_truncated(snapshot, "thread 42: 3 frames", NULL), 0);
	return snapshot;
}

static struct csn_snapshot *from_json(const char *json)
{
	struct csn_snapshot *snapshot = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	if (csn_snapshot_read_json(json, strlen(json), &snapshot, &err) < 0)
		fail_msg("%s", err.text);
	return snapshot;
}

/* The refusal of a document. */
static const char *refusal(const char *json, struct csn_error *err)
{
	struct csn_snapshot *snapshot = NULL;

	*err = (struct csn_error)CSN_ERROR_INIT;
	assert_true(csn_snapshot_read_json(json, strlen(json), &snapshot, err) < 0);
	assert_null(snapshot);
	return err->text;
}

static void what_is_written_is_read_back_whole(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *rich = make_rich();
	cleanup_free char *first = to_json(rich);
	cleanup_(csn_snapshot_freep) struct csn_snapshot *again = from_json(first);
	cleanup_free char *second = to_json(again);
	const struct csn_snapshot_frame *frame = &again->threads[0].frames[1];

	(void)state;
	assert_string_equal(first, second);
	assert_int_equal(again->threads[0].tid, 42);
	assert_string_equal(again->threads[1].key, "worker");
	assert_int_equal(again->threads[1].raw_stack.size_bytes, 16);
	assert_memory_equal(again->threads[1].raw_stack.bytes, "AA\0", 3);
	assert_string_equal(again->threads[1].raw_stack.code[0].function, "session_close");
	assert_int_equal(frame->address, 0x400123);
	assert_int_equal(frame->registers[0].value, 0xffffffffff600000);
	assert_string_equal(frame->source_path, "src/net.c");
	assert_string_equal(frame->build_id, "00ff00ff");
	assert_int_equal(frame->kind, CSN_FRAME_CFI);
	assert_int_equal(again->maps[0].end, 0x401000);
	assert_int_equal(again->n_annotations, 4);
	assert_string_equal(again->annotations[3].text, "holds the address");
	assert_string_equal(again->annotations[3].thread, "42");
	assert_true(again->annotations[3].has_frame);
	assert_int_equal(again->annotations[3].frame, 1);
	assert_string_equal(again->annotations[3].variable, "conn->peer");
	assert_int_equal(again->fault.sender_pid, -1);
	assert_string_equal(csn_snapshot_get_main_thread(again)->name, "net\x1b[31m");
	assert_int_equal(frame->n_variables, 3);
	assert_int_equal(frame->variables[0].role, CSN_VARIABLE_PARAMETER);
	assert_true(frame->variables[0].parts_are_target);
	assert_string_equal(frame->variables[0].parts[1].value, "5");
	assert_true(frame->variables[1].is_cut);
	assert_int_equal(frame->variables[1].parts[1].repeats, 12);
	assert_string_equal(frame->variables[2].missing, "optimized out");
}

static void the_document_has_the_golden_form(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *rich = make_rich();
	cleanup_(csn_buf_done) struct csn_buf golden = CSN_BUF_INIT(CSN_MIB);
	cleanup_free char *json = to_json(rich), *pretty = NULL, *path = NULL;
	cleanup_json json_t *root = NULL;
	const char *sources = getenv("CSN_SOURCE_ROOT");

	(void)state;
	if (!sources)
		skip();
	assert_int_equal(csn_json_load(json, strlen(json), &root, NULL), 0);
	pretty = json_dumps(root, JSON_INDENT(1));
	assert_true(asprintf(&path, "%s/tests/golden/snapshot.json", sources) > 0);
	if (getenv("GOLDEN"))
		assert_int_equal(csn_write_file(AT_FDCWD, path, pretty, strlen(pretty), 0644, NULL),
				 0);
	assert_int_equal(csn_read_file(AT_FDCWD, path, &golden, NULL), 0);
	assert_string_equal(pretty, csn_buf_text(&golden));
}

#define HEAD \
	"\"uuid\":\"00112233-4455-6677-8899-aabbccddeeff\",\"timestamp\":1700000000," \
	"\"lang\":\"nodejs\",\"langVersion\":\"20\",\"agent\":\"a\",\"agentVersion\":\"1\"," \
	"\"mainThread\":\"main\","

static void a_report_of_an_sdk_is_read(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *report = from_json(
		"{" HEAD "\"classifiers\":[\"TypeError\"],\"attributes\":{\"n\":1.5,\"ok\":true,"
		"\"none\":null,\"minus\":-3,\"deep\":{\"a\":[1]}},\"annotations\":{\"env\":"
		"{\"PATH\":\"/bin\"}},\"sourceCode\":{\"s1\":{\"path\":\"a.js\",\"text\":\"x\"}},"
		"\"threads\":{\"main\":{\"name\":\"main\",\"fault\":true,\"stack\":["
		"{\"funcName\":\"f\",\"line\":\"7\",\"sourceCode\":\"s1\",\"address\":4660},"
		"{\"address\":\"0x1234\",\"guessed_frame\":true},{}]}},\"unknown\":[[]]}");
	const struct csn_snapshot_thread *thread = csn_snapshot_get_main_thread(report);

	(void)state;
	assert_int_equal(thread->n_frames, 3);
	assert_int_equal(thread->frames[0].address, 0x1234);
	assert_int_equal(thread->frames[0].line, 7);
	assert_string_equal(thread->frames[0].source_path, "a.js");
	assert_int_equal(thread->frames[1].address, 0x1234);
	assert_true(thread->frames[1].guessed);
	assert_false(thread->frames[2].has_address);
	assert_int_equal(report->n_attributes, 4);
	assert_string_equal(csn_snapshot_find_attribute(report, "deep")->string, "{\"a\":[1]}");
	assert_string_equal(report->annotations[0].text, "{\"PATH\":\"/bin\"}");
}

static void a_missing_member_is_named(void **state)
{
	struct csn_error err;

	(void)state;
	assert_non_null(strstr(refusal("{" HEAD "\"x\":1}", &err), "\"threads\" is missing"));
	assert_int_equal(err.code, CSN_E_FORMAT);
	assert_non_null(strstr(refusal("{}", &err), "\"uuid\" is missing"));
	assert_non_null(strstr(refusal("[1]", &err), "no object"));
	assert_non_null(strstr(refusal("not json", &err), "not JSON"));
}

static void hostile_documents_are_refused(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf deep = CSN_BUF_INIT(CSN_MIB);
	struct csn_error err;
	int i;

	(void)state;
	for (i = 0; i < 100000; i++)
		csn_buf_putc(&deep, '[');
	assert_non_null(strstr(refusal(csn_buf_text(&deep), &err), "nested deeper"));
	assert_int_equal(err.code, CSN_E_LIMIT);
	refusal("{" HEAD "\"threads\":[]}", &err);
	refusal("{" HEAD "\"threads\":{\"1\":7}}", &err);
	refusal("{" HEAD "\"threads\":{\"1\":{\"stack\":[3]}}}", &err);
	assert_non_null(strstr(err.text, "thread \"1\": frame 0"));
	refusal("{" HEAD "\"threads\":{},\"maps\":[[\"0xffffffffffffffff\",2,\"r\"]]}", &err);
	refusal("{" HEAD "\"threads\":{\"1\":{\"raw_stack\":{\"bytes\":\"4x\"}}}}", &err);
	refusal("{" HEAD "\"threads\":{},\"attributes\":7}", &err);
}

static void numbers_beyond_63_bits_survive(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *one = csn_snapshot_new();
	cleanup_(csn_snapshot_freep) struct csn_snapshot *two = NULL;
	cleanup_free char *json = NULL;

	(void)state;
	assert_int_equal(csn_snapshot_set_uint(one, "big", UINT64_MAX, NULL), 0);
	json = to_json(one);
	two = from_json(json);
	assert_string_equal(csn_snapshot_find_attribute(two, "big")->string,
			    "18446744073709551615");
}

static void setting_an_attribute_again_replaces_it(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();

	(void)state;
	assert_int_equal(csn_snapshot_set_string(snapshot, "k", "one", NULL), 0);
	assert_int_equal(csn_snapshot_set_uint(snapshot, "k", 2, NULL), 0);
	assert_int_equal(snapshot->n_attributes, 1);
	assert_int_equal(csn_snapshot_find_attribute(snapshot, "k")->uint, 2);
}

static void attributes_stop_at_their_cap(void **state)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = csn_snapshot_new();
	struct csn_error err = CSN_ERROR_INIT;
	char name[24];
	int i;

	(void)state;
	for (i = 0; i < CSN_MAX_ATTRIBUTES; i++) {
		snprintf(name, sizeof(name), "a%d", i);
		assert_int_equal(csn_snapshot_set_uint(snapshot, name, 1, NULL), 0);
	}
	assert_int_equal(csn_snapshot_set_uint(snapshot, "more", 1, &err), -CSN_E_LIMIT);
}

static void pack_rich(struct csn_buf *btt)
{
	cleanup_(csn_snapshot_freep) struct csn_snapshot *rich = make_rich();
	cleanup_free char *json = to_json(rich);

	assert_int_equal(csn_btt_pack(json, strlen(json), btt, NULL), 0);
}

static void a_btt_cut_anywhere_is_refused(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf btt = CSN_BUF_INIT(CSN_MIB);
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MIB);
	struct csn_error err;
	size_t cut;

	(void)state;
	pack_rich(&btt);
	for (cut = 0; cut < btt.size; cut++) {
		err = (struct csn_error)CSN_ERROR_INIT;
		assert_true(csn_btt_unpack(btt.data, cut, &json, &err) < 0);
		assert_int_equal(json.size, 0);
		if (cut >= 52)
			assert_non_null(strstr(err.text, "cut short: "));
	}
	assert_int_equal(csn_btt_unpack(btt.data, btt.size, &json, NULL), 0);
}

static void a_btt_changed_anywhere_is_refused(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf btt = CSN_BUF_INIT(CSN_MIB);
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MIB);
	size_t at;

	(void)state;
	pack_rich(&btt);
	for (at = 8; at < btt.size; at++) {
		btt.data[at] ^= 0x40;
		/* A flipped bit that changes no content (zstd header flags) is no damage. */
		if (csn_btt_unpack(btt.data, btt.size, &json, NULL) == 0)
			assert_true(at >= 52);
		csn_buf_clear(&json);
		btt.data[at] ^= 0x40;
	}
}

static void a_small_file_cannot_claim_gigabytes(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf btt = CSN_BUF_INIT(CSN_MIB);
	cleanup_(csn_buf_done) struct csn_buf json = CSN_BUF_INIT(CSN_MAX_SNAPSHOT_JSON);
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	pack_rich(&btt);
	btt.data[12 + 3] = 0x20;
	assert_int_equal(csn_btt_unpack(btt.data, btt.size, &json, &err), -CSN_E_LIMIT);
	assert_non_null(strstr(err.text, "claims"));
}

static void files_of_either_form_are_read(void **state)
{
	cleanup_(csn_buf_done) struct csn_buf btt = CSN_BUF_INIT(CSN_MIB);
	cleanup_(csn_snapshot_freep) struct csn_snapshot *snapshot = NULL, *none = NULL;
	struct csn_error err = CSN_ERROR_INIT;
	char path[] = "/tmp/csn-snapshot-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	pack_rich(&btt);
	assert_int_equal(csn_write_file(AT_FDCWD, path, btt.data, btt.size, 0600, NULL), 0);
	assert_int_equal(csn_snapshot_read_file(path, &snapshot, NULL), 0);
	assert_int_equal(snapshot->timestamp, 1700000000);
	assert_int_equal(csn_write_file(AT_FDCWD, path, btt.data, btt.size / 2, 0600, NULL), 0);
	assert_int_equal(csn_snapshot_read_file(path, &none, &err), -CSN_E_FORMAT);
	assert_true(strncmp(err.text, path, strlen(path)) == 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_like_vims_packs_below_5_kilobytes),
		cmocka_unit_test(what_is_written_is_read_back_whole),
		cmocka_unit_test(the_document_has_the_golden_form),
		cmocka_unit_test(a_report_of_an_sdk_is_read),
		cmocka_unit_test(a_missing_member_is_named),
		cmocka_unit_test(hostile_documents_are_refused),
		cmocka_unit_test(numbers_beyond_63_bits_survive),
		cmocka_unit_test(setting_an_attribute_again_replaces_it),
		cmocka_unit_test(attributes_stop_at_their_cap),
		cmocka_unit_test(a_btt_cut_anywhere_is_refused),
		cmocka_unit_test(a_btt_changed_anywhere_is_refused),
		cmocka_unit_test(a_small_file_cannot_claim_gigabytes),
		cmocka_unit_test(files_of_either_form_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
