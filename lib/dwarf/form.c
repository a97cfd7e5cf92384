#include "dwarf/split_internal.h"

static uint64_t read_u24(struct csn_span *at)
{
	uint64_t low = csn_span_u16(at);

	return low | (uint64_t)csn_span_u8(at) << 16;
}

static void read_block(struct csn_span *at, uint64_t size_bytes, struct csn_attr *attr)
{
	attr->value = at->at;
	attr->size_bytes = size_bytes;
	csn_span_skip(at, size_bytes);
}

static void read_by_form(struct csn_span *at, const struct csn_unit *unit, uint16_t form,
			 struct csn_attr *attr)
{
	switch (form) {
	case DW_FORM_addr:
		attr->value = csn_span_uint(at, unit->address_size);
		return;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		attr->value = csn_span_u8(at);
		return;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		attr->value = csn_span_u16(at);
		return;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		attr->value = read_u24(at);
		return;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_ref_sup4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
		attr->value = csn_span_u32(at);
		return;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		attr->value = csn_span_u64(at);
		return;
	case DW_FORM_data16:
		read_block(at, 16, attr);
		return;
	case DW_FORM_sdata:
		attr->value = (uint64_t)csn_span_sleb(at);
		return;
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		attr->value = csn_span_uleb(at);
		return;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		attr->value = csn_span_uint(at, unit->offset_size);
		return;
	case DW_FORM_ref_addr:
		attr->value = csn_span_uint(at, unit->version < 3 ? unit->address_size
								  : unit->offset_size);
		return;
	case DW_FORM_string:
		attr->text = csn_span_cstr(at);
		return;
	case DW_FORM_flag_present:
		attr->value = 1;
		return;
	case DW_FORM_block1:
		read_block(at, csn_span_u8(at), attr);
		return;
	case DW_FORM_block2:
		read_block(at, csn_span_u16(at), attr);
		return;
	case DW_FORM_block4:
		read_block(at, csn_span_u32(at), attr);
		return;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		read_block(at, csn_span_uleb(at), attr);
		return;
	default:
		at->failed = true;
	}
}

void csn_attr_read(struct csn_span *at, const struct csn_unit *unit,
		   const struct csn_attr_spec *spec, struct csn_attr *ret_attr)
{
	uint64_t form = spec->form;

	ret_attr->text = NULL;
	ret_attr->value = 0;
	if (form == DW_FORM_implicit_const) {
		*ret_attr = (struct csn_attr){ .form = DW_FORM_implicit_const,
					       .value = (uint64_t)spec->implicit };
		return;
	}
	/* Once only: a form that says "indirect" again is broken. */
	if (form == DW_FORM_indirect)
		form = csn_span_uleb(at);
	ret_attr->form = form > UINT16_MAX ? 0 : (uint16_t)form;
	read_by_form(at, unit, ret_attr->form, ret_attr);
}

void csn_attrs_skip(struct csn_span *at, const struct csn_unit *unit,
		    const struct csn_abbrev *abbrev)
{
	struct csn_attr unused;
	uint32_t i;

	if (abbrev->is_fixed) {
		csn_span_skip(at, abbrev->bytes + (uint64_t)abbrev->addresses * unit->address_size +
					  (uint64_t)abbrev->offsets * unit->offset_size);
		return;
	}
	for (i = 0; i < abbrev->n_specs && csn_span_ok(at); i++)
		csn_attr_read(at, unit, &abbrev->specs[i], &unused);
}

static uint64_t sibling_of(struct csn_span *at, const struct csn_unit *unit,
			   const struct csn_attr_spec *spec)
{
	struct csn_attr attr;
	uint64_t sibling;

	csn_attr_read(at, unit, spec, &attr);
	return csn_attr_reference(unit, &attr, &sibling) ? sibling : 0;
}

uint64_t csn_attrs_skip_sibling(struct csn_span *at, const struct csn_unit *unit,
				const struct csn_abbrev *abbrev)
{
	struct csn_span ahead = *at;
	uint64_t sibling = 0;
	uint32_t i;

	if (abbrev->sibling_is_fixed) {
		csn_span_skip(&ahead,
			      abbrev->sibling_bytes +
				      (uint64_t)abbrev->sibling_addresses * unit->address_size +
				      (uint64_t)abbrev->sibling_offsets * unit->offset_size);
		sibling = sibling_of(&ahead, unit, &abbrev->specs[abbrev->sibling_spec]);
	} else if (abbrev->has_sibling) {
		struct csn_attr unused;

		for (i = 0; i < abbrev->sibling_spec && csn_span_ok(&ahead); i++)
			csn_attr_read(&ahead, unit, &abbrev->specs[i], &unused);
		sibling = sibling_of(&ahead, unit, &abbrev->specs[i]);
	}
	csn_attrs_skip(at, unit, abbrev);
	return csn_span_ok(at) ? sibling : 0;
}

