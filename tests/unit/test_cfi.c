/* dwarf: call frame information and expressions, on hand-made tables and against readelf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/text.h"
#include "dwarf/cfi.h"
#include "dwarf/expr.h"
#include "elf/file.h"
#include "open_here.h"

#define CODE 0x3000
#define FRAME 0x2000
#define HEADER 0x1000

/* One CIE (CFA rsp+8, return address at CFA-8) and FDEs behind it, in memory. */
struct table {
	uint8_t bytes[4096];
	size_t size;
};

static void put(struct table *table, const void *data, size_t size)
{
	assert_true(table->size + size <= sizeof(table->bytes));
	memcpy(table->bytes + table->size, data, size);
	table->size += size;
}

static void put32(struct table *table, uint32_t value)
{
	put(table, &value, sizeof(value));
}

static void put_cie(struct table *table)
{
	static const uint8_t rest[] = { 1,    'z',  'R', 0, 1,    0x78, 0x10, 1,
					0x1b, 0x0c, 7,   8, 0x90, 1,    0,    0 };

	put32(table, 4 + sizeof(rest));
	put32(table, 0);
	put(table, rest, sizeof(rest));
}

/* Returns the offset of the entry. The CIE is at 0. */
static size_t put_fde(struct table *table, uint32_t start, uint32_t size, const uint8_t *code,
		      size_t code_size)
{
	size_t offset = table->size;

	put32(table, (uint32_t)(4 + 4 + 4 + 1 + code_size));
	put32(table, (uint32_t)(offset + 4));
	put32(table, start - (uint32_t)(FRAME + table->size));
	put32(table, size);
	put(table, "", 1);
	put(table, code, code_size);
	return offset;
}

static struct csn_cfi *open_table(const struct table *table, const struct table *header)
{
	struct csn_cfi_input input = { .eh_frame = csn_span_of(table->bytes, table->size),
				       .eh_frame_address = FRAME,
				       .eh_frame_hdr_address = HEADER,
				       .debug_frame = { .failed = true },
				       .address_size = 8 };
	struct csn_cfi *cfi = NULL;

	input.eh_frame_hdr.failed = true;
	if (header)
		input.eh_frame_hdr = csn_span_of(header->bytes, header->size);
	assert_int_equal(csn_cfi_new(&input, &cfi, NULL), 0);
	return cfi;
}

static void rows_follow_the_instructions(void **state)
{
	/* +1: CFA+16, rbx at -16; +3: remember, CFA+8; +1: restored; +4: CFA expression */
	static const uint8_t code[] = { 0x41, 0x0e, 16,   0x83, 2,    0x43, 0x0a, 0x0e,
					8,    0x41, 0x0b, 0x44, 0x0f, 2,    0x77, 24 };
	cleanup_(csn_cfi_freep) struct csn_cfi *cfi = NULL;
	struct table table = { 0 };
	struct csn_cfi_row row;

	(void)state;
	put_cie(&table);
	put_fde(&table, CODE, 32, code, sizeof(code));
	cfi = open_table(&table, NULL);
	assert_int_equal(csn_cfi_find(cfi, CODE, &row), CSN_CFI_FOUND);
	assert_int_equal(row.cfa.offset, 8);
	assert_int_equal(row.cfa_register, 7);
	assert_int_equal(row.end, CODE + 1);
	assert_int_equal(row.return_column, 16);
	assert_int_equal(row.registers[16].kind, CSN_CFI_OFFSET);
	assert_int_equal(row.registers[16].offset, -8);
	assert_int_equal(row.registers[3].kind, CSN_CFI_UNSPECIFIED);
	assert_int_equal(csn_cfi_find(cfi, CODE + 3, &row), CSN_CFI_FOUND);
	assert_int_equal(row.cfa.offset, 16);
	assert_int_equal(row.registers[3].offset, -16);
	assert_int_equal(row.start, CODE + 1);
	assert_int_equal(row.end, CODE + 4);
	assert_int_equal(csn_cfi_find(cfi, CODE + 4, &row), CSN_CFI_FOUND);
	assert_int_equal(row.cfa.offset, 8);
	assert_int_equal(csn_cfi_find(cfi, CODE + 5, &row), CSN_CFI_FOUND);
	assert_int_equal(row.cfa.offset, 16);
	assert_int_equal(csn_cfi_find(cfi, CODE + 31, &row), CSN_CFI_FOUND);
	assert_int_equal(row.cfa.kind, CSN_CFI_VAL_EXPRESSION);
	assert_int_equal(row.cfa.expr_size, 2);
	assert_int_equal(row.end, CODE + 32);
	assert_int_equal(row.function_start, CODE);
	assert_int_equal(csn_cfi_find(cfi, CODE + 32, &row), CSN_CFI_NONE);
	assert_int_equal(csn_cfi_find(cfi, CODE - 1, &row), CSN_CFI_NONE);
}

