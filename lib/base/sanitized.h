/* Whether this build carries a sanitizer: those reserve addresses by the terabyte, so limits on
 * memory would end every process. */
#ifndef CSN_BASE_SANITIZED_H
#define CSN_BASE_SANITIZED_H

#if defined(__has_feature)
#define CSN_HAS_FEATURE(name) __has_feature(name)
#else
#define CSN_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || CSN_HAS_FEATURE(address_sanitizer) || \
	CSN_HAS_FEATURE(memory_sanitizer) || CSN_HAS_FEATURE(thread_sanitizer)
#define CSN_SANITIZED 1
#else
#define CSN_SANITIZED 0
#endif

#endif
