/* Contracts: what functions of the C library demand of their arguments. Data only; static. */
#ifndef CSN_ANALYZE_CONTRACTS_H
#define CSN_ANALYZE_CONTRACTS_H

#include "base/types.h"

#define CSN_CONTRACT_ARGUMENTS 6u

/* What an argument must be. */
enum csn_claim {
	CSN_CLAIM_NONE,
	CSN_CLAIM_READ,  /* memory that is read */
	CSN_CLAIM_WRITE, /* memory that is written */
	CSN_CLAIM_TEXT,  /* memory that is read up to a NUL, or to its size if it has one */
	CSN_CLAIM_SIZE,  /* a number of bytes or elements */
	CSN_CLAIM_FD,    /* a file descriptor */
	CSN_CLAIM_CHUNK, /* what malloc returned, or NULL */
};

struct csn_contract_argument {
	const char *name; /* "destination" */
	uint8_t claim;    /* enum csn_claim */
	/* Of memory: number + 1 of the argument that tells its size, and of the one that is
	 * multiplied with; 0: not told. */
	uint8_t size_by, times_by;
	bool may_be_null;
};

struct csn_contract {
	const char *function;
	bool must_not_overlap; /* the first two arguments */
	struct csn_contract_argument arguments[CSN_CONTRACT_ARGUMENTS];
};

/* By the name of the function as it is called ("memcpy", "__memcpy_chk") or as it runs
 * ("__memmove_avx_unaligned_erms"); NULL: there is none. */
const struct csn_contract *csn_contract_find(const char *function);

#endif
