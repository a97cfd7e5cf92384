/* sandbox: what a confined process cannot do any more, and what it still can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/local_files.h"
#include "folder.h"
#include "sandbox/confine.h"
#include "sandbox/sandbox.h"

#define TEST(name) cmocka_unit_test(name)

/* Exit statuses of a confined child. */
enum outcome { REFUSED, ALLOWED, NOT_CONFINED };

static long as_result(bool ok)
{
	return ok ? 0 : -1;
}

static long open_a_file(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long open_below_a_folder(void)
{
	return syscall(SYS_openat, 0, "etc/passwd", O_RDONLY);
}

static long open_newly(void)
{
	const uint64_t how[3] = { O_RDONLY };

	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how));
}

static long make_a_file(void)
{
	return open("/tmp/csn-sandbox-made", O_CREAT | O_WRONLY, 0600);
}

static long remove_a_file(void)
{
	return unlink("/tmp/csn-sandbox-made");
}

static long read_a_link(void)
{
	char text[64];

	return readlink("/proc/self/exe", text, sizeof(text));
}

static long connect_somewhere(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long make_a_pair(void)
{
	int ends[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static long execute(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}

static long make_a_process(void)
{
	return fork();
}

static long signal_another(void)
{
	return kill(getppid(), 0);
}

static long signal_a_thread_of_another(void)
{
	return syscall(SYS_tgkill, 1, 1, 0);
}

static long trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long read_another(void)
{
	return syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}

static long map_code(void)
{
	return as_result(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0) != MAP_FAILED);
}

static long turn_into_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long use_a_ring(void)
{
	return syscall(SYS_io_uring_setup, 4, NULL);
}

static long load_a_program(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long control_a_device(void)
{
	char byte = 0;

	/* TIOCSTI: types for the user of the terminal. */
	return syscall(SYS_ioctl, 0, 0x5412, &byte);
}

static long become_traceable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long raise_a_limit(void)
{
	const struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };

	return setrlimit(RLIMIT_CPU, &more);
}

static long become_somebody(void)
{
	return setuid(12345);
}

static long use_32_bit_calls(void)
{
#if defined(__x86_64__)
	long result;

	/* getpid of i386, which would be writev of this table. */
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	return result;
#else
	return -1;
#endif
}

static long use_memory(void)
{
	void *block = malloc(1 << 20);
	void *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool ok = block && map != MAP_FAILED;

	free(block);
	return as_result(ok && mprotect(map, 4096, PROT_READ) == 0 && munmap(map, 1 << 20) == 0);
}

static long write_to_what_is_open(void)
{
	return write(STDERR_FILENO, "", 0);
}

static long tell_the_time(void)
{
	struct timespec now;

	return clock_gettime(CLOCK_MONOTONIC, &now);
}

static const struct probe {
	const char *name;
	long (*run)(void);
	enum outcome outcome;
} probes[] = {
	{ "open", open_a_file, REFUSED },
	{ "openat", open_below_a_folder, REFUSED },
	{ "openat2", open_newly, REFUSED },
	{ "creat", make_a_file, REFUSED },
	{ "unlink", remove_a_file, REFUSED },
	{ "readlink", read_a_link, REFUSED },
	{ "socket", connect_somewhere, REFUSED },
	{ "socketpair", make_a_pair, REFUSED },
	{ "execve", execute, REFUSED },
	{ "fork", make_a_process, REFUSED },
	{ "kill", signal_another, REFUSED },
	{ "tgkill", signal_a_thread_of_another, REFUSED },
	{ "ptrace", trace, REFUSED },
	{ "process_vm_readv", read_another, REFUSED },
	{ "mmap of code", map_code, REFUSED },
	{ "mprotect to code", turn_into_code, REFUSED },
	{ "io_uring_setup", use_a_ring, REFUSED },
	{ "bpf", load_a_program, REFUSED },
	{ "ioctl", control_a_device, REFUSED },
	{ "prctl", become_traceable, REFUSED },
	{ "setrlimit", raise_a_limit, REFUSED },
	{ "setuid", become_somebody, REFUSED },
	{ "int 0x80", use_32_bit_calls, REFUSED },
	{ "memory", use_memory, ALLOWED },
	{ "write", write_to_what_is_open, ALLOWED },
	{ "clock_gettime", tell_the_time, ALLOWED },
};

static void needs_seccomp(void)
{
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		skip();
}

/* What came of it: killed by the filter counts as refused. */
static enum outcome outcome_of(const struct probe *probe)
{
	const struct csn_confinement confinement = { .address_bytes = CSN_GIB * 64,
						     .data_bytes = CSN_GIB,
						     .file_bytes = CSN_MIB,
						     .cpu_seconds = 10 };
	unsigned absent;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (csn_confine(&confinement, &absent, NULL) < 0)
			_exit(NOT_CONFINED);
		_exit(probe->run() < 0 ? REFUSED : ALLOWED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return REFUSED;
	return WIFEXITED(status) ? (enum outcome)WEXITSTATUS(status) : NOT_CONFINED;
}

static void what_is_not_needed_is_refused_and_the_rest_works(void **state)
{
	(void)state;
	needs_seccomp();
	for (size_t i = 0; i < csn_countof(probes); i++)
		if (outcome_of(&probes[i]) != probes[i].outcome)
			fail_msg("%s is not as it should be", probes[i].name);
}

static void inherited_descriptors_are_closed_but_those_named(void **state)
{
	const int kept = dup(0), other = dup(0);
	const struct csn_confinement confinement = { .keep = &kept, .n_keep = 1 };
	unsigned absent;
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct stat st;

		if (csn_confine(&confinement, &absent, NULL) < 0)
			_exit(2);
		_exit(fstat(kept, &st) == 0 && fstat(other, &st) < 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(kept);
	close(other);
}

/* --- a child that asks --- */

static int ask_for_files(void *context, const struct csn_opener *opener, const char *absent)
{
	const char *const *paths = context;
	const char *foreseen[] = { "/nonexistent/x", paths[0], "/etc/hostname", "/never/asked" };
	struct csn_error err = CSN_ERROR_INIT;
	cleanup_close int fd = -1;
	char magic[4], real[CSN_MAX_PATH];
	int no = -1;

	(void)absent;
	opener->foresee(opener->context, foreseen, csn_countof(foreseen));
	if (csn_opener_open(opener, CSN_OPEN_OBJECT, "/nonexistent/x", &no, &err) != -CSN_E_OS ||
	    err.os_errno != ENOENT ||
	    csn_opener_open(opener, CSN_OPEN_OBJECT, "/etc/hostname", &no, &err) != -CSN_E_FORMAT)
		return 9;
	if (csn_opener_open(opener, CSN_OPEN_OBJECT, paths[0], &fd, &err) < 0 ||
	    csn_read_full(fd, magic, 4) != 4 || memcmp(magic, "\177ELF", 4) != 0)
		return 10;
	if (opener->locate(opener->context, paths[0], real, &err) < 0 || real[0] != '/')
		return 11;
	if (csn_opener_open(opener, CSN_OPEN_OBJECT, "/etc/passwd", &no, &err) != -CSN_E_FORMAT ||
	    strcmp(err.text, "/etc/passwd: not an ELF file") != 0)
		return 12;
	if (csn_opener_open(opener, CSN_OPEN_OBJECT, "/nonexistent", &no, &err) != -CSN_E_OS ||
	    err.os_errno != ENOENT)
		return 13;
	if (csn_opener_open(opener, CSN_OPEN_GIVEN, "/etc/passwd", &no, &err) != -CSN_E_DENIED)
		return 14;
	return open("/etc/passwd", O_RDONLY) < 0 ? 0 : 15;
}

static int sleep_on(void *context, const struct csn_opener *opener, const char *absent)
{
	(void)context;
	(void)opener;
	(void)absent;
	for (volatile bool on = true; on;)
		;
	return 0;
}

static int fall(void *context, const struct csn_opener *opener, const char *absent)
{
	(void)context;
	(void)opener;
	(void)absent;
	/* The test's own handler is inherited. */
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

/* Asks and asks, and never takes an answer. */
static int never_listen(void *context, const struct csn_opener *opener, const char *absent)
{
	char request[] = "\0\0/etc/passwd";
	struct iovec part = { request, sizeof(request) - 1 };
	const struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	(void)context;
	(void)opener;
	(void)absent;
	for (volatile bool on = true; on;)
		for (int fd = 3; fd < 256; fd++)
			(void)sendmsg(fd, &message, MSG_NOSIGNAL);
	return 0;
}

static struct csn_sandbox_end run_child(csn_sandbox_fn run, void *context, int64_t seconds)
{
	struct csn_local_files files;
	struct csn_sandbox_options options = { .opener = csn_local_files_opener(&files),
					       .run = run,
					       .context = context,
					       .seconds = seconds };
	struct csn_sandbox_end end;

	csn_local_files_init(&files, NULL);
	assert_int_equal(csn_sandbox_run(&options, &end, NULL), 0);
	csn_local_files_done(&files);
	return end;
}

static void files_are_asked_of_the_parent(void **state)
{
	char self[CSN_MAX_PATH] = "";
	const char *paths[] = { self };
	struct csn_sandbox_end end;

	(void)state;
	needs_seccomp();
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	end = run_child(ask_for_files, paths, 0);
	assert_int_equal(end.status, 0);
}

static void a_child_that_dies_or_stays_is_told(void **state)
{
	struct csn_sandbox_end end = run_child(fall, NULL, 0);
	char text[96];

	(void)state;
	assert_int_equal(end.status, -1);
	assert_int_equal(end.signal, SIGSEGV);
	csn_sandbox_describe(&end, text, sizeof(text));
	assert_string_equal(text, "was killed by signal 11 (Segmentation fault)");
	end = run_child(sleep_on, NULL, 1);
	assert_true(end.late && end.status == -1);
	end = run_child(never_listen, NULL, 1);
	assert_true(end.late && end.status == -1);
}

/* --- which files --- */

/* The error of asking for an object; 0: it was opened. */
static int object(struct csn_local_files *files, const char *path)
{
	struct csn_opener opener = csn_local_files_opener(files);
	cleanup_close int fd = -1;

	return -csn_opener_open(&opener, CSN_OPEN_OBJECT, path, &fd, NULL);
}

static void write_head(const char *path, uint8_t type)
{
	const uint8_t head[64] = { 0x7f, 'E', 'L', 'F', [16] = type };

	assert_int_equal(csn_write_file(AT_FDCWD, path, head, sizeof(head), 0600, NULL), 0);
}

static void objects_are_what_they_are_whatever_their_name(void **state)
{
	char folder[FOLDER_MAX], path[FOLDER_MAX + 32], link[64];
	struct csn_local_files files;
	const char *given[] = { NULL, link };

	(void)state;
	csn_local_files_init(&files, NULL);
	assert_true(folder_make(folder));
	snprintf(path, sizeof(path), "%s/object", folder);
	write_head(path, 3);
	assert_int_equal(object(&files, path), 0);
	write_head(path, 4);
	assert_int_equal(object(&files, path), CSN_E_DENIED);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(object(&files, path), CSN_E_FORMAT);
	assert_int_equal(object(&files, "/etc/passwd"), CSN_E_FORMAT);
	assert_int_equal(object(&files, folder), CSN_E_FORMAT);
	assert_int_equal(object(&files, "/dev/zero"), CSN_E_FORMAT);
	if (access("/proc/kcore", R_OK) == 0)
		assert_int_equal(object(&files, "/proc/kcore"), CSN_E_DENIED);
	/* A magic link is followed only where it was given. */
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)getpid());
	assert_int_equal(object(&files, link), CSN_E_OS);
	files.given = given;
	files.n_given = csn_countof(given);
	assert_int_equal(object(&files, link), 0);
	folder_remove(folder);
}

static void kept_files_have_plain_names(void **state)
{
	static const char *const names[] = { "../x.idx", "/etc/passwd", "a/b.idx", ".idx",
					     "..idx",    "passwd",      "" };
	char folder[FOLDER_MAX];
	struct csn_local_files files;
	struct csn_opener opener = csn_local_files_opener(&files);
	int fd = -1;

	(void)state;
	assert_true(folder_make(folder));
	csn_local_files_init(&files, folder);
	for (size_t i = 0; i < csn_countof(names); i++) {
		assert_int_equal(csn_opener_open(&opener, CSN_OPEN_KEPT, names[i], &fd, NULL),
				 -CSN_E_DENIED);
		assert_int_equal(csn_opener_open(&opener, CSN_OPEN_FRESH, names[i], &fd, NULL),
				 -CSN_E_DENIED);
		assert_int_equal(opener.publish(&files, names[i], NULL), -CSN_E_DENIED);
	}
	assert_int_equal(opener.publish(&files, "ab.idx", NULL), -CSN_E_USAGE);
	csn_local_files_done(&files);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_needed_is_refused_and_the_rest_works),
		TEST(inherited_descriptors_are_closed_but_those_named),
		TEST(files_are_asked_of_the_parent),
		TEST(a_child_that_dies_or_stays_is_told),
		TEST(objects_are_what_they_are_whatever_their_name),
		TEST(kept_files_have_plain_names),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