static void malformed_instructions_are_broken_not_wrong(void **state)
{
	static const struct {
		uint8_t code[4];
		size_t size;
	} cases[] = {
		{ { 0x0b }, 1 },              /* restore_state without remember */
		{ { 0x3b }, 1 },              /* no such opcode */
		{ { 0x0e, 0x80 }, 2 },        /* operand runs out */
		{ { 0x0f, 0x70, 1 }, 3 },     /* expression runs out */
		{ { 0x0f, 0, 0x0e, 16 }, 4 }, /* offset change of an expression */
	};
	size_t i;

	(void)state;
	for (i = 0; i < csn_countof(cases); i++) {
		cleanup_(csn_cfi_freep) struct csn_cfi *cfi = NULL;
		struct table table = { 0 };
		struct csn_cfi_row row;

		put_cie(&table);
		put_fde(&table, CODE, 32, cases[i].code, cases[i].size);
		cfi = open_table(&table, NULL);
		assert_int_equal(csn_cfi_find(cfi, CODE + 8, &row), CSN_CFI_BROKEN);
	}
}

static void endless_remembering_is_capped(void **state)
{
	cleanup_(csn_cfi_freep) struct csn_cfi *cfi = NULL;
	uint8_t code[CSN_MAX_CFI_STATES + 1];
	struct table table = { 0 };
	struct csn_cfi_row row;

	(void)state;
	memset(code, 0x0a, sizeof(code));
	put_cie(&table);
	put_fde(&table, CODE, 32, code, sizeof(code));
	cfi = open_table(&table, NULL);
	assert_int_equal(csn_cfi_find(cfi, CODE, &row), CSN_CFI_BROKEN);
}

static void make_header(struct table *header, const uint32_t pairs[][2], uint32_t n_pairs)
{
	uint32_t i;

	put(header, "\x01\x1b\x03\x3b", 4);
	put32(header, FRAME - (HEADER + 4));
	put32(header, n_pairs);
	for (i = 0; i < n_pairs; i++) {
		put32(header, pairs[i][0] - HEADER);
		put32(header, pairs[i][1] - HEADER);
	}
}

static void lying_search_table_is_seen_through(void **state)
{
	static const uint8_t code[] = { 0x0e, 24 };
	struct table table = { 0 };
	struct csn_cfi_row row;
	uint32_t one, two, i;

	(void)state;
	put_cie(&table);
	one = (uint32_t)(FRAME + put_fde(&table, CODE, 16, code, sizeof(code)));
	two = (uint32_t)(FRAME + put_fde(&table, CODE + 32, 16, NULL, 0));
	const uint32_t tables[][2][2] = {
		{ { CODE, one }, { CODE + 32, two } },   /* honest */
		{ { CODE, two }, { CODE + 32, one } },   /* crossed */
		{ { CODE + 32, two }, { CODE, one } },   /* not sorted */
		{ { CODE, one + 2 }, { CODE + 32, 1 } }, /* nonsense */
	};

	for (i = 0; i < csn_countof(tables); i++) {
		cleanup_(csn_cfi_freep) struct csn_cfi *cfi = NULL;
		struct table header = { 0 };

		make_header(&header, tables[i], 2);
		cfi = open_table(&table, &header);
		assert_int_equal(csn_cfi_find(cfi, CODE + 4, &row), CSN_CFI_FOUND);
		assert_int_equal(row.cfa.offset, 24);
		assert_int_equal(csn_cfi_find(cfi, CODE + 40, &row), CSN_CFI_FOUND);
		assert_int_equal(row.cfa.offset, 8);
		assert_int_equal(csn_cfi_find(cfi, CODE + 20, &row), CSN_CFI_NONE);
	}
}

