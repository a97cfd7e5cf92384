/* The kernel's core_pattern and core_pipe_limit: making them ours and giving them back.
 *
 * What was there before is kept in /run/coresnap/previous, a root-owned place that lives as long
 * as the kernel's value does; a line that runs our helper is never kept. Where the helper cannot
 * be named in the pattern (a long path, a blank, a folder that others than root can write) it is
 * copied to <place>/<8 hex>/a, with the policy linked beside it; <place> is /run/coresnap, or
 * /var/lib/coresnap where /run is mounted noexec. */
#ifndef CSN_HOST_CORE_PATTERN_H
#define CSN_HOST_CORE_PATTERN_H

#include "base/error.h"
#include "base/root.h"
#include "conf/coresnap_conf.h"
#include "spool/kernel_pattern.h"

#define CSN_CORE_PIPE_LIMIT 64u
/* What the line says behind the helper's path. */
#define CSN_CORE_PATTERN_ARGUMENTS "%P %I %s %d %t %u %g %F"

/* True when the text sends crashes to the helper, or to the listener, of any installation; of_root:
 * of this one. */
bool csn_core_pattern_is_helper(const char *text);
bool csn_core_pattern_is_of_root(const char *text, const struct csn_root *root);

/* The program that a pipe pattern runs, at most CSN_CORE_PATTERN_MAX bytes into out. False when it
 * is no pipe. */
bool csn_core_pattern_find_program(const char *text, char *out, size_t out_size);
/* True when nobody but root can change what stands at path (absolute), its folders included;
 * ret_culprit gets the part that others can change, or that is missing. */
bool csn_core_pattern_is_roots_alone(const char *path, char *ret_culprit, size_t culprit_size);
/* The real path of this installation's helper. OS when it is missing or cannot be run. */
int csn_core_pattern_find_helper(const struct csn_root *root, char *out, size_t out_size,
				 struct csn_error *err) csn_must_check;

/* Saves what is there, writes ours (capture.mode) and the limit, reads both back; what was there
 * stays when that fails. DENIED when the kernel does not let us (a container, not root).
 * CSN_CAPTURE_SOCKET fails when nobody listens (NOT_FOUND, TIMEOUT) or the kernel knows no sockets
 * (UNSUPPORTED); CSN_CAPTURE_AUTO takes the pipe then, and when the listener has no supervisor. */
int csn_core_pattern_enable(const struct csn_root *root, enum csn_capture_mode mode,
			    struct csn_core_pattern *ret_pattern, struct csn_error *err)
	csn_must_check;
/* Puts back what was there ("core" when that is unknown). ret_restored: false when the pattern was
 * not ours and was left alone. */
int csn_core_pattern_disable(const struct csn_root *root, bool *ret_restored,
			     struct csn_core_pattern *ret_pattern, struct csn_error *err)
	csn_must_check;

#endif
