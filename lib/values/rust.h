/* What values of Rust and the printers of its library share. Private to this room. */
#ifndef CSN_VALUES_RUST_H
#define CSN_VALUES_RUST_H

#include "values/printer.h"

/* After a sequence was told: when nothing is in it, this is its text. */
void csn_rust_fill_list(struct csn_printing *printing);
/* The variant that an enum is, and its name (NULL: nobody asks). False: not known. */
bool csn_rust_variant(struct csn_values *values, const struct csn_part *whole,
		      struct csn_part *ret_variant, const char **ret_name);

/* print_rust_maps.c */
bool csn_rust_print_hash_map(struct csn_printing *p);
bool csn_rust_print_hash_set(struct csn_printing *p);
bool csn_rust_print_btree_map(struct csn_printing *p);
bool csn_rust_print_btree_set(struct csn_printing *p);

#endif
