/* The "_" member of every reply: who asked, of what, how long it took. */
#ifndef CSN_QUERY_FOOTER_H
#define CSN_QUERY_FOOTER_H

#include "base/json.h"
#include "query/finish.h"
#include "query/query.h"

/* Key and value, into the object that the reply is. */
void csn_query_footer_write(const struct csn_query_context *context,
			    const struct csn_query_times *times, struct csn_json *json);

#endif