static void put_width(struct table *table, uint64_t value, bool wide)
{
	put(table, &value, wide ? 8 : 4);
}

/* One entry of .debug_frame with its length in front. */
static void put_debug_entry(struct table *table, const struct table *body, bool wide)
{
	if (wide)
		put32(table, UINT32_MAX);
	put_width(table, body->size, wide);
	put(table, body->bytes, body->size);
}

static void debug_frames_of_all_versions_and_both_widths_are_read(void **state)
{
	static const uint8_t rules[] = { 0x0c, 7, 8, 0x90, 1 }, code[] = { 0x42, 0x0e, 32 };
	static const uint8_t versions[] = { 1, 3, 4 };
	const uint64_t start = CODE, size = 16;
	unsigned i;

	(void)state;
	for (i = 0; i < 2 * csn_countof(versions); i++) {
		struct csn_cfi_input input = { .eh_frame = { .failed = true },
					       .eh_frame_hdr = { .failed = true },
					       .address_size = 8 };
		cleanup_(csn_cfi_freep) struct csn_cfi *cfi = NULL;
		struct table table = { 0 }, cie = { 0 }, fde = { 0 };
		uint8_t version = versions[i / 2];
		struct csn_cfi_row row;
		bool wide = i & 1;

		put_width(&cie, UINT64_MAX, wide);
		put(&cie, &version, 1);
		put(&cie, "\0\10\0", version == 4 ? 3 : 1); /* augmentation, widths */
		put(&cie, "\1\x78\20", 3);
		put(&cie, rules, sizeof(rules));
		put_debug_entry(&table, &cie, wide);
		put_width(&fde, 0, wide);
		put(&fde, &start, 8);
		put(&fde, &size, 8);
		put(&fde, code, sizeof(code));
		put_debug_entry(&table, &fde, wide);
		input.debug_frame = csn_span_of(table.bytes, table.size);
		assert_int_equal(csn_cfi_new(&input, &cfi, NULL), 0);
		assert_int_equal(csn_cfi_find(cfi, CODE + 1, &row), CSN_CFI_FOUND);
		assert_int_equal(row.cfa.offset, 8);
		assert_int_equal(csn_cfi_find(cfi, CODE + 2, &row), CSN_CFI_FOUND);
		assert_int_equal(row.cfa.offset, 32);
		assert_int_equal(row.registers[16].offset, -8);
		assert_true(row.from_debug_frame);
		assert_int_equal(csn_cfi_find(cfi, CODE + 16, &row), CSN_CFI_NONE);
	}
}

static bool fake_register(void *context, unsigned dwarf_register, uint64_t *ret_value)
{
	(void)context;
	*ret_value = dwarf_register == 7 ? 0x7000 : dwarf_register == 16 ? 0x401238 : 0;
	return dwarf_register == 7 || dwarf_register == 16;
}

static bool fake_memory(void *context, csn_addr address, unsigned size_bytes, uint64_t *ret_value)
{
	(void)context;
	*ret_value = address + size_bytes;
	return address >= 0x7000;
}

static int evaluate(const void *bytes, size_t size, uint64_t *ret_value)
{
	static const struct csn_expr_ops ops = { .read_register = fake_register,
						 .read_memory = fake_memory };
	struct csn_expr_input input = { .bytes = csn_span_of(bytes, size),
					.ops = &ops,
					.address_size = 8 };
	struct csn_expr_result result;
	int rc = csn_expr_evaluate(&input, &result, NULL);

	if (rc == 0)
		*ret_value = result.value;
	return rc;
}

