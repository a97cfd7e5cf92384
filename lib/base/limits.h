/* Every cap on foreign data, in one place: here, and those of values and analyses in
 * base/limits_analysis.h, which this file includes. Hitting one is CSN_E_LIMIT or a "truncated"
 * mark.
 *
 * Sizes are bytes unless the name says otherwise. Add here, never in a parser. */
#ifndef CSN_BASE_LIMITS_H
#define CSN_BASE_LIMITS_H

#define CSN_KIB 1024ull
#define CSN_MIB (1024ull * CSN_KIB)
#define CSN_GIB (1024ull * CSN_MIB)

/* Files read whole into memory: configuration, /proc text. */
#define CSN_MAX_CONFIG_FILE CSN_MIB
#define CSN_MAX_PROC_FILE (4 * CSN_MIB)

/* Text and buffers. */
#define CSN_MAX_LOG_LINE (16 * CSN_KIB)
#define CSN_MAX_PATH 4096
#define CSN_MAX_SYMBOL_NAME (64 * CSN_KIB)
#define CSN_MAX_MANGLED_NAME (16 * CSN_KIB)

/* ELF and core files. */
#define CSN_MAX_OBJECT_FILE (16 * CSN_GIB)
#define CSN_MAX_ELF_SEGMENTS 1000000u
#define CSN_MAX_ELF_SECTIONS 100000u
#define CSN_MAX_CORE_NOTES (512 * CSN_MIB)
#define CSN_MAX_CORESNAP_NOTE (4 * CSN_MIB)
#define CSN_MAX_THREADS 100000u
#define CSN_MAX_FILE_MAPPINGS 200000u
#define CSN_MAX_SECTION_INFLATED (8 * CSN_GIB)
#define CSN_MAX_INFLATE_SECTION_RATIO 1032
#define CSN_MAX_DEBUG_DATA (512 * CSN_MIB)
#define CSN_MAX_XZ_MEMORY (256 * CSN_MIB)
#define CSN_MAX_MODULE_IMAGE (256 * CSN_MIB)
#define CSN_MAX_LINK_MAP 4096u /* objects that a dynamic linker says it loaded */
#define CSN_MAX_MODULES 65536u
#define CSN_MAX_BUILD_ID 64

/* Targets: what a core or a live process makes us hold besides its mapped file. */
#define CSN_MAX_TARGET_MEMORY (512 * CSN_MIB)
#define CSN_MAX_AUXV 256
#define CSN_LIVE_STACK_BYTES CSN_MIB
#define CSN_LIVE_TOTAL_BYTES (64 * CSN_MIB)

/* Capture: what is taken while the process is held. */
#define CSN_MAX_CAPTURE_HEADERS (64 * CSN_MIB) /* program headers */
#define CSN_MAX_CAPTURE_NOTES (64 * CSN_MIB)
#define CSN_MAX_CAPTURE_FILES (96 * CSN_MIB)  /* private file mappings, .bss, small anonymous */
#define CSN_MAX_CAPTURE_SMALL (16 * CSN_MIB)  /* of these, small anonymous ones */
#define CSN_MAX_CAPTURE_STACKS (64 * CSN_MIB) /* over all threads */
#define CSN_MAX_CAPTURE_STACK CSN_MIB         /* of one thread */
#define CSN_MAX_CAPTURE_STREAM (64 * CSN_MIB) /* from the pipe, when memory is out of reach */
#define CSN_MAX_CAPTURE_BUDGET (64 * CSN_MIB) /* windows: dump.budget can be no more */
#define CSN_MAX_CAPTURE_TEXTS (16 * CSN_MIB)  /* all of /proc */
#define CSN_MAX_CAPTURE_TEXT (256 * CSN_KIB)  /* one file of /proc, but for maps */
#define CSN_MAX_CAPTURE_OPENED 512u           /* files of the dead */

/* Unwinding. */
#define CSN_MAX_FRAMES 2000000u
#define CSN_MAX_EMULATED 8192u              /* instructions of one function */
#define CSN_MAX_EMULATED_TOTAL 4000000u     /* of all functions */
#define CSN_MAX_EMULATED_WAYS 256u          /* branches of it */
#define CSN_MAX_START_BYTES (256 * CSN_KIB) /* from a function's start to a counter in it */
#define CSN_MAX_CALLER_WORDS 1024u          /* of the stack, looked through for a caller */
#define CSN_MAX_CFI_INSTRUCTIONS 65536u
#define CSN_MAX_CFI_STATES 64
#define CSN_MAX_EXPR_STEPS 10000u
#define CSN_MAX_EXPR_STACK 256

