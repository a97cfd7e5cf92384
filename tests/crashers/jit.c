/* Code made at run time calls back into the program: only its frame pointer tells its caller. */
#include <string.h>
#include <sys/mman.h>

static volatile int *volatile nowhere;

static __attribute__((noinline)) void fault(void)
{
	*nowhere = 1;
}

/* push %rbp; mov %rsp,%rbp; sub $32,%rsp; call *%rdi; leave; ret */
static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83,
				      0xec, 0x20, 0xff, 0xd7, 0xc9, 0xc3 };

static __attribute__((noinline)) int run(void (*made)(void (*)(void)))
{
	made(fault);
	return 1;
}

int main(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy((char *)page + 256, code, sizeof(code));
	return run((void (*)(void (*)(void)))((char *)page + 256)) + 1;
}
