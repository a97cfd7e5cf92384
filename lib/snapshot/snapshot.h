/* The snapshot: what one crash (or one look at a live process) was, complete in itself.
 *
 * It is the only noun that the host half and the server half share. The engine fills it, the
 * writer turns it into the JSON document of docs/formats/snapshot.schema.json, the reader turns
 * any report in the public JSON format (ours or an SDK's) back into it. It holds no symbols to be
 * looked up later and no pointer into the target.
 *
 * Ownership: everything hangs in one arena; csn_snapshot_free frees it all. Strings are
 * NUL-terminated, may be NULL where "absent" makes sense, and may hold any byte the dying process
 * put there (sinks escape). Not thread-safe. */
#ifndef CSN_SNAPSHOT_SNAPSHOT_H
#define CSN_SNAPSHOT_SNAPSHOT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/types.h"
#include "base/uuid.h"
#include "snapshot/notes.h"
#include "snapshot/variable.h"

/* How a frame was found (contracts 4). */
enum csn_frame_kind {
	CSN_FRAME_UNKNOWN, /* documents of others do not say */
	CSN_FRAME_CFI,
	CSN_FRAME_FP,
	CSN_FRAME_EMUL,
	CSN_FRAME_SCAN,
	CSN_FRAME_TAIL,
	CSN_FRAME_INLINE,
};

/* "cfi", "fp", "emul", "scan", "tail", "inline"; "" for unknown. */
const char *csn_frame_kind_name(enum csn_frame_kind kind);
enum csn_frame_kind csn_frame_kind_find(const char *name);

struct csn_register {
	const char *name; /* "rax" */
	uint64_t value;
};

struct csn_snapshot_frame {
	csn_addr address;        /* program counter as unwound: a return address, not minus one */
	const char *function;    /* demangled; NULL unknown */
	const char *library;     /* path of the object; NULL outside any */
	const char *build_id;    /* lower-case hex of the object; NULL unknown */
	const char *source_path; /* NULL unknown */
	uint32_t line, column;   /* 0 unknown */
	uint64_t offset;         /* address minus the function's start */
	enum csn_frame_kind kind;
	bool has_address, has_offset;
	bool inlined;      /* comes before its physical frame, same address */
	bool faulted;      /* the frame that faulted */
	bool signal_frame; /* a signal trampoline (the frame above was interrupted) */
	bool guessed;      /* documents of others: found by guess */
	uint32_t n_registers;
	uint32_t n_variables;
	struct csn_register *registers;
	struct csn_snapshot_variable *variables;
};

/* A word of a raw stack that points into code. */
struct csn_snapshot_code_word {
	uint32_t at;          /* bytes from the start of the raw stack */
	const char *function; /* NULL nameless */
	uint64_t offset;      /* value minus the function's start; 0 when nameless */
	const char *library;  /* path of the object; NULL outside any */
};

/* The stack as it lay in memory, kept where a walk ended before its time. */
struct csn_snapshot_raw_stack {
	csn_addr address; /* of the first byte: the stack pointer of the last good frame */
	unsigned word_bytes;
	const uint8_t *bytes;
	size_t size_bytes;
	struct csn_snapshot_code_word *code;
	size_t n_code;
};

struct csn_snapshot_thread {
	int64_t tid;      /* host tid; -1 when the document's key is no number */
	const char *key;  /* the document's key ("1234"); NULL = the tid in decimal */
	const char *name; /* comm */
	bool fault;
	const char *state;      /* one letter as in /proc, NULL unknown */
	const char *unwind_end; /* why the walk ended: "outermost frame", "no CFI for ..." */
	struct csn_snapshot_frame *frames;
	size_t n_frames;
	uint64_t frames_left_out;                /* beyond a budget */
	struct csn_snapshot_raw_stack raw_stack; /* size_bytes 0: not kept */
};

enum csn_value_kind {
	CSN_VALUE_STRING,
	CSN_VALUE_INT,
	CSN_VALUE_UINT,
	CSN_VALUE_DOUBLE,
	CSN_VALUE_BOOL
};

struct csn_snapshot_attribute {
	const char *name;
	enum csn_value_kind kind;
	union {
		const char *string;
		int64_t int_;
		uint64_t uint;
		double double_;
		bool bool_;
	};
};

