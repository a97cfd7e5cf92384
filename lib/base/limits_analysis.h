/* Caps of values and analyses: a part of base/limits.h, which alone includes it. */
#ifndef CSN_BASE_LIMITS_ANALYSIS_H
#define CSN_BASE_LIMITS_ANALYSIS_H

/* Analysis. */
#define CSN_MAX_WAITS 4096u     /* threads whose locks are looked at */
#define CSN_MAX_WAIT_NOTES 256u /* annotations about them */
#define CSN_MAX_SECURITY_NOTES 64u
#define CSN_MAX_SECURITY_LINKS 1000000u /* pointers of one table */
#define CSN_MAX_STALE_BYTES CSN_GIB     /* searched for references */
#define CSN_MAX_STALE_OBJECTS 1024u     /* that hold some */
#define CSN_MAX_STALE_REFERENCES 4096u
#define CSN_MAX_STALE_NOTES 64u

/* Values of variables. */
#define CSN_MAX_VALUE_BYTES (64 * CSN_KIB) /* of one that is not in memory */
#define CSN_MAX_VALUE_PIECES 256u
#define CSN_MAX_VALUE_FRAMES 16384u   /* whose variables are told */
#define CSN_MAX_VALUE_DEPTH 20u       /* structures within structures */
#define CSN_MAX_VALUE_EVALUATIONS 16u /* expressions that need others */
#define CSN_MAX_VALUE_TEXT (16 * CSN_KIB)
#define CSN_MAX_HASH_PLACES 65536u    /* of one table, looked at for elements */
#define CSN_MAX_GO_BUCKETS 65536u     /* of one map, looked at for elements */
#define CSN_MAX_VALUE_ELEMENTS 65536u /* of one container, when no budget says less */
#define CSN_MAX_MEMBER_STEPS 4096u    /* members looked at for one path, or one alignment */

/* The heap of a process. */
#define CSN_MAX_HEAP_BLOCKS 32768u      /* pages read of a damaged heap */
#define CSN_MAX_HEAP_LOOK_BLOCKS 4096u  /* of any other */
#define CSN_MAX_HEAP_STEPS 1000000u     /* chunks and links looked at */
#define CSN_MAX_HEAP_FREES 262144u      /* free chunks kept */
#define CSN_MAX_HEAP_ARENAS 4096u       /* arenas; threads with a cache */
#define CSN_MAX_HEAP_PAGES 16384u       /* looked at for the header of a mapping */
#define CSN_MAX_HEAP_SCAN (2 * CSN_MIB) /* of a mapping, for the allocator's own record */
#define CSN_MAX_HEAP_MEMORY (64 * CSN_MIB)
#define CSN_MAX_HEAP_LEVELS 32u /* frames of the library above its caller */

#define CSN_MAX_ALIASES 32u /* annotated variables that lead to the faulting address */
#define CSN_MAX_EXPRESSION_TEXT CSN_KIB
#define CSN_MAX_ORIGIN_BYTES (64 * CSN_KIB) /* of a function that is followed */

/* Modules in Lua. */
#define CSN_MAX_SCRIPTS 64u
#define CSN_MAX_SCRIPT_FILE (256 * CSN_KIB)
#define CSN_MAX_SCRIPTS_BYTES (32 * CSN_MIB) /* of all files */
#define CSN_MAX_SCRIPT_OPTION (4 * CSN_KIB)
#define CSN_MAX_SCRIPT_MEMORY (32 * CSN_MIB) /* of one module */
#define CSN_MAX_SCRIPT_READ (1 * CSN_MIB)    /* of memory, by one call */
#define CSN_MAX_SCRIPT_WALK 100000u          /* of one list */
#define CSN_MAX_SCRIPT_VALUES (32 * CSN_MIB) /* told beyond those of the scene, by all modules */

#endif
