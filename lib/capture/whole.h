/* All dumpable memory of a held process, read by several threads.
 *
 * The process waits for the reading, not for the disk: what is read is kept in memory as long as
 * the machine has enough of it (KEEP_SHARE), so that the process can be let go before a byte is
 * written. What did not fit is read again and written at once, with the process held as long as the
 * disk takes. The threads share one cursor over the kernel's table of segments; of anonymous memory
 * only pages that were ever touched are read. A thread that hangs in a page costs its chunk: when
 * nothing moves for STALL_NS the reading is closed and goes on with what is there. */
#ifndef CSN_CAPTURE_WHOLE_H
#define CSN_CAPTURE_WHOLE_H

#include <pthread.h>

#include "capture/prefix.h"
#include "capture/victim.h"

#define CSN_WHOLE_CHUNK (16ull * 1024 * 1024) /* bytes of address space read by one thread */
#define CSN_WHOLE_PAGES (CSN_WHOLE_CHUNK / 4096)

/* [start, start + size) of one segment; data is as long, and of it only marked pages count. */
struct csn_whole_chunk {
	struct csn_whole_chunk *next;
	size_t segment; /* index in the prefix */
	csn_addr start;
	uint64_t size;
	uint8_t *data;                        /* owned: mapped */
	uint64_t there[CSN_WHOLE_PAGES / 64]; /* one bit for each page that was read */
};

struct csn_whole {
	const struct csn_prefix *prefix; /* borrowed, as the next */
	const struct csn_victim *victim;
	int64_t tid; /* of the thread through which memory is read */
	uint64_t page_bytes;
	int64_t deadline_ns; /* CLOCK_MONOTONIC: nothing is begun after it */
	int fd;              /* chunks go there at once; -1: they are kept */
	uint64_t *offsets;   /* in that file, by segment; owned */

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	size_t segment;  /* the cursor: all before it is read or being read */
	uint64_t offset; /* in its segment */
	struct csn_whole_chunk *chunks;
	unsigned n_running; /* threads */
	uint64_t n_steps;   /* grows as long as anything moves */
	uint64_t read_bytes, unreadable_bytes;
	int write_error; /* errno of the first write that failed */
	_Atomic bool closed;
};

/* tid: the thread of the victim to read through. The struct must not move from now on, and lives
 * as long as the program: a thread may hang in it. */
void csn_whole_init(struct csn_whole *whole, const struct csn_prefix *prefix,
		    const struct csn_victim *victim, int64_t tid, int64_t deadline_ns);
/* Reads all that fits into memory. True when that was everything: the process may be let go.
 * Else csn_whole_write_rest reads the rest. With closed set nothing more will be read, whatever is
 * missing. */
bool csn_whole_read(struct csn_whole *whole);
/* Reads what csn_whole_read left into the file, whose segments begin at first_offset, each rounded
 * up to a page. TIMEOUT when that came to a stop; OS. */
int csn_whole_write_rest(struct csn_whole *whole, int fd, uint64_t first_offset,
			 struct csn_error *err) csn_must_check;
/* Writes what was kept to the same place, and gives its memory back. OS. */
int csn_whole_write_kept(struct csn_whole *whole, int fd, uint64_t first_offset,
			 struct csn_error *err) csn_must_check;

/* What of a segment is read: nothing of the kernel's half. */
uint64_t csn_whole_segment_bytes(const struct csn_elf_segment *segment);

#endif
