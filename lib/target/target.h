/* A target: a dead or living process, whatever it is made of.
 *
 * Everything above (modules, unwinder, analysis) sees one struct: threads with registers, mappings,
 * memory, the fault, the auxiliary vector. A core file (target/core.h) and a live process
 * (target/live.h) fill it, and so do tests, with an ops record of their own. It interprets no
 * symbols and no debug information.
 *
 * Memory is answered in three ways, kept apart on purpose: bytes; "not in the dump" (the address
 * was mapped, but its bytes were left out and no file has them); "not mapped".
 *
 * Ownership: the target owns an arena that holds everything it points to; csn_target_free frees
 * all. A target is not thread-safe. */
#ifndef CSN_TARGET_TARGET_H
#define CSN_TARGET_TARGET_H

#include "base/arena.h"
#include "base/error.h"
#include "target/arch.h"

struct csn_target;

/* What an address is. */
enum csn_memory {
	CSN_MEMORY_OK,          /* can be read */
	CSN_MEMORY_NOT_IN_DUMP, /* was mapped; the dump leaves its bytes out */
	CSN_MEMORY_UNMAPPED,
};

/* A range of the process's address space, [start, end), sorted by start, never overlapping. */
struct csn_mapping {
	csn_addr start, end;
	uint64_t offset;  /* into the file, bytes */
	const char *path; /* NULL anonymous; "[stack]", "[vdso]" where known; "(deleted)" cut off */
	bool deleted;     /* the path ended in " (deleted)" */
	bool is_file;     /* path names a file (not "[...]", not "/dev/zero" memory) */
	bool perms_known; /* cores: known when a segment describes the range */
	bool readable, writable, executable, shared;
};

/* A signal as siginfo_t tells it. */
struct csn_signal {
	bool present;
	int number, code, errnum;
	bool has_address; /* the signal is one whose si_addr means something */
	csn_addr address;
	bool has_sender; /* sent by kill, tgkill or sigqueue */
	int64_t sender_pid, sender_uid;
	int64_t trapno; /* of SIGSYS: the system call; else -1 */
};

struct csn_thread {
	int64_t tid;
	const char *name; /* comm; NULL unknown */
	char state;       /* letter as in /proc/PID/stat; 0 unknown */
	struct csn_registers registers;
	struct csn_signal signal; /* this thread's NT_SIGINFO, when there is one */
	/* Vector registers, CSN_VECTOR_BYTES of each; empty unknown. Borrowed from the core. */
	struct csn_span vectors;
	/* Where its own storage is, when no register above says so; 0 unknown. */
	csn_addr thread_pointer;
};

/* What the process was, from NT_PRPSINFO or /proc/PID/stat. */
struct csn_process {
	int64_t pid, ppid, uid, gid; /* -1 unknown */
	int64_t own_pid;             /* as its own pid namespace numbers it; -1 unknown */
	const char *comm;            /* "" unknown */
	const char *arguments;       /* as prpsinfo keeps them: cut at 80 bytes; "" unknown */
};

/* How to reach memory beyond what the target itself holds: the file that is mapped at addr. Returns
 * the number of bytes from addr on, 0 when there is no such file or it is not the one that was
 * mapped (build-id differs). Borrowed context. */
typedef size_t (*csn_target_backing)(void *context, csn_addr addr, void *data, size_t size_bytes);

struct csn_target_ops {
	/* Reads up to size_bytes from addr, stopping at the first byte that is not there. */
	size_t (*read)(struct csn_target *target, csn_addr addr, void *data, size_t size_bytes);
	/* True when addr belongs to bytes that were saved and then lost (truncated core), so that
	 * the mapped file may say something else. May be NULL. */
	bool (*lost)(struct csn_target *target, csn_addr addr);
	void (*close)(struct csn_target *target); /* frees impl; may be NULL */
};

struct csn_target {
	const struct csn_target_ops *ops;
	struct csn_arena *arena; /* owned */
	void *impl;              /* of the ops; freed by ops->close */
	const struct csn_arch *arch;
	bool live;
	const char *name; /* of the core file, or "process 1234": for messages */

	struct csn_thread *threads; /* the thread that took the signal first */
	size_t n_threads;
	struct csn_mapping *mappings;
	size_t n_mappings;
	struct csn_signal signal; /* of the whole process: what killed it; absent when live */
	struct csn_process process;
	const char *executable;  /* path of the main program; NULL unknown */
	uint64_t signature_bits; /* of signed return addresses; 0: what the architecture says */

	const uint64_t *auxv; /* pairs of type and value */
	size_t n_auxv;        /* pairs */

	const char *coresnap_note; /* JSON text of the CORESNAP note, NULL without */
	size_t coresnap_note_size;

	int64_t timestamp;      /* seconds since the epoch: of the crash, or of now when live */
	uint64_t stopped_ns;    /* live: how long the process stood still */
	uint64_t missing_bytes; /* cores: bytes that headers promise and the file does not have */
	const char *truncated;  /* one sentence when the core is cut short; NULL whole */

	csn_target_backing backing; /* may be NULL */
	void *backing_context;
	const struct csn_mapping *last_mapping; /* cache of csn_target_find_mapping */
	bool mappings_from_note;                /* cores: the NT_FILE note was there */
};

/* An empty target inside a new arena, for those who fill one. NULL when out of memory. */
struct csn_target *csn_target_new(const struct csn_target_ops *ops);
void csn_target_free(struct csn_target *target);
void csn_target_freep(struct csn_target **target);

/* Installs the way to file-backed bytes. It is asked only for mappings that are not writable. */
void csn_target_set_backing(struct csn_target *target, csn_target_backing backing, void *context);

/* Reads all of size_bytes. CSN_E_FAULT, with the first address that could not be read and whether
 * it is not in the dump or not mapped. */
int csn_target_read(struct csn_target *target, csn_addr addr, void *data, size_t size_bytes,
		    struct csn_error *err) csn_must_check;
/* Reads what is there of size_bytes, from addr on; returns the number of bytes. */
size_t csn_target_read_some(struct csn_target *target, csn_addr addr, void *data,
			    size_t size_bytes);
/* The same from the target itself, never from the backing. */
size_t csn_target_read_own(struct csn_target *target, csn_addr addr, void *data, size_t size_bytes);
/* One word of the target, in its byte order. False when any of its bytes is missing. */
bool csn_target_read_word(struct csn_target *target, csn_addr addr, uint64_t *ret_word);
/* A NUL-terminated string of at most max_bytes, into the arena. NULL when unreadable. */
const char *csn_target_read_string(struct csn_target *target, struct csn_arena *arena,
				   csn_addr addr, size_t max_bytes);
/* What addr is, one byte. */
enum csn_memory csn_target_memory(struct csn_target *target, csn_addr addr);

/* NULL when addr lies in none. */
const struct csn_mapping *csn_target_find_mapping(struct csn_target *target, csn_addr addr);
/* NULL when there is none of that id. */
struct csn_thread *csn_target_find_thread(struct csn_target *target, int64_t tid);
/* Whether pid is the process itself: senders of signals are numbered as the process sees them, by
 * its own pid namespace. */
static inline bool csn_process_is(const struct csn_target *target, int64_t pid)
{
	return pid == target->process.pid || pid == target->process.own_pid;
}
/* A value of the auxiliary vector (AT_PHDR...). False when absent. */
bool csn_target_find_auxv(const struct csn_target *target, uint64_t type, uint64_t *ret_value);

#endif
