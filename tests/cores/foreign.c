/* Ways to die for an AArch64 program without any library, so that program and core stay small
 * enough to be kept. The first argument says which way; tests/cores/regenerate builds and runs it.
 */
enum {
	SYS_exit = 93,
	SYS_gettid = 178,
	SYS_getpid = 172,
	SYS_tgkill = 131,
	SYS_sigaltstack = 132,
	SYS_rt_sigaction = 134,
	SYS_nanosleep = 101,
};

#define NOINLINE __attribute__((noinline))

long visit(long (*visitor)(long), long depth); /* of visitor.c, a library or linked in */
long spawn(void (*run)(long), long argument, void *top);
void begin(long *stack);

/* The outermost frame has no caller: as the C library's own start files say it. */
__asm__(".globl _start\n"
	".type _start, %function\n"
	"_start:\n"
	".cfi_startproc\n"
	".cfi_undefined x30\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x0, sp\n"
	"	bl begin\n"
	"	brk #1\n"
	".cfi_endproc\n"
	".size _start, .-_start\n"
	".globl spawn\n"
	".type spawn, %function\n"
	"spawn:\n"
	".cfi_startproc\n"
	"	mov x9, x0\n"
	"	mov x10, x1\n"
	"	mov x1, x2\n"
	"	mov x0, #0x0f00\n"      /* CLONE_VM, FS, FILES, SIGHAND */
	"	movk x0, #5, lsl #16\n" /* CLONE_THREAD, SYSVSEM */
	"	mov x2, #0\n"
	"	mov x3, #0\n"
	"	mov x4, #0\n"
	"	mov x8, #220\n"
	"	svc #0\n"
	"	cbz x0, 1f\n"
	"	ret\n"
	"1:\n"
	".cfi_undefined x30\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x0, x10\n"
	"	blr x9\n"
	"	brk #1\n"
	".cfi_endproc\n"
	".size spawn, .-spawn\n");

static volatile long sink;

static inline long call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}

static NOINLINE void die(void)
{
	call(SYS_tgkill, call(SYS_getpid, 0, 0, 0, 0), call(SYS_gettid, 0, 0, 0, 0), 6, 0);
}

/* --- a write to NULL + 24 in a leaf, behind an inlined function --- */

struct connection {
	long id, flags, bytes, peer;
};

static NOINLINE void leaf(struct connection *connection, long peer)
{
	connection->peer = peer;
}

static inline __attribute__((always_inline)) long inlined(struct connection *connection, long n)
{
	leaf(connection, n);
	return sink + n;
}

static NOINLINE long level2(struct connection *connection, long n)
{
	return inlined(connection, n + 1) + 2;
}

static NOINLINE long level1(struct connection *connection, long n)
{
	return level2(connection, n + 1) + 1;
}

static long die_null(long n)
{
	return level1((struct connection *)sink, n) + 1;
}

/* --- jumps to where nothing is --- */

static long (*volatile pointer)(long);

static NOINLINE long dispatch(long n)
{
	return pointer(n) + 1;
}

static long die_nullcall(long n)
{
	return dispatch(n) + 1;
}

static long die_garbage(long n)
{
	pointer = (long (*)(long))0x123456000;
	return dispatch(n) + 1;
}

/* --- a handler on a stack of its own --- */

static char alternate[16384] __attribute__((aligned(16)));

static void handler(int number)
{
	sink = number;
	die();
}

static NOINLINE long touch(volatile long *place)
{
	return *place + 1;
}

static long die_signal(long n)
{
	struct {
		void *sp;
		int flags;
		unsigned long size;
	} stack = { alternate, 0, sizeof(alternate) };
	struct {
		void (*handler)(int);
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} action = { handler, 0x08000000, 0, 0 }; /* SA_ONSTACK */

	call(SYS_sigaltstack, (long)&stack, 0, 0, 0);
	call(SYS_rt_sigaction, 11, (long)&action, 0, 8);
	return touch((volatile long *)sink) + n;
}

/* --- a return address that is text --- */

static NOINLINE long smash(long n)
{
	volatile long block[4];

	for (long i = 0; i < n + 12; i++)
		block[i] = 0x4141414141414141;
	return block[0];
}

static long die_smash(long n)
{
	return smash(n) + 1;
}

/* --- frames of other shapes --- */

static NOINLINE long deep(long n)
{
	if (n <= 0)
		die();
	return deep(n - 1) + sink;
}

static long die_deep(long n)
{
	return deep(n + 300) + 1;
}

__attribute__((noinline, noreturn)) static void last(void)
{
	sink = 2;
	die();
	__builtin_unreachable();
}

static NOINLINE long grown(unsigned long size)
{
	volatile char *bytes = __builtin_alloca(size);

	bytes[size / 2] = 1;
	if (bytes[size / 2])
		last();
	return bytes[0];
}

static NOINLINE long aligned(long value)
{
	_Alignas(128) volatile long block[64];

	block[value] = value;
	return grown(100 + (unsigned long)block[value]) + block[value];
}

static NOINLINE long large(long value)
{
	volatile char block[9000];

	block[value] = (char)value;
	return aligned(value) + block[value];
}

static long die_shapes(long n)
{
	return large(n) + 1;
}

/* --- threads --- */

static char stacks[3][8192] __attribute__((aligned(16)));

static NOINLINE void rest(long depth)
{
	long time[2] = { 1000, 0 };

	if (depth > 0)
		rest(depth - 1);
	else
		call(SYS_nanosleep, (long)time, 0, 0, 0);
}

static void worker(long number)
{
	rest(number);
	call(SYS_exit, 0, 0, 0, 0);
}

static long die_threads(long n)
{
	long time[2] = { 0, 300000000 };

	for (long i = 0; i < 3; i++)
		spawn(worker, i, stacks[i] + sizeof(stacks[i]));
	call(SYS_nanosleep, (long)time, 0, 0, 0);
	die();
	return n;
}

/* --- out of another object and back --- */

static long visitor(long n)
{
	return level1((struct connection *)sink, n) + 1;
}

static long die_library(long n)
{
	return visit(visitor, n + 2) + 1;
}

static const struct {
	char letter;
	long (*die)(long);
} ways[] = {
	{ 'n', die_null },   { 'c', die_nullcall }, { 'g', die_garbage },
	{ 's', die_signal }, { 'o', die_smash },    { 'd', die_deep },
	{ 'f', die_shapes }, { 't', die_threads },  { 'l', die_library },
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (argc > 1 && argv[1][0] == ways[i].letter)
			return (int)ways[i].die(argc - 2);
	return 64;
}

void begin(long *stack)
{
	call(SYS_exit, main((int)stack[0], (char **)(stack + 1)), 0, 0, 0);
}
