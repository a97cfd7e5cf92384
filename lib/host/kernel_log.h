/* Crashes that the kernel did not hand over because core_pipe_limit helpers were at work: nothing
 * of them is anywhere but in its log (/dev/kmsg). Read when crashes come, so nobody is woken for
 * it.
 *
 * The kernel writes ten such lines in five seconds and, before the next one, how many it kept to
 * itself; so after a storm the count is exact only once there was another. */
#ifndef CSN_HOST_KERNEL_LOG_H
#define CSN_HOST_KERNEL_LOG_H

#include "base/types.h"

/* Opens the log at its end; needs root where kernel.dmesg_restrict is set. -1 when we may not. */
int csn_kernel_log_open(void);
/* How many crashes were refused according to what was written since the last time; each read of fd
 * gives one record. */
uint64_t csn_kernel_log_refused(int fd);

#endif