struct csn_snapshot_module {
	csn_addr start, end;
	const char *path;
	const char *build_id;   /* hex; NULL unknown */
	const char *debug_path; /* file the symbols came from; NULL none */
	const char *state;      /* "ok", "mismatch", "missing", "memory" */
};

struct csn_snapshot_map {
	csn_addr start, end;
	uint64_t offset;
	char perms[5];    /* "r-xp" */
	const char *path; /* NULL anonymous */
};

struct csn_snapshot_limit {
	const char *name; /* "Max open files" */
	const char *soft, *hard, *unit;
};

struct csn_snapshot_fault {
	bool present;
	int signal;
	const char *signal_name; /* "SIGSEGV" */
	int code;
	const char *code_name; /* "SEGV_MAPERR"; NULL unknown */
	bool has_address;
	csn_addr address;
	const char *access; /* "read", "write", "execute"; NULL unknown */
	int64_t sender_pid; /* for kill(2); -1 unknown */
	int64_t sender_uid;
};

struct csn_snapshot {
	struct csn_arena *arena; /* owned */
	char uuid[CSN_UUID_TEXT];
	int64_t timestamp; /* seconds since the epoch, of the crash */
	const char *lang, *lang_version, *agent, *agent_version;
	const char *arch; /* "x86_64" */
	const char *const *classifiers;
	size_t n_classifiers;
	struct csn_snapshot_fault fault;
	struct csn_snapshot_thread *threads; /* the faulting thread first */
	size_t n_threads;
	const char *main_thread; /* key of the thread that matters; NULL = first */
	struct csn_snapshot_attribute *attributes;
	size_t n_attributes;
	struct csn_snapshot_module *modules;
	size_t n_modules;
	struct csn_snapshot_map *maps;
	size_t n_maps;
	struct csn_snapshot_limit *limits;
	size_t n_limits;
	struct csn_annotation *annotations; /* warnings first of all: name "warning" */
	size_t n_annotations;
	const char *const *truncated; /* what is not whole, in words */
	size_t n_truncated;
	struct csn_snapshot_globals *globals;
	size_t n_globals;
	struct csn_withheld *withheld;
	size_t n_withheld;
	const char *fingerprint; /* given by the document; NULL none */

	size_t attributes_capacity, annotations_capacity, truncated_capacity, classifiers_capacity;
	size_t withheld_capacity;
};

/* An empty snapshot with a random uuid. NULL when out of memory. */
struct csn_snapshot *csn_snapshot_new(void);
void csn_snapshot_free(struct csn_snapshot *snapshot);
void csn_snapshot_freep(struct csn_snapshot **snapshot);

/* Setting an attribute again replaces it. Names and texts are copied. LIMIT past
 * CSN_MAX_ATTRIBUTES. */
int csn_snapshot_set_string(struct csn_snapshot *snapshot, const char *name, const char *value,
			    struct csn_error *err) csn_must_check;
int csn_snapshot_set_uint(struct csn_snapshot *snapshot, const char *name, uint64_t value,
			  struct csn_error *err) csn_must_check;
/* Any kind; name and string are copied. */
int csn_snapshot_set(struct csn_snapshot *snapshot, const struct csn_snapshot_attribute *attribute,
		     struct csn_error *err) csn_must_check;
const struct csn_snapshot_attribute *
csn_snapshot_find_attribute(const struct csn_snapshot *snapshot, const char *name);

/* Names and texts are copied; a classifier that is there already is not added again. */
int csn_snapshot_add_classifier(struct csn_snapshot *snapshot, const char *name,
				struct csn_error *err) csn_must_check;
/* Notes that something is not whole ("thread 12: stack cut"). */
int csn_snapshot_add_truncated(struct csn_snapshot *snapshot, const char *what,
			       struct csn_error *err) csn_must_check;

/* The thread's key in the document; text is room for the decimal tid. */
const char *csn_snapshot_thread_key(const struct csn_snapshot_thread *thread, char text[24]);
/* The thread that matters: main_thread, else the first with fault, else the first; NULL none. */
const struct csn_snapshot_thread *csn_snapshot_get_main_thread(const struct csn_snapshot *snapshot);

#endif
