#include "base/form.h"

#include <string.h>

static const struct csn_form_marks forms[] = {
	[CSN_FORM_BRACES] = { "", "{", "}", " = " },
	[CSN_FORM_FIELDS] = { "fields", " { ", " }", ": " },
	[CSN_FORM_TUPLE] = { "tuple", "(", ")", NULL },
	[CSN_FORM_LIST] = { "list", "[", "]", NULL },
	[CSN_FORM_MAP] = { "map", "{", "}", ": " },
	[CSN_FORM_LITERAL] = { "literal", "{", "}", ":" },
};

const struct csn_form_marks *csn_form_marks(enum csn_form form)
{
	return &forms[(size_t)form < csn_countof(forms) ? form : CSN_FORM_BRACES];
}

enum csn_form csn_form_find(const char *name)
{
	for (size_t i = 0; i < csn_countof(forms); i++)
		if (strcmp(forms[i].name, name) == 0)
			return (enum csn_form)i;
	return CSN_FORM_BRACES;
}
