/* Single-steps a program and asks the unwinder at random instructions.
 *
 * usage: stepper SEED ONE_IN LIMIT SIGNALS PROGRAM [ARGUMENT...]
 *
 * The true stack is kept from the calls and returns that were seen. From the program's entry point
 * on, at about one of ONE_IN instructions, the unwinder has to find exactly that stack, its end
 * included; LIMIT questions in all. Before about one of SIGNALS instructions (0: never; x86-64
 * only) the program gets SIGURG; its handler, the frame that the kernel made and what was
 * interrupted belong to the true stack. Prints one line of JSON: questions and right answers,
 * overall, with the counter in the program itself or a library beside it, and behind a signal; then
 * up to 20 wrong answers. */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "target/proc.h"
#include "unwind/unwind.h"

#define MAX_DEPTH 4096
#define MAX_TOLD 20

struct shadow {
	csn_addr slot, pc;
	bool is_signal; /* pc was interrupted; else it is what was pushed at slot */
};

struct stepper {
	pid_t pid;
	struct csn_target *target;
	struct csn_modules *modules;
	struct csn_unwinder *unwinder;
	uint64_t auxv[128];
	const struct csn_arch *arch;    /* of the program: it may be a 32-bit one */
	uint64_t words[64];             /* elf_gregset_t */
	size_t n_bytes;                 /* of words */
	struct csn_registers registers; /* the same, read */
	struct shadow shadow[MAX_DEPTH];
	size_t depth;
	bool stale; /* a system call may have changed the mappings */
	unsigned long steps, asked, right, asked_own, right_own, told;
	unsigned long signals, asked_behind, right_behind;
	size_t behind; /* depth of the shadow below the innermost signal frame; 0 none */
	unsigned long one_signal_in;
	csn_addr interrupted;                /* where a signal came, if one came */
	char *folder;                        /* of the program */
	unsigned long how[CSN_HOW_SCAN + 1]; /* frames found in which way */
	char wrong[65536];
	size_t wrong_used;
};

static size_t step_read(struct csn_target *target, csn_addr addr, void *data, size_t size)
{
	const struct stepper *stepper = target->impl;
	struct iovec local = { data, size }, remote = { (void *)(uintptr_t)addr, size };
	ssize_t got = process_vm_readv(stepper->pid, &local, 1, &remote, 1, 0);

	if (got < 0) {
		/* Up to the end of the page. */
		local.iov_len = remote.iov_len = csn_min_u64(size, 4096 - addr % 4096);
		got = process_vm_readv(stepper->pid, &local, 1, &remote, 1, 0);
	}
	return got > 0 ? (size_t)got : 0;
}

static const struct csn_target_ops step_ops = { .read = step_read };

static size_t read_own(void *context, csn_addr addr, void *data, size_t size)
{
	return csn_target_read_own(context, addr, data, size);
}

static void die(const char *what)
{
	fprintf(stderr, "stepper: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* The target, modules and unwinder of now. */
static void look_anew(struct stepper *stepper)
{
	cleanup_(csn_buf_done) struct csn_buf maps = CSN_BUF_INIT(CSN_MIB);
	struct csn_modules_input input = { .read = read_own };
	struct csn_module_mapping *list;
	size_t count = 0;

	csn_unwinder_free(stepper->unwinder);
	csn_modules_free(stepper->modules);
	csn_target_free(stepper->target);
	stepper->target = csn_target_new(&step_ops);
	stepper->target->impl = stepper;
	stepper->target->arch = stepper->arch;
	stepper->target->auxv = stepper->auxv;
	stepper->target->n_auxv = 64;
	csn_target_find_auxv(stepper->target, AT_SYSINFO_EHDR, &input.vdso);
	csn_target_find_auxv(stepper->target, AT_ENTRY, &input.entry);
	if (csn_proc_read(stepper->pid, "maps", &maps, NULL) < 0 ||
	    csn_proc_parse_maps(stepper->target, csn_buf_text(&maps), NULL) < 0)
		die("maps");
	list = calloc(stepper->target->n_mappings + 1, sizeof(*list));
	for (size_t i = 0; i < stepper->target->n_mappings; i++) {
		const struct csn_mapping *mapping = &stepper->target->mappings[i];

		if (mapping->is_file)
			list[count++] = (struct csn_module_mapping){
				.start = mapping->start,
				.end = mapping->end,
				.offset = mapping->offset,
				.path = mapping->path,
				.maybe_executable = mapping->executable,
			};
	}
	input.mappings = list;
	input.n_mappings = count;
	input.context = stepper->target;
	if (csn_modules_new(&input, &stepper->modules, NULL) < 0 ||
	    csn_unwinder_new(stepper->target, stepper->modules, &stepper->unwinder, NULL) < 0)
		die("modules");
	free(list);
	stepper->stale = false;
}

static void read_auxv(struct stepper *stepper)
{
	uint8_t bytes[960];
	struct csn_span span;
	char path[64];
	FILE *file;
	size_t got;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)stepper->pid);
	file = fopen(path, "re");
	got = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
	if (!got)
		die(path);
	fclose(file);
	span = csn_span_of(bytes, got);
	for (size_t i = 0; i < got / stepper->arch->word_bytes && i < 128; i++)
		stepper->auxv[i] = csn_span_uint(&span, stepper->arch->word_bytes);
}

