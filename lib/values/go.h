/* What the files for values of Go share. Private to this room. */
#ifndef CSN_VALUES_GO_H
#define CSN_VALUES_GO_H

#include "values/printer.h"

/* A map, as the run time has it up to Go 1.23: type is the one that says what keys and elements
 * are, header that of the structure at address. False, with nothing filled: it is no such thing. */
bool csn_go_fill_map(struct csn_printing *printing, struct csn_type *type, struct csn_type *header,
		     csn_addr address);

#endif
