/* Ways to die whose verdict is known: argv[1] says which. Each function may only die as its name
 * says; tests/e2e/test_verdicts.py holds what must be said of it. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct session {
	long id, peer, flags;
	long value;
	void (*close)(void);
};

static volatile int zero, one = 1;
static volatile size_t huge = (size_t)1 << 40;
static struct session *volatile none;
static const char constant[] = "constant";
static volatile long sink;

/* Bytes that the compiler must take to be of use. */
static void fill(char *block, size_t size)
{
	memset(block, 'A', size);
	__asm__ volatile("" ::"r"(block) : "memory");
}

static void die_null_read(void)
{
	sink = none->value;
}

static void die_null_write(void)
{
	none->value = 1;
}

static void die_null_call(void)
{
	void (*volatile nothing)(void) = NULL;

	nothing();
	sink++;
}

static void die_null_method(void)
{
	none->close();
	sink++;
}

/* The middle of three pages, the middle one of which can be used as protection says. */
static volatile char *page(int protection)
{
	char *map = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(map + 4096, 4096, protection);
	return map + 4096;
}

static volatile char *unmapped(void)
{
	volatile char *map = page(PROT_READ);

	munmap((void *)(map - 4096), 3 * 4096);
	return map;
}

static void die_unmapped_read(void)
{
	sink = *unmapped();
}

static void die_unmapped_write(void)
{
	*unmapped() = 1;
}

static void die_const_write(void)
{
	*(volatile char *)(uintptr_t)constant = 1;
}

static void die_guard_read(void)
{
	sink = *page(PROT_NONE);
}

static void die_guard_write(void)
{
	*page(PROT_NONE) = 1;
}

static void die_wild_read(void)
{
	volatile uintptr_t address = 0x4141414141414141;

	sink = *(volatile int *)address;
}

static void die_wild_write(void)
{
	volatile uintptr_t address = 0x4141414141414141;

	*(volatile int *)address = 1;
}

static void die_wild_call(void)
{
	volatile uintptr_t address = 0x4141414141414141;

	((void (*)(void))address)();
	sink++;
}

static void die_wild_return(void)
{
	__asm__ volatile("movabs $0x4141414141414141,%%rax; push %%rax; ret" ::: "rax");
}

static void die_poison_free(void)
{
	struct session *volatile gone = (struct session *)0x6b6b6b6b6b6b6b6b;

	sink = gone->value;
}

static void die_poison_junk(void)
{
	struct session *volatile gone = (struct session *)0xa5a5a5a5a5a5a5a5;

	gone->value = 1;
}

static void die_poison_beef(void)
{
	struct session *volatile gone = (struct session *)0xdeadbeef;

	sink = gone->value;
}

static void die_poison_call(void)
{
	void (*volatile gone)(void) = (void (*)(void))0x5a5a5a5a5a5a5a5a;

	gone();
	sink++;
}

static void die_bad_jump(void)
{
	volatile uintptr_t address = 0x414141414140;

	((void (*)(void))address)();
	sink++;
}

static void die_data_jump(void)
{
	static char data[64];

	((void (*)(void))(uintptr_t)data)();
	sink++;
}

__attribute__((noinline)) static int deeper(int depth)
{
	volatile char room[200];

	room[0] = (char)depth;
	return deeper(depth + 1) + room[0];
}

static void die_recursion(void)
{
	sink = deeper(0);
}

static int ping(int depth), pong(int depth), pang(int depth);

__attribute__((noinline)) static int ping(int depth)
{
	volatile char room[100];

	room[0] = (char)depth;
	return pong(depth + 1) + room[0];
}

__attribute__((noinline)) static int pong(int depth)
{
	volatile char room[200];

	room[0] = (char)depth;
	return pang(depth + 1) + room[0];
}

__attribute__((noinline)) static int pang(int depth)
{
	volatile char room[300];

	room[0] = (char)depth;
	return ping(depth + 1) + room[0];
}

static void die_ring(void)
{
	sink = ping(0);
}

static void die_alloca(void)
{
	volatile size_t size = 9 << 20;
	volatile char *room = __builtin_alloca(size);

	room[0] = 1;
	sink = room[size - 1];
}

static void *work(void *argument)
{
	sink = deeper(0);
	return argument;
}

static void die_thread_recursion(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, work, NULL);
	pthread_join(thread, NULL);
}

static void die_smash(void)
{
	char small[8];
	volatile size_t size = 64;

	for (size_t i = 0; i < size; i++)
		((volatile char *)small)[i] = 'x';
}

static void die_fortify(void)
{
	char small[8];
	volatile size_t size = 64;

	memcpy(small, constant, size);
	sink = small[0];
}

static void die_assert(void)
{
	assert(zero == 1 && "the world is round");
}

static void die_assert_perror(void)
{
	assert_perror(one ? ENOENT : 0);
}

static void die_abort(void)
{
	abort();
}

static void die_divide(void)
{
	sink = 5 / zero;
}

static void die_remainder(void)
{
	volatile long divisor = zero;

	sink = sink % divisor;
}