/* Debug information. */
#define CSN_MAX_DWARF_MEMORY (512 * CSN_MIB) /* units, abbreviations, names of one object */
#define CSN_MAX_DWARF_UNITS 4000000u
#define CSN_MAX_ROOT_SPECS 64u    /* attributes of a unit that is only asked */
#define CSN_MAX_ROOT_SKIPPED 64u  /* abbreviations in front of that of its root */
#define CSN_MAX_SPLIT_FILES 4096u /* .dwo files opened for one module */
#define CSN_MAX_PACKAGE_COLUMNS 64u
#define CSN_MAX_DWARF_DEPTH 1024u         /* entries within entries */
#define CSN_MAX_DWARF_ORIGINS 16u         /* abstract origins and specifications in a row */
#define CSN_MAX_DWARF_SCOPES 32u          /* namespaces and classes around a function */
#define CSN_MAX_DWARF_SCANS 4096u         /* of one unit, for scopes */
#define CSN_MAX_NAMED_BYTES (8 * CSN_MIB) /* of an object whose entries are all looked through */
#define CSN_MAX_NAMED_UNITS 8u            /* looked into for one name that an index tells */
#define CSN_MAX_NAMED_ENTRIES 65536u      /* of one name */
#define CSN_MAX_DWARF_RANGES 1000000u
#define CSN_MAX_DWARF_LOCATIONS 1000000u /* of one list */
#define CSN_MAX_TYPE_HOPS 64u            /* from a type to the one it is made of */
#define CSN_MAX_TYPE_TEXT 1024u
#define CSN_MAX_TYPE_PARTS 65536u /* members, enumerators, dimensions: of each */
#define CSN_MAX_TYPE_BASES 256u   /* classes looked through for what a class inherits */
#define CSN_MAX_TYPE_BASES_DEEP 8u
#define CSN_MAX_RTTI_NAME 512u        /* mangled */
#define CSN_MAX_RTTI_DISTANCE CSN_MIB /* from a base to the beginning of its object */
#define CSN_MAX_GO_TYPES 1000000u     /* of a program */
#define CSN_MAX_GO_ENTRIES 4000000u   /* looked at for them */
#define CSN_MAX_SCOPE_VARIABLES 4096u
#define CSN_MAX_UNIT_GLOBALS 200000u /* entries looked through for one variable */
#define CSN_MAX_INLINE_DEPTH 256u
#define CSN_MAX_TAIL_CALLS 1024u       /* of one function */
#define CSN_MAX_TAIL_FUNCTIONS 1024u   /* between a call and the function that it led to */
#define CSN_MAX_TAIL_FRAMES 256u       /* between two frames */
#define CSN_MAX_TAIL_INSERTED 1000000u /* of all stacks */
#define CSN_MAX_TAIL_WORK 1000000u /* jumps looked at for all stacks, other work in proportion */
#define CSN_MAX_TAIL_MEMORY (256 * CSN_MIB)
#define CSN_MAX_LINE_FILES 1000000u
#define CSN_MAX_LINE_ROWS 50000000u
#define CSN_MAX_LINE_FORMATS 64u
#define CSN_MAX_GO_STEPS 20000000ull   /* through value tables of one object */
#define CSN_MAX_GO_DATA (64 * CSN_MIB) /* of a process, looked through for Go's own record */
#define CSN_RAW_STACK_BYTES 512u       /* kept where a walk ended before its time */
#define CSN_SALVAGED_STACK_BYTES (4 * CSN_KIB)   /* of each stack that could not be walked at all */
#define CSN_MAX_RAW_STACKS_BYTES (128 * CSN_KIB) /* of them, over all threads */

#include "base/limits_analysis.h"

/* Answers kept on disk, by build-id. */
#define CSN_MAX_ANSWERS_RECORDS 65536u
#define CSN_MAX_ANSWERS_FILE (64 * CSN_MIB)
#define CSN_MAX_ANSWERS_FOLDER (256 * CSN_MIB)

/* Downloads of debug files. */
#define CSN_MAX_BROKER_SECONDS 3600 /* for one file */
#define CSN_MAX_DOWNLOAD_MEMORY CSN_GIB

/* What is withheld from snapshots. */
#define CSN_MAX_PRIVACY_FILE (256 * CSN_KIB)
#define CSN_MAX_PRIVACY_RULES 256u
#define CSN_MAX_PRIVACY_STEPS 100000u /* of one match */
#define CSN_MAX_WITHHELD_PLACES 64u   /* told one by one; more of them are counted */
#define CSN_MAX_WITHHELD 4096u

/* The confined process. */
#define CSN_MAX_SANDBOX_ADDRESSES (64 * CSN_GIB) /* objects that it maps, besides the core */
#define CSN_MAX_SANDBOX_DATA (8 * CSN_GIB)       /* what is no file */
#define CSN_MAX_SANDBOX_FILES 256u               /* open at once; what is mapped is closed */
#define CSN_MAX_SANDBOX_REQUESTS 1000000u
#define CSN_MAX_SANDBOX_SECONDS 600
#define CSN_MAX_SALVAGE_SECONDS 60 /* of a second try, which reads little */