static void expressions_compute(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		uint64_t value;
	} cases[] = {
		/* .plt of x86-64: rsp + 8 + ((rip & 15) >= 11) << 3 */
		{ "\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22", 11, 0x7008 },
		{ "\x77\x10\x06", 3, 0x7018 },
		{ "\x77\x10\x94\x04", 4, 0x7014 },
		{ "\x09\xff\x08\x02\x1b", 5, 0 },             /* -1 / 2 */
		{ "\x09\xf8\x31\x26", 4, (uint64_t)-4 },      /* -8 >> 1, arithmetic */
		{ "\x31\x32\x33\x17\x1c\x1c", 6, 4 },         /* 1 2 3 rot: 3 1 2; 3 - (1 - 2) */
		{ "\x31\x32\x16\x1c", 4, 1 },                 /* 1 2 swap minus */
		{ "\x31\x32\x15\x01\x13\x22", 6, 3 },         /* pick, drop, plus */
		{ "\x35\x12\x28\x01\x00\x96\x23\x02", 8, 7 }, /* dup bra over a nop; +2 */
		{ "\x10\x80\x01\x23\x80\x01", 6, 256 },
		{ "\x35\x20\x1f", 3, 6 }, /* -(~5) */
		{ "\x09\xfb\x19", 3, 5 },
		{ "\x37\x33\x1d", 3, 1 },
		{ "\x31\x08\x40\x24", 4, 0 }, /* shift by 64 */
	};
	uint64_t value = 0;
	size_t i;

	(void)state;
	for (i = 0; i < csn_countof(cases); i++) {
		assert_int_equal(evaluate(cases[i].bytes, cases[i].size, &value), 0);
		assert_int_equal(value, cases[i].value);
	}
}

static void bad_expressions_fail_with_their_reason(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		int code;
	} cases[] = {
		{ "\x22", 1, -CSN_E_FORMAT },         /* plus of nothing */
		{ "\x30\x30\x1b", 3, -CSN_E_FORMAT }, /* 0 / 0 */
		{ "\x08", 1, -CSN_E_FORMAT },         /* operand missing */
		{ "\x2f\x00\x70", 3, -CSN_E_FORMAT }, /* jump out */
		{ "\x2f\xfd\xff", 3, -CSN_E_LIMIT },  /* endless */
		{ "\x30\x12\x2f\xfc\xff", 5, -CSN_E_LIMIT },
		{ "\x71\x00", 2, -CSN_E_NOT_FOUND }, /* a register nobody knows */
		{ "\x30\x06", 2, -CSN_E_FAULT },
		{ "\xff", 1, -CSN_E_UNSUPPORTED },
		{ "\x9c", 1, -CSN_E_NOT_FOUND },
		{ "\x77\x08\x94\x09", 4, -CSN_E_FORMAT },
	};
	uint64_t value;
	size_t i;

	(void)state;
	for (i = 0; i < csn_countof(cases); i++)
		assert_int_equal(evaluate(cases[i].bytes, cases[i].size, &value), cases[i].code);
}

/* Runs readelf on path with its output in a file. False when it is not installed. */
static bool run_readelf(const char *path, const char *output)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execlp("readelf", "readelf", "-W", "--debug-dump=frames-interp", path, NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* 1: it warned about something else in the file. */
	return WIFEXITED(status) && WEXITSTATUS(status) <= 1;
}

/* "rsp+8", "exp" */
static bool cfa_agrees(const struct csn_cfi_row *row, const char *told)
{
	static const char *const names[] = {
		"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
		"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"
	};
	char mine[64];

	if (strcmp(told, "exp") == 0)
		return row->cfa.kind == CSN_CFI_VAL_EXPRESSION;
	if (row->cfa.kind != CSN_CFI_OFFSET || row->cfa_register >= csn_countof(names))
		return false;
	snprintf(mine, sizeof(mine), "%s%+lld", names[row->cfa_register],
		 (long long)row->cfa.offset);
	return strcmp(mine, told) == 0;
}

