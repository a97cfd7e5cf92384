/* The halves of the note: who it was (facts.c), and the numbers of /proc (facts_proc.c). */
#ifndef CSN_CAPTURE_FACTS_INTERNAL_H
#define CSN_CAPTURE_FACTS_INTERNAL_H

#include "base/json.h"
#include "capture/texts.h"

/* status, stat, sched, io, limits, meminfo and the like, as members of the open object. */
void csn_facts_put_numbers(struct csn_json *json, const struct csn_texts *texts);
/* cpu, system and loadavg of the whole machine, read now. */
void csn_facts_put_machine(struct csn_json *json);

/* Field number (as proc(5) counts, from 3 on) of a stat text; false when missing. */
bool csn_stat_field(const struct csn_text *stat, unsigned number, int64_t *ret_value);

#endif
