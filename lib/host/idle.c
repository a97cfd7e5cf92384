/* An idle daemon holds on to nothing: free heap goes back, and pages of code and constants that lie
 * in the page cache anyway leave its address space. The next crash faults those in again that it
 * needs, some dozens of page faults that are not on disk. */
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "host/service_internal.h"

/* Segments that nobody may write are as in their file: relocations are in the others, those too
 * that are write-protected afterwards. */
static int leave_segments(struct dl_phdr_info *info, size_t size, void *context)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), i;

	(void)size;
	(void)context;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;
		uintptr_t end = start + segment->p_memsz;

		if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
			continue;
		start -= start % page_bytes;
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses so. */
		(void)madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 0;
}

void idle_give_back(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
	dl_iterate_phdr(leave_segments, NULL);
}