/* "c-8", "exp", "u"; only the column of the return address, which is always last. */
static bool return_agrees(const struct csn_cfi_row *row, const char *told)
{
	const struct csn_cfi_rule *rule = &row->registers[16];
	char mine[64];

	if (strcmp(told, "u") == 0)
		return rule->kind == CSN_CFI_UNDEFINED || rule->kind == CSN_CFI_UNSPECIFIED;
	if (strcmp(told, "exp") == 0)
		return rule->kind == CSN_CFI_EXPRESSION;
	if (told[0] != 'c')
		return true;
	snprintf(mine, sizeof(mine), "c%+lld", (long long)rule->offset);
	return rule->kind == CSN_CFI_OFFSET && strcmp(mine, told) == 0;
}

/* Each line "<16 digits> <CFA> ... <ra>" below an FDE is a row that we must find too. */
static size_t compare_rows(struct csn_cfi *cfi, FILE *told, size_t *ret_wrong)
{
	char line[512], cfa[64], last[64];
	bool in_fde = false;
	size_t count = 0;

	*ret_wrong = 0;
	while (fgets(line, sizeof(line), told)) {
		struct csn_cfi_row row;
		char *end, *at;
		uint64_t pc;

		if (strstr(line, " FDE cie=") || strstr(line, " CIE ")) {
			in_fde = strstr(line, " FDE cie=") != NULL;
			continue;
		}
		pc = strtoull(line, &end, 16);
		if (!in_fde || end != line + 16 || *end != ' ' || strchr(line, '('))
			continue;
		snprintf(cfa, sizeof(cfa), "%.*s", (int)strcspn(end + 1, " \n"), end + 1);
		at = end + strlen(end);
		while (at > end && (at[-1] == ' ' || at[-1] == '\n'))
			*--at = 0;
		snprintf(last, sizeof(last), "%s", strrchr(end, ' ') + 1);
		count++;
		if (csn_cfi_find(cfi, pc, &row) != CSN_CFI_FOUND || row.start != pc ||
		    !cfa_agrees(&row, cfa) || !return_agrees(&row, last))
			++*ret_wrong;
	}
	return count;
}

static void every_row_of_libc_is_what_readelf_says(void **state)
{
	static const char path[] = "/lib/x86_64-linux-gnu/libc.so.6";
	cleanup_(csn_elf_file_freep) struct csn_elf_file *file = NULL;
	cleanup_(csn_cfi_freep) struct csn_cfi *cfi = NULL;
	cleanup_fclose FILE *told = NULL;
	char output[] = "/tmp/csn-rows-XXXXXX";
	cleanup_close int fd = mkstemp(output);
	size_t count, wrong = 0;

	(void)state;
	assert_true(fd >= 0);
	if (access(path, R_OK) != 0 || !run_readelf(path, output)) {
		unlink(output);
		skip();
	}
	told = fopen(output, "r");
	unlink(output);
	assert_non_null(told);
	assert_int_equal(open_here(path, &file, NULL), 0);
	assert_int_equal(csn_cfi_open(file, &cfi, NULL), 0);
	count = compare_rows(cfi, told, &wrong);
	assert_true(count > 10000);
	/* Rows of zero length are printed by readelf and found by nobody. */
	assert_in_range(wrong, 0, count / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_follow_the_instructions),
		cmocka_unit_test(malformed_instructions_are_broken_not_wrong),
		cmocka_unit_test(endless_remembering_is_capped),
		cmocka_unit_test(lying_search_table_is_seen_through),
		cmocka_unit_test(debug_frames_of_all_versions_and_both_widths_are_read),
		cmocka_unit_test(expressions_compute),
		cmocka_unit_test(bad_expressions_fail_with_their_reason),
		cmocka_unit_test(every_row_of_libc_is_what_readelf_says),
	};

	return cmocka_run_group_tests_name("cfi", tests, NULL, NULL);
}
