/* What printers of both C++ libraries have in common. Paths are those of members of the value that
 * is printed. All return what a csn_print_fn returns. */
#ifndef CSN_VALUES_PRINT_STD_H
#define CSN_VALUES_PRINT_STD_H

#include "values/printer.h"

/* Elements of a tuple that are told. */
#define CSN_MAX_STD_PARTS 64u

/* "[3]" */
const char *csn_print_number(struct csn_printing *p, size_t number);
/* "std::map with 1 element" */
bool csn_print_count(struct csn_printing *p, uint64_t count);

/* Characters by a pointer and a length. */
bool csn_print_std_view(struct csn_printing *p, const char *data, const char *length);
/* Elements between pointers. */
bool csn_print_std_vector(struct csn_printing *p, const char *start, const char *finish,
			  const char *end);
/* Elements by a pointer and a length; a path to the length that leads nowhere: it is the second
 * template argument. */
bool csn_print_std_span(struct csn_printing *p, const char *data, const char *length);
/* The bits of a vector<bool>. */
bool csn_print_std_bits(struct csn_printing *p, csn_addr words, uint64_t length, uint64_t capacity);
/* Numbers of the bits that are set in a word or an array of them. */
bool csn_print_std_bitset(struct csn_printing *p, const char *words);

/* Nodes with a link, from a head that is no element on, until the links lead to it or nowhere. The
 * element stands behind header_bytes; its type is the first template argument. */
bool csn_print_std_list(struct csn_printing *p, const struct csn_part *head, const char *link,
			uint64_t header_bytes);

/* Members of a node of a tree. */
struct csn_tree_names {
	const char *left, *right, *parent;
};
/* The nodes of a tree in their order; first is the pointer to the first one. Pairs are told as keys
 * and values where the container is a map. */
bool csn_print_std_tree(struct csn_printing *p, const struct csn_part *first, uint64_t count,
			const struct csn_tree_names *names, uint64_t header_bytes,
			struct csn_type *element);
/* The same of nodes that a link holds together. */
bool csn_print_std_hash(struct csn_printing *p, const struct csn_part *first, uint64_t count,
			const char *link, uint64_t header_bytes, struct csn_type *element);

/* Members of what counts owners, and what is added to both numbers. */
struct csn_counts_names {
	const char *use, *weak;
	int64_t bias;
};
bool csn_print_std_shared(struct csn_printing *p, const struct csn_part *pointer,
			  const struct csn_part *counts, const struct csn_counts_names *names);
/* One of the template arguments, by its number. */
bool csn_print_std_variant(struct csn_printing *p, const struct csn_part *index,
			   const struct csn_part *storage);
/* The first of the paths that leads to something. */
bool csn_print_std_atomic(struct csn_printing *p, const char *const *paths, size_t n_paths);
bool csn_print_std_duration(struct csn_printing *p, const char *count);
bool csn_print_std_time(struct csn_printing *p, const char *count);
/* What it stands at, behind header_bytes of a node, or where it points to itself. */
bool csn_print_std_iterator(struct csn_printing *p, const char *pointer, uint64_t header_bytes,
			    const char *container);

#endif