static void read_registers(struct stepper *stepper)
{
	struct iovec vector = { stepper->words, sizeof(stepper->words) };

	if (ptrace(PTRACE_GETREGSET, stepper->pid, NT_PRSTATUS, &vector) < 0)
		die("registers");
	stepper->n_bytes = vector.iov_len;
	stepper->arch = csn_arch_of_registers(vector.iov_len);
	if (!stepper->arch)
		die("unknown registers");
	stepper->registers = (struct csn_registers){ 0 };
	csn_arch_read_user(stepper->arch, csn_span_of(stepper->words, vector.iov_len),
			   &stepper->registers);
}

static csn_addr pc_of(const struct stepper *stepper)
{
	return stepper->registers.value[stepper->arch->pc];
}

static csn_addr sp_of(const struct stepper *stepper)
{
	return stepper->registers.value[stepper->arch->sp];
}

/* As after a breakpoint of one byte. */
static void set_pc(struct stepper *stepper, csn_addr pc)
{
	size_t word = stepper->arch->word_bytes;
	size_t at = word * (size_t)stepper->arch->registers[stepper->arch->pc].user_slot;
	struct iovec vector = { stepper->words, stepper->n_bytes };

	memcpy((uint8_t *)stepper->words + at, &pc, word);
	if (ptrace(PTRACE_SETREGSET, stepper->pid, NT_PRSTATUS, &vector) < 0)
		die("registers");
	read_registers(stepper);
}

static void tell(struct stepper *stepper, const struct csn_unwind_cursor *cursor, size_t level,
		 csn_addr found, csn_addr wanted)
{
	char end[320], place[300] = "?";
	const struct csn_module *module = csn_modules_find(stepper->modules, pc_of(stepper));

	if (stepper->told++ >= MAX_TOLD)
		return;
	if (module)
		snprintf(place, sizeof(place), "%s+0x%llx", module->name,
			 (unsigned long long)(pc_of(stepper) - module->bias));
	csn_unwind_describe_end(cursor, end, sizeof(end));
	for (char *quote = end; (quote = strchr(quote, '"'));)
		*quote = '\'';
	stepper->wrong_used +=
		(size_t)snprintf(stepper->wrong + stepper->wrong_used,
				 sizeof(stepper->wrong) - stepper->wrong_used,
				 "%s\n  {\"at\": \"%s\", \"level\": %zu, \"of\": %zu, \"how\": %d, "
				 "\"found\": \"0x%llx\", "
				 "\"wanted\": \"0x%llx\", \"end\": \"%s\"}",
				 stepper->told > 1 ? "," : "", place, level, stepper->depth,
				 (int)cursor->how, (unsigned long long)found,
				 (unsigned long long)wanted, end);
}

/* The caller's counter at a level. A program may change where it returns to, as exceptions do: what
 * counts is what the return will read. */
static csn_addr wanted_at(struct stepper *stepper, size_t level)
{
	const struct shadow *shadow;
	csn_addr pc;

	if (level >= stepper->depth)
		return 0;
	shadow = &stepper->shadow[stepper->depth - 1 - level];
	pc = shadow->pc;
	if (!shadow->is_signal)
		csn_target_read_word(stepper->target, shadow->slot, &pc);
	return pc;
}

