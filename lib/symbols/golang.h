/* What a module's own Go line table says (symbols/pclntab.h), with or without debug information.
 *
 * The table is found once per module and belongs to it. */
#ifndef CSN_SYMBOLS_GOLANG_H
#define CSN_SYMBOLS_GOLANG_H

#include "symbols/module.h"
#include "symbols/pclntab.h"

/* The table; NULL when the module is not made by Go. Its addresses are link-time addresses. */
struct csn_pclntab *csn_module_pclntab(struct csn_module *module);

/* The function around a target address; false when that is not Go's. */
bool csn_module_go_function(struct csn_module *module, csn_addr addr,
			    struct csn_pclntab_function *ret_function) csn_must_check;

/* Call frame information made from the table: it knows the depth of the stack everywhere, and where
 * compiled functions keep the return address and the frame pointer. */
bool csn_module_go_row(struct csn_module *module, csn_addr addr, struct csn_cfi_row *ret_row)
	csn_must_check;

#endif