bool csn_attr_uint(const struct csn_attr *attr, uint64_t *ret_value)
{
	switch (attr->form) {
	case DW_FORM_data1:
	case DW_FORM_data2:
	case DW_FORM_data4:
	case DW_FORM_data8:
	case DW_FORM_udata:
	case DW_FORM_sdata:
	case DW_FORM_implicit_const:
	case DW_FORM_sec_offset:
		*ret_value = attr->value;
		return true;
	default:
		return false;
	}
}

bool csn_attr_flag(const struct csn_attr *attr)
{
	return (attr->form == DW_FORM_flag || attr->form == DW_FORM_flag_present) && attr->value;
}

/* Element index of a table of numbers of one width that begins at base. */
static bool read_element(struct csn_dwarf *dwarf, enum csn_dwarf_section section, uint64_t base,
			 uint64_t index, unsigned width, uint64_t *ret_value)
{
	struct csn_span at;
	uint64_t offset;

	if (__builtin_mul_overflow(index, width, &offset) ||
	    __builtin_add_overflow(offset, base, &offset) || offset > UINT64_MAX - width)
		return false;
	at = csn_dwarf_bytes(dwarf, section, offset + width);
	csn_span_seek(&at, offset);
	*ret_value = csn_span_uint(&at, width);
	return csn_span_ok(&at);
}

bool csn_unit_address(struct csn_unit *unit, uint64_t index, uint64_t *ret_address)
{
	const struct csn_unit *owner = unit->skeleton ? unit->skeleton : unit;

	return read_element(owner->dwarf, CSN_DEBUG_ADDR, owner->addr_base, index,
			    unit->address_size, ret_address);
}

bool csn_attr_address(struct csn_unit *unit, const struct csn_attr *attr, uint64_t *ret_address)
{
	switch (attr->form) {
	case DW_FORM_addr:
		*ret_address = attr->value;
		return true;
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
	case DW_FORM_GNU_addr_index:
		return csn_unit_address(unit, attr->value, ret_address);
	default:
		return false;
	}
}

bool csn_attr_reference(const struct csn_unit *unit, const struct csn_attr *attr,
			uint64_t *ret_offset)
{
	switch (attr->form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		if (attr->value >= unit->end - unit->offset)
			return false;
		*ret_offset = unit->offset + attr->value;
		return true;
	case DW_FORM_ref_addr:
		*ret_offset = attr->value;
		return true;
	default:
		return false;
	}
}

static bool find_entry(struct csn_dwarf *dwarf, uint64_t offset, struct csn_entry *ret_entry)
{
	struct csn_unit *unit = dwarf ? csn_unit_around(dwarf, offset) : NULL;

	if (!unit)
		return false;
	*ret_entry = (struct csn_entry){ unit, offset };
	return true;
}

bool csn_attr_entry(struct csn_unit *unit, const struct csn_attr *attr, struct csn_entry *ret_entry)
{
	uint64_t offset;

	switch (attr->form) {
	case DW_FORM_ref_sig8:
		return csn_type_find(unit->dwarf, attr->value, ret_entry);
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case DW_FORM_GNU_ref_alt:
		return find_entry(csn_dwarf_alternate(unit->dwarf), attr->value, ret_entry);
	case DW_FORM_ref_addr:
		/* From the section's start, which packages have moved. */
		if (unit->parts)
			return false;
		if (unit->section != CSN_DEBUG_INFO || attr->value < unit->first_entry ||
		    attr->value >= unit->end)
			return find_entry(unit->dwarf, attr->value, ret_entry);
		*ret_entry = (struct csn_entry){ unit, attr->value };
		return true;
	default:
		if (!csn_attr_reference(unit, attr, &offset))
			return false;
		*ret_entry = (struct csn_entry){ unit, offset };
		return true;
	}
}

const char *csn_attr_text(struct csn_unit *unit, const struct csn_attr *attr)
{
	struct csn_dwarf *dwarf = unit->dwarf;
	uint64_t offset;

	switch (attr->form) {
	case DW_FORM_string:
		return attr->text;
	case DW_FORM_strp:
		return csn_dwarf_text(dwarf, CSN_DEBUG_STR, attr->value);
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_strp_alt:
		dwarf = csn_dwarf_alternate(dwarf);
		return dwarf ? csn_dwarf_text(dwarf, CSN_DEBUG_STR, attr->value) : NULL;
	case DW_FORM_line_strp:
		return csn_dwarf_text(dwarf, CSN_DEBUG_LINE_STR, attr->value);
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
	case DW_FORM_GNU_str_index:
		if (!read_element(dwarf, CSN_DEBUG_STR_OFFSETS, unit->str_offsets_base, attr->value,
				  unit->offset_size, &offset))
			return NULL;
		return csn_dwarf_text(dwarf, CSN_DEBUG_STR, offset);
	default:
		return NULL;
	}
}
