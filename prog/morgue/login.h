/* What setup shares with login. */
#ifndef MORGUE_LOGIN_H
#define MORGUE_LOGIN_H

#include "morgue.h"

/* "http://..." or "https://...", as login and setup take it. */
bool morgue_endpoint_ok(const char *url);
/* Asks for name and password, logs in, keeps the session and says so. */
int morgue_login_at(struct morgue *morgue, const char *endpoint);

#endif
