/* The architectures, one per file; arch.c lists them. */
#ifndef CSN_TARGET_ARCH_INTERNAL_H
#define CSN_TARGET_ARCH_INTERNAL_H

#include "target/arch.h"

extern const struct csn_arch csn_arch_x86_64;

#endif
