/* One short stop. Everything that can be done before (listing, opening, seizing, which stops
 * nothing) is done before; during the stop only registers, stacks and the list of mappings are
 * copied; names, states and parsing come afterwards.
 *
 * PTRACE_SEIZE and PTRACE_INTERRUPT leave no trace in the process: no SIGSTOP, group stops stay
 * what they were, and a signal that arrives in between is handed on when we let go. */
#include "target/live.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "target/proc.h"
#include "target/siginfo.h"
#include "target/syscall.h"

/* A thread in an uninterruptible sleep does not stop; we wait for it no longer than this. */
#define CSN_LIVE_WAIT_NS (500 * CSN_NS_PER_MS)
/* Room for stacks that is made ready per thread: most threads sleep near the start of theirs. */
#define CSN_LIVE_READY_BYTES (8 * CSN_KIB)
/* Memory around the words that threads wait at, so that locks and owners are seen at one time. */
#define CSN_LIVE_WORD_BYTES 128u

enum csn_live_state {
	CSN_LIVE_GONE,
	CSN_LIVE_SEIZED,
	CSN_LIVE_STOPPED,
};

struct csn_live_thread {
	int64_t tid;
	enum csn_live_state state;
	int pending_signal; /* to be handed on at release */
	bool has_registers;
	struct csn_span vectors; /* as in struct csn_thread */
	csn_addr thread_pointer;
	struct csn_registers registers;
	csn_addr stack_start; /* copy of [stack_start, stack_start + stack_size) */
	size_t stack_size;
	uint8_t *stack; /* in the pool or the arena */
};

/* A copy of what lies around a word that a thread waits at. */
struct csn_live_word {
	csn_addr start; /* a multiple of CSN_LIVE_WORD_BYTES */
	size_t size;    /* what was there */
	uint8_t bytes[CSN_LIVE_WORD_BYTES];
};

struct csn_live {
	int64_t pid;
	int mem_fd;
	struct csn_live_thread *threads; /* malloc */
	size_t n_threads, capacity;
	struct csn_live_thread **stacks; /* with a copied stack, by address; arena */
	size_t n_stacks;
	struct csn_live_word *words; /* by address, the same one may be there twice; arena */
	size_t n_words, words_capacity;
	uint64_t stack_bytes, bytes_left;
	uint8_t *pool; /* mmap; room for stacks, in memory before anybody stands still */
	size_t pool_bytes, pool_used;
	struct csn_buf maps;
};

/* Without a system call that could reach other processes: this goes on when we are confined, and
 * means the memory that the process had when it was opened, whatever it executes meanwhile. */
static size_t csn_live_read_file(const struct csn_live *live, csn_addr addr, void *data,
				 size_t size)
{
	ssize_t got = live->mem_fd < 0 ? -1 : pread(live->mem_fd, data, size, (off_t)addr);

	return got > 0 ? (size_t)got : 0;
}

/* The quickest way, while it stands still. */
static size_t csn_live_read_now(const struct csn_live *live, csn_addr addr, void *data, size_t size)
{
	struct iovec local = { data, size };
	struct iovec remote = { NULL, size };
	uintptr_t place = addr;
	ssize_t got;

	/* An address of the other process, which is no pointer of ours. */
	memcpy(&remote.iov_base, &place, sizeof(place));
	got = process_vm_readv((pid_t)live->pid, &local, 1, &remote, 1, 0);
	return got > 0 ? (size_t)got : csn_live_read_file(live, addr, data, size);
}

