/* The daemon's two marks beside the spool: coresnapd.pid, locked while it lives, and the control
 * socket, on which `coresnap retry` asks. Private to lib/host; see host/service.h. */
#ifndef CSN_HOST_CONTROL_INTERNAL_H
#define CSN_HOST_CONTROL_INTERNAL_H

#include "base/error.h"
#include "spool/spool.h"

/* Binds <beside>/control (0600), over one that a killed daemon left. */
int control_open(const struct csn_spool *spool, int *ret_fd, struct csn_error *err) csn_must_check;
void control_close(const struct csn_spool *spool, int fd);
/* The next request that makes sense; false when there is none. */
bool control_receive(int fd, bool *ret_all, enum csn_stage *ret_stage, char uuid[CSN_UUID_TEXT]);

#endif