static void ask(struct stepper *stepper)
{
	struct csn_unwind_cursor cursor;
	const struct csn_module *module;
	size_t level = 0;
	bool right = true, own;

	if (stepper->stale)
		look_anew(stepper);
	module = csn_modules_find(stepper->modules, pc_of(stepper));
	own = module && strncmp(module->path, stepper->folder, strlen(stepper->folder)) == 0;
	csn_unwind_begin(&cursor, stepper->unwinder, &stepper->registers);
	while (csn_unwind_next(&cursor)) {
		csn_addr wanted = wanted_at(stepper, level);

		level++;
		stepper->how[cursor.how]++;
		if (cursor.pc != wanted) {
			tell(stepper, &cursor, level, cursor.pc, wanted);
			right = false;
			break;
		}
	}
	if (right && level != stepper->depth) {
		tell(stepper, &cursor, level + 1, 0, wanted_at(stepper, level));
		right = false;
	}
	stepper->asked++;
	stepper->right += right;
	stepper->asked_own += own;
	stepper->right_own += own && right;
	stepper->asked_behind += stepper->behind > 0;
	stepper->right_behind += stepper->behind > 0 && right;
}

static void push(struct stepper *stepper, csn_addr slot, csn_addr pc, bool is_signal)
{
	if (stepper->depth < MAX_DEPTH)
		stepper->shadow[stepper->depth++] = (struct shadow){ slot, pc, is_signal };
}

/* Drops what the stack pointer has left behind. */
static void pop(struct stepper *stepper)
{
	while (stepper->depth && stepper->shadow[stepper->depth - 1].slot < sp_of(stepper))
		stepper->depth--;
	if (stepper->depth < stepper->behind)
		stepper->behind = 0;
}

/* If a signal was delivered in place of the instruction at interrupted, the stack pointer stands at
 * the return address of the handler, and the kernel's copy of the registers lies behind it. */