static void die_quotient(void)
{
	volatile int least = INT_MIN, minus = -1;

	sink = least / minus;
}

static void die_illegal(void)
{
	__asm__ volatile("ud2");
}

static void die_trap(void)
{
	__asm__ volatile("int3");
}

static void die_privileged(void)
{
	__asm__ volatile("hlt");
}

static void die_bus(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	volatile char *map;

	ftruncate(fd, 8192);
	map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	ftruncate(fd, 100);
	sink = map[5000];
}

static void die_align_check(void)
{
	static long words[2];
	volatile long *odd = (long *)((char *)words + 1);

	__asm__ volatile("pushf; orl $0x40000,(%rsp); popf");
	sink = *odd;
}

static void die_align_vector(void)
{
	static char bytes[64] __attribute__((aligned(16)));
	const char *volatile odd = bytes + 4;

	__asm__ volatile("movaps (%0),%%xmm0" ::"r"(odd) : "xmm0");
}

static void die_seccomp(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	sink = syscall(SYS_getppid);
}

static void die_raise(void)
{
	raise(SIGQUIT);
}

static void die_cpu_limit(void)
{
	setrlimit(RLIMIT_CPU, &(struct rlimit){ 1, 3 });
	for (;;)
		sink++;
}

static void die_file_limit(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	/* The core must still fit: it is written to a pipe or to where there is no such limit. */
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1 << 28, RLIM_INFINITY });
	lseek(fd, 1 << 28, SEEK_SET);
	write(fd, "x", 1);
}

static void die_file_limit_raised(void)
{
	raise(SIGXFSZ);
}

static void die_free_twice(void)
{
	char *volatile block = malloc(100);

	free(block);
	free(block);
}

static void die_free_twice_fast(void)
{
	char *volatile blocks[8];

	for (int i = 0; i < 8; i++)
		blocks[i] = malloc(40);
	for (int i = 0; i < 8; i++)
		free(blocks[i]);
	free(blocks[7]);
}

static void die_free_twice_big(void)
{
	char *volatile block = malloc(3000), *volatile behind = malloc(3000);

	free(block);
	free(block);
	sink = *behind;
}

static void die_free_middle(void)
{
	char *volatile block = malloc(100);

	free(block + 4);
}

static void die_free_stack(void)
{
	char room[64];
	char *volatile inside = room + 4;

	free(inside);
}

static void die_realloc_middle(void)
{
	char *volatile block = malloc(100);

	sink = (long)realloc(block + 4, 200);
}

static void die_overrun(void)
{
	char *volatile block = malloc(2000), *volatile next = malloc(2000);

	fill(block, 2016);
	free(next);
}

static void die_top(void)
{
	char *volatile block = malloc(100);

	fill(block, 128);
	sink = (long)malloc(5000);
}

static void die_memcpy_null(void)
{
	char *volatile to = malloc(100);
	volatile size_t size = 100;

	memcpy(to, (void *)none, size);
	sink = to[1];
}

static void die_memset_null(void)
{
	volatile size_t size = 300;

	memset((void *)none, 1, size);
}

static void die_strlen_null(void)
{
	sink = (long)strlen((char *)none);
}

static void die_memset_huge(void)
{
	char *volatile to = malloc(100);

	fill(to, huge);
}

static const struct {
	const char *name;
	void (*die)(void);
} ways[] = {
#define WAY(name) \
	{ \
#name, die_##name \
	}
	WAY(null_read),
	WAY(null_write),
	WAY(null_call),
	WAY(null_method),
	WAY(unmapped_read),
	WAY(unmapped_write),
	WAY(const_write),
	WAY(guard_read),
	WAY(guard_write),
	WAY(wild_read),
	WAY(wild_write),
	WAY(wild_call),
	WAY(wild_return),
	WAY(poison_free),
	WAY(poison_junk),
	WAY(poison_beef),
	WAY(poison_call),
	WAY(bad_jump),
	WAY(data_jump),
	WAY(recursion),
	WAY(ring),
	WAY(alloca),
	WAY(thread_recursion),
	WAY(smash),
	WAY(fortify),
	WAY(assert),
	WAY(assert_perror),
	WAY(abort),
	WAY(divide),
	WAY(remainder),
	WAY(quotient),
	WAY(illegal),
	WAY(trap),
	WAY(privileged),
	WAY(bus),
	WAY(align_check),
	WAY(align_vector),
	WAY(seccomp),
	WAY(raise),
	WAY(cpu_limit),
	WAY(file_limit),
	WAY(file_limit_raised),
	WAY(free_twice),
	WAY(free_twice_fast),
	WAY(free_twice_big),
	WAY(free_middle),
	WAY(free_stack),
	WAY(realloc_middle),
	WAY(overrun),
	WAY(top),
	WAY(memcpy_null),
	WAY(memset_null),
	WAY(strlen_null),
	WAY(memset_huge),
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (argc > 1 && strcmp(argv[1], ways[i].name) == 0)
			ways[i].die();
	return 1;
}
