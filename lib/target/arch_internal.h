/* The architectures, one per file; arch.c lists them. */
#ifndef CSN_TARGET_ARCH_INTERNAL_H
#define CSN_TARGET_ARCH_INTERNAL_H

#include "target/arch.h"

extern const struct csn_arch csn_arch_x86_64;

/* arch_x86_64_access.c */
bool csn_x86_64_decode_access(const uint8_t *code, size_t size_bytes,
			      const struct csn_registers *registers, struct csn_access *ret_access);

/* arch_x86_64_step.c */
bool csn_x86_64_decode_step(const uint8_t *code, size_t size_bytes, csn_addr pc,
			    struct csn_step *ret_step);

#endif