static void note_signal(struct stepper *stepper)
{
	/* mov $__NR_rt_sigreturn,%rax; syscall */
	static const uint8_t sigreturn[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	static const csn_addr to_copied_pc = 8 + 40 + 16 * 8;
	csn_addr sp = sp_of(stepper);
	uint64_t copied = 0, restorer = 0;
	uint8_t code[sizeof(sigreturn)];

	if (!csn_target_read_word(stepper->target, sp + to_copied_pc, &copied) ||
	    copied != stepper->interrupted || pc_of(stepper) == copied ||
	    !csn_target_read_word(stepper->target, sp, &restorer) ||
	    csn_target_read_some(stepper->target, restorer, code, sizeof(code)) != sizeof(code) ||
	    memcmp(code, sigreturn, sizeof(code)) != 0)
		return;
	push(stepper, sp + 8, copied, true);
	stepper->behind = stepper->depth;
	push(stepper, sp, restorer, false);
	stepper->signals++;
}

/* syscall, sysenter, int $0x80. */
static bool is_system_call(const uint8_t *code, ssize_t size_bytes)
{
	return size_bytes > 1 && ((code[0] == 0x0f && (code[1] == 0x05 || code[1] == 0x34)) ||
				  (code[0] == 0xcd && code[1] == 0x80));
}

/* One instruction, or the delivery of the signal. False when the process has ended. */
static bool step_over(struct stepper *stepper, int number)
{
	int status;

	stepper->interrupted = pc_of(stepper);
	for (;;) {
		if (ptrace(PTRACE_SINGLESTEP, stepper->pid, 0, number) < 0 ||
		    waitpid(stepper->pid, &status, 0) < 0 || !WIFSTOPPED(status))
			return false;
		read_registers(stepper);
		number = WSTOPSIG(status);
		if (number != SIGURG)
			return number == SIGTRAP;
		/* It was blocked, and comes now that its handler has returned. */
		pop(stepper);
		stepper->interrupted = pc_of(stepper);
	}
}

/* Keeps the true stack over one instruction. False when the process has ended. */
static bool step(struct stepper *stepper)
{
	csn_addr pc = pc_of(stepper), sp = sp_of(stepper);
	const struct csn_arch *arch = stepper->arch;
	struct csn_step decoded = { 0 };
	struct iovec local, remote;
	uint8_t code[16];
	bool send = stepper->one_signal_in && (unsigned long)random() % stepper->one_signal_in == 0;
	ssize_t got;

	local = (struct iovec){ code, sizeof(code) };
	remote = (struct iovec){ (void *)(uintptr_t)pc, sizeof(code) };
	got = process_vm_readv(stepper->pid, &local, 1, &remote, 1, 0);
	if (got > 0 && !arch->decode_step(code, (size_t)got, pc, &decoded))
		fprintf(stderr, "stepper: cannot decode %02x %02x %02x %02x %02x\n", code[0],
			code[1], code[2], code[3], code[4]);
	if (is_system_call(code, got))
		stepper->stale = true;
	if (!step_over(stepper, send ? SIGURG : 0))
		return false;
	stepper->steps++;
	if (decoded.kind == CSN_STEP_CALL && sp_of(stepper) == sp - arch->word_bytes)
		push(stepper, sp_of(stepper), pc + decoded.length, false);
	else if (stepper->one_signal_in)
		note_signal(stepper);
	pop(stepper);
	return true;
}

static void start(struct stepper *stepper, char **argv)
{
	int status;

	stepper->pid = fork();
	if (stepper->pid == 0) {
		personality(ADDR_NO_RANDOMIZE);
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
			execv(argv[0], argv);
		_exit(127);
	}
	if (stepper->pid < 0 || waitpid(stepper->pid, &status, 0) < 0 || !WIFSTOPPED(status))
		die(argv[0]);
	ptrace(PTRACE_SETOPTIONS, stepper->pid, 0, PTRACE_O_EXITKILL);
	read_registers(stepper);
	read_auxv(stepper);
	look_anew(stepper);
}

/* What comes before is the dynamic linker's. */
static void run_to_entry(struct stepper *stepper)
{
	uint64_t entry;
	long word;
	int status;

	if (!csn_target_find_auxv(stepper->target, AT_ENTRY, &entry))
		die("no entry point");
	word = ptrace(PTRACE_PEEKTEXT, stepper->pid, entry, 0);
	ptrace(PTRACE_POKETEXT, stepper->pid, entry, (word & ~0xffl) | 0xcc);
	ptrace(PTRACE_CONT, stepper->pid, 0, 0);
	if (waitpid(stepper->pid, &status, 0) < 0 || !WIFSTOPPED(status))
		die("never came to the entry point");
	ptrace(PTRACE_POKETEXT, stepper->pid, entry, word);
	read_registers(stepper);
	set_pc(stepper, entry);
	stepper->stale = true;
}

int main(int argc, char **argv)
{
	static struct stepper stepper;
	unsigned long one_in, limit;

	if (argc < 6)
		return 64;
	srandom((unsigned)strtoul(argv[1], NULL, 10));
	one_in = strtoul(argv[2], NULL, 10);
	limit = strtoul(argv[3], NULL, 10);
	stepper.one_signal_in = strtoul(argv[4], NULL, 10);
	stepper.folder = strndup(argv[5], (size_t)(strrchr(argv[5], '/') + 1 - argv[5]));
	start(&stepper, argv + 5);
	run_to_entry(&stepper);
	do {
		if ((unsigned long)random() % one_in == 0)
			ask(&stepper);
	} while (stepper.asked < limit && step(&stepper));
	kill(stepper.pid, SIGKILL);
	printf("{\"signals\": %lu, \"asked_behind\": %lu, \"right_behind\": %lu, \"steps\": %lu, "
	       "\"asked\": %lu, \"right\": %lu, \"asked_own\": %lu, "
	       "\"right_own\": %lu, \"cfi\": %lu, \"fp\": %lu, \"emul\": %lu, \"scan\": %lu, "
	       "\"wrong\": [%s]}\n",
	       stepper.signals, stepper.asked_behind, stepper.right_behind, stepper.steps,
	       stepper.asked, stepper.right, stepper.asked_own, stepper.right_own,
	       stepper.how[CSN_HOW_CFI], stepper.how[CSN_HOW_FP], stepper.how[CSN_HOW_EMUL],
	       stepper.how[CSN_HOW_SCAN], stepper.wrong);
	return 0;
}
