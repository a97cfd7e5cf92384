#include "dwarf/entry_internal.h"

bool csn_children_begin(struct csn_children *children, const struct csn_entry *parent)
{
	struct csn_span at;
	const struct csn_abbrev *abbrev = csn_entry_open(parent, &at);

	if (!abbrev || !abbrev->children)
		return false;
	csn_attrs_skip(&at, parent->unit, abbrev);
	*children = (struct csn_children){ .unit = parent->unit, .at = at, .depth = 1 };
	return csn_span_ok(&at);
}

bool csn_children_next(struct csn_children *children, struct csn_span *ret_attributes)
{
	uint64_t code;

	if (children->inside && ++children->depth > CSN_MAX_DWARF_DEPTH)
		return false;
	children->inside = false;
	while (csn_span_left(&children->at)) {
		children->offset = children->at.at;
		code = csn_span_uleb(&children->at);
		if (!code) {
			if (--children->depth == 0)
				return false;
			continue;
		}
		children->abbrev = csn_abbrev_find(children->unit->abbrevs, code);
		if (!children->abbrev)
			return false;
		*ret_attributes = children->at;
		csn_attrs_skip(&children->at, children->unit, children->abbrev);
		children->inside = children->abbrev->children;
		return csn_span_ok(&children->at);
	}
	return false;
}

void csn_children_pass(struct csn_children *children)
{
	struct csn_span at = children->at, unused;
	struct csn_children inner = *children;
	uint32_t depth = children->depth;
	uint64_t sibling;

	if (!children->inside)
		return;
	at.at = children->offset;
	(void)csn_span_uleb(&at);
	sibling = csn_attrs_skip_sibling(&at, children->unit, children->abbrev);
	if (sibling > children->at.at && sibling < children->unit->end) {
		csn_span_seek(&children->at, sibling);
		children->inside = false;
		return;
	}
	/* Its own children, until the list of them has ended. */
	inner.depth = 0;
	while (csn_children_next(&inner, &unused))
		;
	children->at = inner.at;
	children->depth = depth;
	children->inside = false;
}

bool csn_attributes_each(struct csn_unit *unit, const struct csn_abbrev *abbrev,
			 struct csn_span *at, csn_attribute_fn each, void *context)
{
	uint32_t i;

	for (i = 0; i < abbrev->n_specs && csn_span_ok(at); i++) {
		struct csn_attr attr;

		csn_attr_read(at, unit, &abbrev->specs[i], &attr);
		if (csn_span_ok(at))
			each(context, unit, abbrev->specs[i].name, &attr);
	}
	return csn_span_ok(at);
}

bool csn_attr_int(const struct csn_attr *attr, int64_t *ret_value)
{
	uint64_t value;

	if (attr->form == DW_FORM_sec_offset || !csn_attr_uint(attr, &value))
		return false;
	*ret_value = (int64_t)value;
	return true;
}

struct csn_span csn_attr_block(struct csn_unit *unit, const struct csn_attr *attr)
{
	struct csn_span all = csn_unit_bytes(unit, attr->value);

	switch (attr->form) {
	case DW_FORM_block1:
	case DW_FORM_block2:
	case DW_FORM_block4:
	case DW_FORM_block:
	case DW_FORM_exprloc:
	case DW_FORM_data16:
		return csn_span_part(&all, attr->value, attr->size_bytes);
	default:
		return (struct csn_span){ .failed = true };
	}
}