/* Snapshots. */
#define CSN_MAX_REFUSED_NOTES 16u /* warnings about debug files */
#define CSN_MAX_SNAPSHOT_FILE (256 * CSN_MIB)
#define CSN_MAX_SNAPSHOT_JSON (1024 * CSN_MIB)
#define CSN_MAX_SNAPSHOT_THREADS 100000u
#define CSN_MAX_SNAPSHOT_FRAMES 4000000u
#define CSN_MAX_SNAPSHOT_MEMORY (4 * CSN_GIB)
#define CSN_MAX_SNAPSHOT_MODULES 200000u
#define CSN_MAX_SNAPSHOT_MAPS 200000u
#define CSN_MAX_SNAPSHOT_REGISTERS 256u      /* of one frame */
#define CSN_MAX_SNAPSHOT_VARIABLES 16000000u /* and parts of them */
#define CSN_MAX_SNAPSHOT_VARIABLE_DEPTH 26u
#define CSN_MAX_SNAPSHOT_RAW_STACK (64 * CSN_KIB)
#define CSN_MAX_SNAPSHOT_NOTES 4096u /* annotations, classifiers, truncation notes: of each */
#define CSN_MAX_ATTRIBUTES 4096
#define CSN_MAX_JSON_DEPTH 64
#define CSN_MAX_CALLSTACK_TEXT CSN_MIB
#define CSN_MAX_CALLSTACK_FRAMES 512
#define CSN_MAX_JSON_VALUES 32000000u

/* Attributes set from outside (contracts 3). */
#define CSN_MAX_KV_PAIRS 64
#define CSN_MAX_KV_BYTES (4 * CSN_KIB)
#define CSN_MAX_RESOURCE_TEXT (64 * CSN_KIB)

/* The host's spool and what its children print. */
#define CSN_MAX_SPOOL_OBJECTS 1000000u
#define CSN_MAX_NOTES_WALKED 2000000u
#define CSN_MAX_NOTE_SEGMENTS 4096u
#define CSN_MAX_SPOOL_LOG CSN_MIB
#define CSN_MAX_STATE_FILE (64 * CSN_KIB)
#define CSN_MAX_CHILD_OUTPUT (64 * CSN_KIB)
#define CSN_MAX_DEFAULTS_OUTPUT (CSN_MAX_KV_PAIRS * CSN_MAX_KV_BYTES)
#define CSN_MAX_FORMAT_RULES 1000u

/* HTTP. */
#define CSN_MAX_HTTP_BODY (512 * CSN_MIB)
#define CSN_MAX_HTTP_JSON (16 * CSN_MIB)
#define CSN_MAX_HTTP_REPLY (256 * CSN_MIB)
#define CSN_MAX_INFLATE_RATIO 200
#define CSN_MAX_HTTP_EXCHANGE (64 * CSN_MIB) /* headers, pairs and what a handler makes */
#define CSN_MAX_HTTP_MEMORY CSN_GIB          /* bodies held at once, all connections together */
#define CSN_MAX_HTTP_PARTS 1024u
#define CSN_MAX_HTTP_PARAMETERS 256u
#define CSN_MAX_BPG_ACTIONS 1024u

/* The store. */
#define CSN_MAX_ATTRIBUTE_TEXT (64 * CSN_KIB)
#define CSN_MAX_PROJECT_ATTRIBUTES 10000u
#define CSN_MAX_INDEX_ATTRIBUTES_BYTES (64 * CSN_MIB)
#define CSN_MAX_DICTIONARY_BYTES (4 * CSN_GIB)
#define CSN_MAX_READER_BYTES (256 * CSN_MIB)
#define CSN_MAX_COMMIT_GROUP 256u
#define CSN_MAX_COMMIT_QUEUE 8192u

/* Queries. */
#define CSN_MAX_QUERY_TERMS 256
#define CSN_MAX_QUERY_COLUMNS 256
#define CSN_MAX_QUERY_GROUPS 1000000u
#define CSN_MAX_REGEX_BYTES 4096
#define CSN_MAX_REGEX_MATCH_STEPS 1000000u
#define CSN_MAX_REGEX_DEPTH 10000u
#define CSN_MAX_REGEX_HEAP_KIB 20000u
#define CSN_MAX_QUERY_CODES 100000000u
#define CSN_MAX_QUERY_ARENA (256 * CSN_MIB)
#define CSN_MAX_QUERY_ROWS_BYTES (1024 * CSN_MIB)
#define CSN_MAX_QUERY_SECONDS 25 /* below the clients' own patience of 30 */
#define CSN_MAX_QUERY_BINS 4096

#endif