/* The copied stack that begins last at or below addr, and the first that begins above. */
static const struct csn_live_thread *csn_live_find_stack(const struct csn_live *live, csn_addr addr,
							 csn_addr *ret_next)
{
	size_t low = 0, high = live->n_stacks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (live->stacks[middle]->stack_start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_next = low < live->n_stacks ? live->stacks[low]->stack_start : UINT64_MAX;
	return low ? live->stacks[low - 1] : NULL;
}

/* The same of words, which lie apart or are equal. */
static const struct csn_live_word *csn_live_find_word(const struct csn_live *live, csn_addr addr,
						      csn_addr *ret_next)
{
	size_t low = 0, high = live->n_words;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (live->words[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_next = low < live->n_words ? live->words[low].start : UINT64_MAX;
	return low ? &live->words[low - 1] : NULL;
}

static size_t csn_live_read(struct csn_target *target, csn_addr addr, void *data, size_t size)
{
	struct csn_live *live = target->impl;
	const struct csn_live_word *word;
	csn_addr next, next_word;
	const struct csn_live_thread *thread = csn_live_find_stack(live, addr, &next);

	if (thread && addr - thread->stack_start < thread->stack_size) {
		size_t offset = (size_t)(addr - thread->stack_start);

		size = (size_t)csn_min_u64(size, thread->stack_size - offset);
		memcpy(data, thread->stack + offset, size);
		return size;
	}
	word = csn_live_find_word(live, addr, &next_word);
	if (word && addr - word->start < word->size) {
		size_t offset = (size_t)(addr - word->start);

		size = (size_t)csn_min_u64(size, word->size - offset);
		memcpy(data, word->bytes + offset, size);
		return size;
	}
	next = csn_min_u64(next, next_word);
	return csn_live_read_file(live, addr, data, (size_t)csn_min_u64(size, next - addr));
}

static void csn_live_release(struct csn_live *live)
{
	for (size_t i = 0; i < live->n_threads; i++) {
		struct csn_live_thread *thread = &live->threads[i];

		if (thread->state == CSN_LIVE_STOPPED)
			ptrace(PTRACE_DETACH, (pid_t)thread->tid, NULL,
			       (unsigned long)thread->pending_signal);
		/* One that never stopped is let go by the kernel when we exit. */
		thread->state = CSN_LIVE_GONE;
	}
}

static void csn_live_close(struct csn_target *target)
{
	struct csn_live *live = target->impl;

	if (!live)
		return;
	csn_live_release(live);
	if (live->mem_fd >= 0)
		close(live->mem_fd);
	if (live->pool)
		munmap(live->pool, live->pool_bytes);
	csn_buf_done(&live->maps);
	free(live->threads);
}

static const struct csn_target_ops csn_live_ops = {
	.read = csn_live_read,
	.close = csn_live_close,
};

static int csn_live_refused(int64_t pid, int64_t tid, int errnum, struct csn_error *err)
{
	cleanup_(csn_buf_done) struct csn_buf status = CSN_BUF_INIT(CSN_MAX_PROC_FILE);
	char state = csn_proc_task_state(pid, tid);
	int64_t tracer;

	if (errnum == ESRCH || !state)
		return csn_fail(err, CSN_E_NOT_FOUND, "no such process; check with 'ps -p %lld'",
				(long long)pid);
	if (state == 'Z' || state == 'X')
		return csn_fail(err, CSN_E_NOT_FOUND,
				"the process has ended and only waits for its parent; nothing is "
				"left to look at");
	if (errnum != EPERM)
		return csn_fail_os(err, errnum, "cannot seize thread %lld", (long long)tid);
	if (csn_proc_read(pid, "status", &status, NULL) == 0) {
		tracer = csn_proc_status_number(csn_buf_text(&status), "TracerPid", 0);
		if (tracer)
			return csn_fail(err, CSN_E_DENIED,
					"process %lld traces it already; detach that one first",
					(long long)tracer);
	}
	if (csn_proc_is_kernel_thread(pid))
		return csn_fail(err, CSN_E_UNSUPPORTED,
				"a thread of the kernel, which has no stack for us; see "
				"/proc/%lld/stack",
				(long long)pid);
	if (geteuid() == 0)
		return csn_fail(err, CSN_E_DENIED,
				"permission denied even to root; look at it from outside of this "
				"container");
	return csn_fail(err, CSN_E_DENIED,
			"permission denied; run as root or as its owner with "
			"kernel.yama.ptrace_scope=0");
}

static struct csn_live_thread *csn_live_find(struct csn_live *live, int64_t tid)
{
	for (size_t i = live->n_threads; i-- > 0;)
		if (live->threads[i].tid == tid)
			return &live->threads[i];
	return NULL;
}

static bool csn_live_add(struct csn_live *live, int64_t tid)
{
	if (live->n_threads == live->capacity) {
		size_t capacity = live->capacity ? live->capacity * 2 : 64;
		void *grown = reallocarray(live->threads, capacity, sizeof(*live->threads));

		if (!grown)
			return false;
		live->threads = grown;
		live->capacity = capacity;
	}
	live->threads[live->n_threads++] =
		(struct csn_live_thread){ .tid = tid, .state = CSN_LIVE_SEIZED };
	return true;
}

/* Seizes every thread not yet seized; interrupts them when told. ret_new counts them. */
static int csn_live_seize(struct csn_live *live, bool interrupt, size_t *ret_new,
			  struct csn_error *err)
{
	cleanup_free int64_t *tids = NULL;
	size_t n_tids = 0, n_new = 0, n_known = live->n_threads;

	if (csn_proc_list_threads(live->pid, &tids, &n_tids, err) < 0)
		return csn_live_refused(live->pid, live->pid, ESRCH, err);
	for (size_t i = 0; i < n_tids; i++) {
		/* The list is in the order of creation: the known ones come first, in place. */
		if ((i < n_known && live->threads[i].tid == tids[i]) ||
		    csn_live_find(live, tids[i]))
			continue;
		if (ptrace(PTRACE_SEIZE, (pid_t)tids[i], NULL, NULL) < 0) {
			int errnum = errno;

			if (n_new || n_known ||
			    (errnum == EPERM && n_tids > 1 &&
			     csn_proc_task_state(live->pid, tids[i]) == 'Z'))
				continue; /* a thread that is just ending */
			return csn_live_refused(live->pid, tids[i], errnum, err);
		}
		if (!csn_live_add(live, tids[i]))
			return csn_fail_nomem(err);
		if (interrupt)
			ptrace(PTRACE_INTERRUPT, (pid_t)tids[i], NULL, NULL);
		n_new++;
	}
	*ret_new = n_new;
	return 0;
}

static void csn_live_note_stop(struct csn_live_thread *thread, int status)
{
	if (!WIFSTOPPED(status)) {
		thread->state = CSN_LIVE_GONE;
		return;
	}
	thread->state = CSN_LIVE_STOPPED;
	if (status >> 16 == 0)
		thread->pending_signal = WSTOPSIG(status);
}

static void csn_live_wait(struct csn_live *live)
{
	int64_t deadline = csn_monotonic_ns() + CSN_LIVE_WAIT_NS;

	for (size_t i = 0; i < live->n_threads; i++) {
		struct csn_live_thread *thread = &live->threads[i];
		struct timespec pause = { 0, 20000 };

		while (thread->state == CSN_LIVE_SEIZED) {
			int status;
			pid_t got = waitpid((pid_t)thread->tid, &status, __WALL | WNOHANG);

			if (got == (pid_t)thread->tid)
				csn_live_note_stop(thread, status);
			else if (got < 0 && errno != EINTR)
				thread->state = CSN_LIVE_GONE;
			else if (csn_monotonic_ns() > deadline)
				break;
			else
				nanosleep(&pause, NULL);
		}
	}
}

/* Faults of fresh pages would be most of the time that the process stands still. */
static void csn_live_make_room(struct csn_live *live)
{
	uint64_t size = csn_min_u64(live->n_threads * CSN_LIVE_READY_BYTES, live->bytes_left);
	void *pool = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (pool == MAP_FAILED)
		return;
	live->pool = pool;
	live->pool_bytes = size;
}

/* Without it, words are read when somebody asks. */
static void csn_live_make_words(struct csn_target *target, struct csn_live *live)
{
	live->words_capacity = 2 * csn_min_u64(live->n_threads, CSN_MAX_WAITS);
	live->words =
		csn_arena_array(target->arena, live->words_capacity + 1, sizeof(*live->words));
	if (!live->words)
		live->words_capacity = 0;
}

/* From the pool, as long as it lasts. NULL when out of memory. */
static uint8_t *csn_live_room(struct csn_target *target, struct csn_live *live, size_t size)
{
	uint8_t *room = live->pool + live->pool_used;

	if (size > live->pool_bytes - live->pool_used)
		return csn_arena_alloc(target->arena, size);
	live->pool_used += size;
	return room;
}

static void csn_live_copy_stack(struct csn_target *target, struct csn_live *live,
				struct csn_live_thread *thread)
{
	csn_addr sp = thread->registers.value[target->arch->sp];
	/* Below sp lies the red zone of the ABI. */
	csn_addr start = sp > 256 ? sp - 256 : 0;
	const struct csn_mapping *mapping = csn_target_find_mapping(target, sp);
	uint64_t size;

	if (!mapping)
		return;
	start = csn_max_u64(start, mapping->start);
	size = csn_min_u64(mapping->end - start, live->stack_bytes);
	size = csn_min_u64(size, live->bytes_left);
	if (!size)
		return;
	thread->stack = csn_live_room(target, live, size);
	if (!thread->stack)
		return;
	thread->stack_start = start;
	thread->stack_size = csn_live_read_now(live, start, thread->stack, size);
	live->bytes_left -= thread->stack_size;
}

static void csn_live_copy_word(struct csn_live *live, csn_addr addr)
{
	csn_addr start = addr - addr % CSN_LIVE_WORD_BYTES;
	struct csn_live_word *word = &live->words[live->n_words];

	/* Many threads wait at the same word. */
	for (size_t i = live->n_words; i-- > 0 && i + 4 > live->n_words;)
		if (live->words[i].start == start)
			return;
	if (live->n_words == live->words_capacity)
		return;
	word->start = start;
	word->size = csn_live_read_now(live, start, word->bytes, sizeof(word->bytes));
	live->n_words += word->size > 0;
}

/* A lock is at most CSN_LIVE_WORD_BYTES / 2 long, and its word may be any of it. */
static void csn_live_copy_wait(struct csn_target *target, struct csn_live *live,
			       const struct csn_registers *registers)
{
	struct csn_syscall call;
	struct csn_futex_wait wait;

	if (!csn_syscall_read(target->arch, registers, &call) || !csn_futex_wait_of(&call, &wait))
		return;
	csn_live_copy_word(live, wait.word - CSN_LIVE_WORD_BYTES / 2);
	csn_live_copy_word(live, wait.word + CSN_LIVE_WORD_BYTES / 2);
}

/* Vector registers, of which values may be in the innermost frame. */
static void csn_live_read_vectors(struct csn_target *target, struct csn_live_thread *thread)
{
	const struct csn_arch *arch = target->arch;
	uint64_t words[64];
	struct iovec vector = { words, sizeof(words) };
	struct csn_span all;
	void *kept;

	if (!arch->n_vectors ||
	    ptrace(PTRACE_GETREGSET, (pid_t)thread->tid, (unsigned long)NT_PRFPREG, &vector) < 0)
		return;
	kept = csn_arena_copy(target->arena, words, vector.iov_len);
	all = csn_span_of(kept, kept ? vector.iov_len : 0);
	thread->vectors = csn_span_part(&all, arch->fpregs_vectors,
					(uint64_t)arch->n_vectors * CSN_VECTOR_BYTES);
}

/* Where machines whose registers do not say it have the storage of a thread: tpidr_el0, or the base
 * in the first struct user_desc. */
static void csn_live_read_thread_pointer(struct csn_target *target, struct csn_live_thread *thread)
{
	bool is_arm = target->arch->elf_machine == EM_AARCH64;
	uint8_t bytes[64] = { 0 };
	struct iovec vector = { bytes, sizeof(bytes) };
	struct csn_span at = csn_span_of(bytes, sizeof(bytes));

	if ((!is_arm && target->arch->elf_machine != EM_386) ||
	    ptrace(PTRACE_GETREGSET, (pid_t)thread->tid,
		   (unsigned long)(is_arm ? NT_ARM_TLS : NT_386_TLS), &vector) < 0)
		return;
	csn_span_skip(&at, is_arm ? 0 : sizeof(uint32_t));
	thread->thread_pointer = is_arm ? csn_span_u64(&at) : csn_span_u32(&at);
}

/* The kernel tells registers as the thread's own mode has them. The first thread decides for the
 * process; one that runs in another mode at the moment has none that we could show. */
static bool csn_live_read_registers(struct csn_target *target, struct csn_live_thread *thread,
				    bool first)
{
	uint64_t words[64];
	struct iovec vector = { words, sizeof(words) };
	const struct csn_arch *arch;

	if (ptrace(PTRACE_GETREGSET, (pid_t)thread->tid, (unsigned long)NT_PRSTATUS, &vector) < 0)
		return false;
	arch = csn_arch_of_registers(vector.iov_len);
	if (first && arch)
		target->arch = arch;
	if (arch != target->arch)
		return false;
	csn_arch_read_user(arch, csn_span_of(words, vector.iov_len), &thread->registers);
	csn_live_read_vectors(target, thread);
	csn_live_read_thread_pointer(target, thread);
	return true;
}

static void csn_live_copy(struct csn_target *target, struct csn_live *live)
{
	bool first = true;

	for (size_t i = 0; i < live->n_threads; i++) {
		struct csn_live_thread *thread = &live->threads[i];

		if (thread->state != CSN_LIVE_STOPPED ||
		    !csn_live_read_registers(target, thread, first))
			continue;
		first = false;
		thread->has_registers = true;
		csn_live_copy_stack(target, live, thread);
		csn_live_copy_wait(target, live, &thread->registers);
	}
	/* May fail only for want of memory; the list read before stays then. */
	if (csn_proc_read(live->pid, "maps", &live->maps, NULL) < 0)
		csn_buf_clear(&live->maps);
}

static int csn_live_stop_and_copy(struct csn_target *target, struct csn_live *live,
				  struct csn_error *err)
{
	size_t n_new = 0;
	int64_t begin;
	int result = csn_live_seize(live, false, &n_new, err);

	if (result < 0)
		return result;
	csn_live_make_room(live);
	csn_live_make_words(target, live);
	begin = csn_monotonic_ns();
	for (size_t i = 0; i < live->n_threads; i++)
		ptrace(PTRACE_INTERRUPT, (pid_t)live->threads[i].tid, NULL, NULL);
	/* Threads born meanwhile: until a look finds no new one, all creators stand still. */
	for (int round = 0; round < 16 && n_new; round++) {
		csn_live_wait(live);
		result = csn_live_seize(live, true, &n_new, err);
		if (result < 0)
			break;
	}
	if (result == 0)
		csn_live_copy(target, live);
	csn_live_release(live);
	target->stopped_ns = (uint64_t)(csn_monotonic_ns() - begin);
	return result;
}

static int csn_stack_compare(const void *a, const void *b)
{
	const struct csn_live_thread *const *x = a, *const *y = b;

	return (*x)->stack_start < (*y)->stack_start ? -1 : (*x)->stack_start > (*y)->stack_start;
}

static int csn_word_compare(const void *a, const void *b)
{
	const struct csn_live_word *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int csn_live_index_stacks(struct csn_target *target, struct csn_live *live,
				 struct csn_error *err)
{
	live->stacks = csn_arena_array(target->arena, live->n_threads + 1, sizeof(void *));
	if (!live->stacks)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < live->n_threads; i++)
		if (live->threads[i].stack_size)
			live->stacks[live->n_stacks++] = &live->threads[i];
	qsort(live->stacks, live->n_stacks, sizeof(void *), csn_stack_compare);
	qsort(live->words, live->n_words, sizeof(*live->words), csn_word_compare);
	return 0;
}

static const char *csn_live_thread_name(struct csn_target *target, int64_t pid, int64_t tid)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(256);
	char file[64];

	snprintf(file, sizeof(file), "task/%lld/comm", (long long)tid);
	if (csn_proc_read(pid, file, &text, NULL) < 0 || !text.size)
		return NULL;
	return csn_arena_strndup(target->arena, text.data,
				 text.size - (text.data[text.size - 1] == '\n'));
}

static int csn_live_fill_threads(struct csn_target *target, struct csn_live *live,
				 struct csn_error *err)
{
	target->threads =
		csn_arena_array(target->arena, live->n_threads + 1, sizeof(*target->threads));
	if (!target->threads)
		return csn_fail_nomem(err);
	for (size_t i = 0; i < live->n_threads; i++) {
		struct csn_thread *thread = &target->threads[target->n_threads];

		if (!live->threads[i].has_registers)
			continue;
		thread->tid = live->threads[i].tid;
		thread->registers = live->threads[i].registers;
		thread->vectors = live->threads[i].vectors;
		thread->thread_pointer = live->threads[i].thread_pointer;
		thread->name = csn_live_thread_name(target, live->pid, thread->tid);
		thread->state = csn_proc_task_state(live->pid, thread->tid);
		target->n_threads++;
	}
	if (target->n_threads < live->n_threads)
		target->truncated =
			csn_arena_sprintf(target->arena,
					  "%zu of %zu threads ended or did not stop in time",
					  live->n_threads - target->n_threads, live->n_threads);
	return target->n_threads ? 0
				 : csn_fail(err, CSN_E_TIMEOUT,
					    "no thread of it could be stopped; it sleeps in the "
					    "kernel, try again later");
}

static void csn_live_fill_auxv(struct csn_target *target, int64_t pid)
{
	cleanup_(csn_buf_done) struct csn_buf text = CSN_BUF_INIT(16ull * CSN_MAX_AUXV);
	unsigned word = target->arch->word_bytes;
	struct csn_span span;
	uint64_t *auxv;
	size_t n;

	if (csn_proc_read(pid, "auxv", &text, NULL) < 0 || !text.size)
		return;
	n = text.size / (2ull * word);
	auxv = csn_arena_array(target->arena, n + 1, 2 * sizeof(*auxv));
	if (!auxv)
		return;
	span = csn_span_of(text.data, text.size);
	for (size_t i = 0; i < 2 * n; i++)
		auxv[i] = csn_span_uint(&span, word);
	target->auxv = auxv;
	target->n_auxv = n;
}

static void csn_live_fill_process(struct csn_target *target, int64_t pid)
{
	cleanup_(csn_buf_done) struct csn_buf status = CSN_BUF_INIT(CSN_MAX_PROC_FILE);
	char path[64], link[CSN_MAX_PATH];
	const char *comm = csn_live_thread_name(target, pid, pid);
	ssize_t length;

	target->process.pid = pid;
	target->process.comm = comm ? comm : "";
	if (csn_proc_read(pid, "status", &status, NULL) == 0) {
		const char *text = csn_buf_text(&status);

		target->process.own_pid = csn_proc_status_own_pid(text);
		target->process.ppid = csn_proc_status_number(text, "PPid", -1);
		target->process.uid = csn_proc_status_number(text, "Uid", -1);
		target->process.gid = csn_proc_status_number(text, "Gid", -1);
	}
	snprintf(path, sizeof(path), "/proc/%lld/exe", (long long)pid);
	length = readlink(path, link, sizeof(link));
	if (length > 10 && memcmp(link + length - 10, " (deleted)", 10) == 0)
		length -= 10;
	if (length > 0 && (size_t)length < sizeof(link))
		target->executable = csn_arena_strndup(target->arena, link, (size_t)length);
}

static int csn_live_prepare(struct csn_target *target, int64_t pid,
			    const struct csn_live_options *options, struct csn_error *err)
{
	struct csn_live *live = csn_arena_alloc(target->arena, sizeof(*live));
	cleanup_(csn_buf_done) struct csn_buf maps = CSN_BUF_INIT(64 * CSN_MIB);
	char path[64];

	if (!live)
		return csn_fail_nomem(err);
	*live = (struct csn_live){ .pid = pid, .mem_fd = -1, .maps = CSN_BUF_INIT(64 * CSN_MIB) };
	live->stack_bytes =
		options && options->stack_bytes ? options->stack_bytes : CSN_LIVE_STACK_BYTES;
	live->bytes_left =
		options && options->total_bytes ? options->total_bytes : CSN_LIVE_TOTAL_BYTES;
	target->impl = live;
	target->live = true;
	target->name = csn_arena_sprintf(target->arena, "process %lld", (long long)pid);
	target->arch = csn_arch_native();
	if (!target->name)
		return csn_fail_nomem(err);
	if (!target->arch)
		return csn_fail(err, CSN_E_UNSUPPORTED, "this machine is not supported yet");
	/* Where stacks end must be known before the stop. A refusal is explained by seizing. */
	if (csn_proc_read(pid, "maps", &maps, NULL) == 0 &&
	    csn_proc_parse_maps(target, csn_buf_text(&maps), err) < 0)
		return -CSN_E_NOMEM;
	snprintf(path, sizeof(path), "/proc/%lld/mem", (long long)pid);
	live->mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	return 0;
}

int csn_live_open(int64_t pid, const struct csn_live_options *options,
		  struct csn_target **ret_target, struct csn_error *err)
{
	cleanup_(csn_target_freep) struct csn_target *target = NULL;
	struct csn_live *live;
	int result;

	if (pid == getpid())
		return csn_fail(err, CSN_E_USAGE, "a process cannot look at itself");
	target = csn_target_new(&csn_live_ops);
	if (!target)
		return csn_fail_nomem(err);
	result = csn_live_prepare(target, pid, options, err);
	if (result < 0)
		return result;
	live = target->impl;
	result = csn_live_stop_and_copy(target, live, err);
	if (result < 0)
		return result;
	target->timestamp = csn_realtime_ns() / CSN_NS_PER_SECOND;
	if (live->maps.size && csn_proc_parse_maps(target, csn_buf_text(&live->maps), err) < 0)
		return -CSN_E_NOMEM;
	csn_live_fill_auxv(target, pid);
	csn_live_fill_process(target, pid);
	if (csn_live_index_stacks(target, live, err) < 0)
		return -CSN_E_NOMEM;
	result = csn_live_fill_threads(target, live, err);
	if (result < 0)
		return result;
	*ret_target = csn_take(target);
	return 0;
}

int csn_live_memory_fd(const struct csn_target *target)
{
	const struct csn_live *live = target->impl;

	return live->mem_fd;
}
