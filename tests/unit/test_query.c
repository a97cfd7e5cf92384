/* query: golden replies for every operator, fold and shape, over a real store of six objects.
 *
 * JSON in this file is written with single quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json_load.h"
#include "base/limits.h"
#include "folder.h"
#include "query/query.h"
#include "store/store.h"

#define FP_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FP_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct lab {
	char folder[FOLDER_MAX];
	struct csn_store *store;
	struct csn_query_context context;
	uint64_t first_id; /* ids of the objects follow each other */
};

struct object {
	int64_t timestamp;
	const char *fingerprint, *hostname; /* NULL: none */
	int64_t n;                          /* negative: none */
};

/* In order of arrival; times are not. */
static const struct object objects[] = {
	{ 1000, FP_A, "h1", 1 },  { 1300, FP_A, "h1", 4 },  { 1100, FP_A, "h2", 10 },
	{ 1200, FP_B, "h1", 20 }, { 1400, FP_B, NULL, -1 }, { 1500, FP_B, "", 20 },
};

static void submit(struct lab *lab, const struct object *object)
{
	struct csn_submission *made = csn_submission_new(CSN_MIB);
	struct csn_attribute_value *values;
	struct csn_receipt receipt;
	struct csn_error err = CSN_ERROR_INIT;

	assert_non_null(made);
	values = csn_arena_array(made->arena, 4, sizeof(*values));
	if (object->hostname)
		values[made->n_attributes++] = (struct csn_attribute_value){
			.name = "hostname", .kind = CSN_CELL_TEXT, .text = object->hostname
		};
	if (object->n >= 0)
		values[made->n_attributes++] = (struct csn_attribute_value){
			.name = "pid", .kind = CSN_CELL_NUMBER, .number = (uint64_t)object->n
		};
	values[made->n_attributes++] = (struct csn_attribute_value){ .name = "undeclared",
								     .kind = CSN_CELL_TEXT,
								     .text = "x" };
	made->attributes = values;
	made->project = 1;
	made->timestamp = object->timestamp;
	made->format = "json";
	snprintf(made->fingerprint, sizeof(made->fingerprint), "%s", object->fingerprint);
	made->object = (struct csn_submission_file){ "", "application/json", "{}", 2 };
	assert_int_equal(csn_objects_submit_wait(lab->store, made, &receipt, &err), 0);
	if (lab->first_id == 0)
		lab->first_id = receipt.id;
}

static int lab_open(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct csn_error err = CSN_ERROR_INIT;

	assert_true(folder_make(lab->folder));
	assert_int_equal(csn_store_open(lab->folder, &lab->store, &err), 0);
	lab->context = (struct csn_query_context){ .store = lab->store,
						   .project = 1,
						   .user = "jdoe",
						   .universe_name = "yourcompany",
						   .project_name = "blackhole",
						   .may_write = true };
	for (size_t i = 0; i < csn_countof(objects); i++)
		submit(lab, &objects[i]);
	*state = lab;
	return 0;
}

static int lab_close(void **state)
{
	struct lab *lab = *state;

	csn_store_close(lab->store);
	folder_remove(lab->folder);
	free(lab);
	return 0;
}

/* Single quotes become double ones; "@N" becomes the id of object N (0 the first). */
static char *real_json(const struct lab *lab, const char *text)
{
	struct csn_buf out = CSN_BUF_INIT(CSN_MIB);

	for (; *text; text++) {
		if (*text == '\'')
			csn_buf_putc(&out, '"');
		else if (*text == '@')
			csn_buf_printf(&out, "%llu",
				       (unsigned long long)lab->first_id +
					       (unsigned)(*++text - '0'));
		else
			csn_buf_putc(&out, *text);
	}
	return csn_buf_take(&out);
}

static json_t *parse(const char *text)
{
	struct csn_error err = CSN_ERROR_INIT;
	json_t *json = NULL;

	if (csn_json_load(text, strlen(text), &json, &err) < 0)
		fail_msg("%s in %s", err.text, text);
	return json;
}

static json_t *ask(struct lab *lab, const char *query)
{
	struct csn_buf reply = CSN_BUF_INIT(16 * CSN_MIB);
	struct csn_error err = CSN_ERROR_INIT;
	char *body = real_json(lab, query);
	json_t *json;

	if (csn_query_run(&lab->context, body, strlen(body), &reply, &err) < 0)
		fail_msg("%s: %s", query, err.text);
	json = parse(csn_buf_text(&reply));
	csn_buf_done(&reply);
	free(body);
	return json;
}

static void assert_reply(void **state, const char *query, const char *expected)
{
	struct lab *lab = *state;
	json_t *reply = ask(lab, query), *wanted;
	char *text = real_json(lab, expected);

	wanted = parse(text);
	if (!json_equal(json_object_get(reply, "response"), wanted)) {
		char *got = json_dumps(json_object_get(reply, "response"), JSON_COMPACT);

		fail_msg("%s\n got    %s\n wanted %s", query, got, text);
	}
	json_decref(reply);
	json_decref(wanted);
	free(text);
}

/* Ids of the objects that a filter lets through, as "0 1 5". */
static void assert_matches(void **state, const char *filter, const char *expected)
{
	struct lab *lab = *state;
	char query[1024], got[64] = "";
	json_t *reply, *runs, *run;
	size_t i;

	snprintf(query, sizeof(query),
		 "{'filter':[%s],'select':['object'],'order':[{'name':'object','ordering':"
		 "'ascending'}]}",
		 filter);
	reply = ask(lab, query);
	runs = json_array_get(
		json_array_get(json_object_get(json_object_get(reply, "response"), "objects"), 0),
		1);
	json_array_foreach(runs, i, run)
	{
		uint64_t first = (uint64_t)json_integer_value(json_array_get(run, 0));
		uint64_t more = (uint64_t)json_integer_value(json_array_get(run, 1));

		for (uint64_t id = first; id <= first + more; id++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%d",
				 *got ? " " : "", (int)(id - lab->first_id));
	}
	if (strcmp(got, expected) != 0)
		fail_msg("%s: got %s, wanted %s", filter, got, expected);
	json_decref(reply);
}

static void assert_error(void **state, const char *query, const char *part)
{
	struct lab *lab = *state;
	struct csn_buf reply = CSN_BUF_INIT(CSN_MIB);
	struct csn_error err = CSN_ERROR_INIT;
	char *body = real_json(lab, query);

	assert_true(csn_query_run(&lab->context, body, strlen(body), &reply, &err) < 0);
	if (!strstr(err.text, part))
		fail_msg("%s: \"%s\" does not say \"%s\"", query, err.text, part);
	assert_int_equal(reply.size, 0);
	csn_buf_done(&reply);
	free(body);
}

/* ---- operators ---- */

static void every_operator_on_texts(void **state)
{
	assert_matches(state, "{'hostname':[['equal','h1']]}", "0 1 3");
	assert_matches(state, "{'hostname':[['not-equal','h1']]}", "2 4 5");
	assert_matches(state, "{'hostname':[['regular-expression','^h[12]$']]}", "0 1 2 3");
	assert_matches(state, "{'hostname':[['inverse-regular-expression','1']]}", "2 4 5");
	assert_matches(state, "{'hostname':[['contains','2']]}", "2");
	assert_matches(state, "{'hostname':[['not-contains','2']]}", "0 1 3 4 5");
	assert_matches(state, "{'hostname':[['is-set']]}", "0 1 2 3 5");
	assert_matches(state, "{'hostname':[['is-not-set']]}", "4");
	assert_matches(state, "{'hostname':[['at-least','h2']]}", "2");
	assert_matches(state, "{'hostname':[['less-than','h2']]}", "0 1 3 5");
	assert_matches(state, "{'hostname':[['equal','']]}", "5");
}

static void every_operator_on_numbers(void **state)
{
	assert_matches(state, "{'pid':[['equal','20']]}", "3 5");
	assert_matches(state, "{'pid':[['equal','0x14']]}", "3 5");
	assert_matches(state, "{'pid':[['equal',20]]}", "3 5");
	assert_matches(state, "{'pid':[['not-equal',20]]}", "0 1 2 4");
	assert_matches(state, "{'pid':[['at-least','10']]}", "2 3 5");
	assert_matches(state, "{'pid':[['greater-than','10']]}", "3 5");
	assert_matches(state, "{'pid':[['at-most','10']]}", "0 1 2");
	assert_matches(state, "{'pid':[['less-than','10']]}", "0 1");
	assert_matches(state, "{'pid':[['is-set']]}", "0 1 2 3 5");
	assert_matches(state, "{'pid':[['is-not-set']]}", "4");
	assert_matches(state, "{'pid':[['at-least',-5]]}", "0 1 2 3 5");
	assert_matches(state, "{'pid':[['less-than',-5]]}", "");
	assert_matches(state, "{'pid':[['less-than','4.5']]}", "0 1");
	assert_matches(state, "{'pid':[['equal','4.5']]}", "");
}

static void terms_are_all_of_them(void **state)
{
	assert_matches(state, "{'hostname':[['equal','h1']],'pid':[['at-least',4]]}", "1 3");
	assert_matches(state, "{'pid':[['at-least',4],['less-than',20]]}", "1 2");
	assert_matches(state, "{}", "0 1 2 3 4 5");
}

static void case_can_be_ignored(void **state)
{
	assert_matches(state, "{'hostname':[['equal','H1',{'case_insensitive':true}]]}", "0 1 3");
	assert_matches(state, "{'hostname':[['contains','H',{'case_insensitive':true}]]}",
		       "0 1 2 3");
	assert_matches(state,
		       "{'hostname':[['regular-expression','^H2',{'case_insensitive':true}]"
		       "]}",
		       "2");
	assert_matches(state, "{'hostname':[['equal','H1']]}", "");
}

static void columns_of_every_object_can_be_filtered(void **state)
{
	assert_matches(state, "{'timestamp':[['at-least',1100],['less-than',1300]]}", "2 3");
	assert_matches(state, "{'timestamp':[['at-most','1000']]}", "0");
	assert_matches(state, "{'timestamp':[['greater-than','0']]}", "0 1 2 3 4 5");
	assert_matches(state, "{'timestamp':[['greater-than',9000]]}", "");
	assert_matches(state, "{'timestamp':[['at-least',1300],['less-than',1200]]}", "");
	assert_matches(state, "{'fingerprint':[['regular-expression','^b']]}", "3 4 5");
	assert_matches(state, "{'object':[['equal',@2]]}", "2");
	assert_matches(state, "{'_tx':[['less-than','@2']]}", "0 1");
	assert_matches(state, "{'_deleted':[['equal','0']]}", "0 1 2 3 4 5");
	assert_matches(state, "{'object.size':[['equal',2]]}", "0 1 2 3 4 5");
	assert_matches(state, "{'first_seen':[['equal',1200]]}", "3 4 5");
	assert_matches(state, "{'fingerprint;issues;state':[['equal','open']]}", "0 1 2 3 4 5");
}

/* ---- folds ---- */

static void assert_fold(void **state, const char *attribute, const char *fold, const char *name,
			const char *format, const char *cell)
{
	char query[512], expected[1024];

	snprintf(query, sizeof(query), "{'fold':{'%s':[%s]}}", attribute, fold);
	snprintf(expected, sizeof(expected),
		 "{'columns':[['%s(%s)','%s']],'values':[['*',[%s],6]]}", name, attribute, format,
		 cell);
	assert_reply(state, query, expected);
}

static void every_fold_has_its_cell(void **state)
{
	assert_fold(state, "hostname", "['head']", "head", "hostname", "['h1']");
	assert_fold(state, "hostname", "['tail']", "tail", "hostname", "['']");
	assert_fold(state, "pid", "['first']", "first", "none", "[1]");
	assert_fold(state, "pid", "['last']", "last", "none", "[20]");
	assert_fold(state, "hostname", "['unique']", "unique", "none", "[3]");
	assert_fold(state, "hostname", "['count']", "count", "none", "[5]");
	assert_fold(state, "hostname", "['histogram']", "histogram", "hostname",
		    "[['h1',3],['',1],['h2',1]]");
	assert_fold(state, "hostname", "['distribution',1]", "distribution", "hostname",
		    "[{'keys':3,'tail':2,'vals':[['h1',3]]}]");
	assert_fold(state, "pid", "['mean']", "mean", "none", "[11]");
	assert_fold(state, "pid", "['min']", "min", "none", "[1]");
	assert_fold(state, "pid", "['max']", "max", "none", "[20]");
	assert_fold(state, "pid", "['sum']", "sum", "none", "[55]");
	assert_fold(state, "pid", "['range']", "range", "none", "[1,20]");
	assert_fold(state, "timestamp", "['range']", "range", "unix_timestamp", "[1000,1500]");
	assert_fold(state, "hostname", "['range']", "range", "hostname", "['','h2']");
	assert_fold(state, "pid", "['histogram']", "histogram", "none",
		    "[[20,2],[1,1],[4,1],[10,1]]");
}

static void head_and_tail_go_by_time_first_and_last_by_arrival(void **state)
{
	static const char query[] = "{'filter':[{'pid':[['less-than',11]]}],'fold':{'pid':"
				    "[['head'],['tail'],['first'],['last']]}}";

	assert_reply(state, query,
		     "{'columns':[['head(pid)','none'],['tail(pid)','none'],['first(pid)','none'],"
		     "['last(pid)','none']],'values':[['*',[[1],[4],[1],[10]],3]]}");
}

static void bins_count_everything_in_range(void **state)
{
	assert_fold(state, "pid", "['bin',2,0,20]", "bin", "none", "[[0,10,2],[10,20,3]]");
	assert_fold(state, "pid", "['bin',4,0,8]", "bin", "none",
		    "[[0,2,1],[2,4,0],[4,6,1],[6,8,0]]");
	assert_fold(state, "pid", "['bin',3]", "bin", "none", "[[1,7,2],[7,13,1],[13,20,2]]");
	assert_fold(state, "pid", "['bin',5,20,20]", "bin", "none", "[[20,20,2]]");
	assert_fold(state, "pid", "['bin',9,0,2]", "bin", "none", "[[0,1,0],[1,2,1]]");
	assert_fold(state, "timestamp", "['bin',2,1000,1500]", "bin", "unix_timestamp",
		    "[[1000,1250,3],[1250,1500,3]]");
}

static void an_absent_value_leaves_an_empty_cell(void **state)
{
	assert_reply(state,
		     "{'filter':[{'hostname':[['is-not-set']]}],'fold':{'callstack':[['head']],"
		     "'pid':[['mean'],['sum'],['range'],['unique'],['bin'],['histogram']]}}",
		     "{'columns':[['head(callstack)','callstack'],['mean(pid)','none'],"
		     "['sum(pid)','none'],['range(pid)','none'],['unique(pid)','none'],"
		     "['bin(pid)','none'],['histogram(pid)','none']],"
		     "'values':[['*',[[],[],[0],[],[0],[],[]],1]]}");
}

/* ---- groups ---- */

static void groups_come_by_count_and_key(void **state)
{
	assert_reply(state, "{'group':['fingerprint'],'fold':{'hostname':[['histogram']]}}",
		     "{'columns':[['histogram(hostname)','hostname']],'values':[['" FP_A
		     "',[[['h1',2],['h2',1]]],3],['" FP_B "',[[['',1],['h1',1]]],3]]}");
	assert_reply(state, "{'group':['hostname']}",
		     "{'columns':[],'values':[['h1',[],3],['*',[],1],['',[],1],['h2',[],1]]}");
	assert_reply(state, "{'group':['pid'],'filter':[{'pid':[['is-set']]}]}",
		     "{'columns':[],'values':[[20,[],2],[1,[],1],[4,[],1],[10,[],1]]}");
}

static void groups_can_be_ordered_and_paged(void **state)
{
	assert_reply(state,
		     "{'group':['hostname'],'order':[{'name':';group','ordering':'descending'}],"
		     "'limit':2}",
		     "{'columns':[],'values':[['h2',[],1],['h1',[],3]]}");
	assert_reply(state,
		     "{'group':['hostname'],'order':[{'name':';count','ordering':'ascending'}],"
		     "'offset':2,'limit':9}",
		     "{'columns':[],'values':[['h2',[],1],['h1',[],3]]}");
	assert_reply(state,
		     "{'group':['fingerprint'],'fold':{'pid':[['min'],['max']]},'order':"
		     "[{'name':'pid;1','ordering':'descending'}]}",
		     "{'columns':[['min(pid)','none'],['max(pid)','none']],'values':[['" FP_B
		     "',[[20],[20]],3],['" FP_A "',[[1],[10]],3]]}");
	assert_reply(state,
		     "{'group':['fingerprint'],'fold':{'timestamp':[['range']]},'order':"
		     "[{'name':'timestamp;0;1','ordering':'descending'}],'limit':1}",
		     "{'columns':[['range(timestamp)','unix_timestamp']],'values':[['" FP_B
		     "',[[1200,1500]],3]]}");
}

static void having_drops_groups(void **state)
{
	assert_reply(state,
		     "{'group':['hostname'],'having':[{'property':[';count'],'op':'>=','params':"
		     "[2]}]}",
		     "{'columns':[],'values':[['h1',[],3]]}");
	assert_reply(state,
		     "{'group':['fingerprint'],'fold':{'pid':[['max']]},'having':[{'property':"
		     "['pid;0;0'],'op':'<','params':['20']}]}",
		     "{'columns':[['max(pid)','none']],'values':[['" FP_A "',[[10]],3]]}");
}

static void virtual_columns_group_and_filter(void **state)
{
	assert_reply(state,
		     "{'virtual_columns':[{'name':'q','type':'quantize_uint','quantize_uint':"
		     "{'backing_column':'timestamp','size':200,'offset':0}}],'group':['q']}",
		     "{'columns':[],'values':[[1000,[],2],[1200,[],2],[1400,[],2]]}");
	assert_reply(state,
		     "{'virtual_columns':[{'name':'q','type':'quantize_uint','quantize_uint':"
		     "{'backing_column':'timestamp','size':200,'offset':100}}],'filter':[{'q':"
		     "[['at-least',1300]]}],'group':['q']}",
		     "{'columns':[],'values':[[1300,[],2],[1500,[],1]]}");
	assert_reply(state,
		     "{'virtual_columns':[{'name':'d','type':'truncate_timestamp',"
		     "'truncate_timestamp':{'backing_column':'timestamp','granularity':'year'}}],"
		     "'group':['d']}",
		     "{'columns':[],'values':[[0,[],6]]}");
}

static void nothing_found_is_an_empty_reply(void **state)
{
	assert_reply(state, "{'filter':[{'hostname':[['equal','zzz']]}]}",
		     "{'columns':[],'values':[]}");
	assert_reply(state, "{'filter':[{'hostname':[['equal','zzz']]}],'select':['hostname']}",
		     "{'columns':[['hostname','hostname']],'objects':[['*',[]]],'values':[]}");
}

/* ---- selection ---- */

static void a_selection_is_run_length_encoded(void **state)
{
	assert_reply(state,
		     "{'select':['timestamp','hostname'],'order':[{'name':'object','ordering':"
		     "'ascending'}]}",
		     "{'columns':[['timestamp','unix_timestamp'],['hostname','hostname']],"
		     "'objects':[['*',[[@0,5]]]],'values':[['*',[1000,1],[1300,1],[1100,1],"
		     "[1200,1],[1400,1],[1500,1]],['*',['h1',2],['h2',1],['h1',1],[null,1],"
		     "['',1]]]}");
}

static void a_selection_is_newest_first(void **state)
{
	assert_reply(state, "{'select':['hostname'],'limit':2}",
		     "{'columns':[['hostname','hostname']],'objects':[['*',[[@5],[@4]]]],"
		     "'values':[['*',['',1],[null,1]]]}");
	assert_reply(state, "{'select':['hostname'],'limit':2,'offset':1}",
		     "{'columns':[['hostname','hostname']],'objects':[['*',[[@4],[@3]]]],"
		     "'values':[['*',[null,1],['h1',1]]]}");
	assert_reply(state,
		     "{'select':['pid'],'limit':3,'order':[{'name':'pid','ordering':"
		     "'descending'}]}",
		     "{'columns':[['pid','none']],'objects':[['*',[[@5],[@3],[@2]]]],'values':"
		     "[['*',[20,2],[10,1]]]}");
}

static void a_selection_can_be_grouped(void **state)
{
	assert_reply(state,
		     "{'select':['pid'],'group':['fingerprint'],'order':[{'name':'object',"
		     "'ordering':'ascending'}]}",
		     "{'columns':[['pid','none']],'objects':[['" FP_A "',[[@0,2]]],['" FP_B
		     "',[[@3,2]]]],'values':[['" FP_A "',[1,1],[4,1],[10,1]],['" FP_B
		     "',[20,1],[null,1],[20,1]]]}");
}

static void an_absent_callstack_is_one_without_frames(void **state)
{
	assert_reply(state, "{'select':['callstack','version'],'limit':1}",
		     "{'columns':[['callstack','callstack'],['version','none']],'objects':"
		     "[['*',[[@5]]]],'values':[['*',['{\\\"frame\\\":[]}',1]],['*',[null,1]]]}");
}

static void the_object_column_is_the_id(void **state)
{
	assert_reply(state, "{'select':['object'],'limit':1}",
		     "{'columns':[['object','none']],'objects':[['*',[[@5]]]],'values':"
		     "[['*',[@5,1]]]}");
}

static void the_wildcard_selects_what_objects_have(void **state)
{
	struct lab *lab = *state;
	json_t *reply = ask(lab, "{'select_wildcard':{'physical':true,'derived':true}}");
	char *text = json_dumps(json_object_get(json_object_get(reply, "response"), "columns"),
				JSON_COMPACT);

	assert_non_null(strstr(text, "[\"hostname\",\"hostname\"]"));
	assert_non_null(strstr(text, "[\"first_seen\",\"unix_timestamp\"]"));
	assert_null(strstr(text, "undeclared"));
	assert_null(strstr(text, "\"verdict\""));
	free(text);
	json_decref(reply);
}

/* ---- changes, errors, the footer ---- */

static void set_changes_what_matches(void **state)
{
	struct lab *lab = *state;

	assert_reply(state,
		     "{'filter':[{'hostname':[['equal','h1']]}],'set':{'version':'oom'},'table':"
		     "'objects'}",
		     "{'result':'success'}");
	assert_matches(state, "{'version':[['equal','oom']]}", "0 1 3");
	assert_reply(state, "{'filter':[{'pid':[['equal',1]]}],'set':{'version':null}}",
		     "{'result':'success'}");
	assert_matches(state, "{'version':[['equal','oom']]}", "1 3");
	assert_reply(state,
		     "{'filter':[{'fingerprint':[['equal','" FP_A
		     "']]}],'table':'issues','set':{'state':'resolved'}}",
		     "{'result':'success'}");
	assert_matches(state, "{'fingerprint;issues;state':[['equal','resolved']]}", "0 1 2");
	lab->context.may_write = false;
	assert_error(state, "{'set':{'version':'x'}}", "no permission");
	assert_error(state, "{'actions':{'fingerprint':[{'type':'merge','arguments':[]}]}}",
		     "no permission");
	lab->context.may_write = true;
}

static void merge_and_unmerge_change_groups(void **state)
{
	assert_reply(state,
		     "{'actions':{'fingerprint':[{'type':'merge','arguments':['" FP_A "','" FP_B
		     "']}]}}",
		     "{'result':'success'}");
	assert_reply(state, "{'group':['fingerprint']}",
		     "{'columns':[],'values':[['" FP_A "',[],6]]}");
	assert_reply(state,
		     "{'actions':{'fingerprint':[{'type':'unmerge','arguments':['" FP_A "']}]}}",
		     "{'result':'success'}");
	assert_reply(state, "{'group':['fingerprint']}",
		     "{'columns':[],'values':[['" FP_A "',[],3],['" FP_B "',[],3]]}");
}

static void errors_say_what_and_what_next(void **state)
{
	assert_error(state, "{", "not JSON");
	assert_error(state, "[]", "not a JSON object");
	assert_error(state, "{'select':['nope']}", "attribute 'nope' does not exist");
	assert_error(state, "{'select':['undeclared']}", "morgue attribute create blackhole");
	assert_error(state, "{'filter':[{'hostname':[['bogus-op','x']]}]}",
		     "unknown operator 'bogus-op'");
	assert_error(state, "{'filter':[{'pid':[['equal','abc']]}]}", "'abc' is not a number");
	assert_error(state, "{'filter':[{'pid':[['contains','1']]}]}", "is for texts");
	assert_error(state, "{'filter':[{'hostname':[['regular-expression','(']]}]}",
		     "regular expression");
	assert_error(state, "{'filter':[{'hostname':[['equal']]}]}", "needs a value");
	assert_error(state, "{'filter':[{'hostname':'h1'}]}", "not a list");
	assert_error(state, "{'fold':{'hostname':[['median']]}}", "unknown operation 'median'");
	assert_error(state, "{'fold':{'hostname':[['sum']]}}", "is a text");
	assert_error(state, "{'fold':{'pid':[['bin',0]]}}", "1 to");
	assert_error(state, "{'group':['hostname','pid']}", "one attribute");
	assert_error(state, "{'order':[{'name':'pid;0'}]}", "order by 'pid;0'");
	assert_error(state, "{'limit':-1}", "limit");
	assert_error(state, "{'table':'metrics'}", "table 'metrics'");
	assert_error(state, "{'virtual_columns':[{'name':'q','type':'x'}]}", "unknown type");
}

static void a_runaway_regular_expression_is_stopped(void **state)
{
	struct lab *lab = *state;
	const struct object trap = {
		1600, FP_B, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 1
	};

	submit(lab, &trap);
	assert_error(state, "{'filter':[{'hostname':[['regular-expression','^(a+)+$']]}]}",
		     "too many steps");
}

static void the_footer_tells_who_and_how_long(void **state)
{
	json_t *reply = ask(*state, "{'group':['hostname']}");
	json_t *footer = json_object_get(reply, "_");
	json_t *runtime = json_object_get(footer, "runtime");
	const char *latency = csn_json_get_string(footer, "latency", "");

	assert_string_equal(csn_json_get_string(footer, "user", ""), "jdoe");
	assert_string_equal(csn_json_get_string(footer, "universe", ""), "yourcompany");
	assert_string_equal(csn_json_get_string(footer, "project", ""), "blackhole");
	assert_true(strtol(latency, NULL, 10) > 0);
	assert_non_null(strstr(latency, " us"));
	assert_int_equal(csn_json_get_int(json_object_get(runtime, "filter"), "rows", -1), 6);
	assert_int_equal(csn_json_get_int(json_object_get(runtime, "group_by"), "groups", -1), 4);
	assert_true(csn_json_get_int(runtime, "total_time", -1) >= 0);
	assert_true(json_is_object(json_object_get(runtime, "aggregate")));
	assert_true(json_is_object(json_object_get(runtime, "sort")));
	json_decref(reply);
}

static void describe_lists_attributes(void **state)
{
	struct lab *lab = *state;
	struct csn_buf reply = CSN_BUF_INIT(CSN_MIB);
	struct csn_error err = CSN_ERROR_INIT;
	json_t *json, *item;
	bool host = false;
	size_t i;

	assert_int_equal(csn_query_describe(&lab->context, false, &reply, &err), 0);
	assert_null(strstr(csn_buf_text(&reply), "undeclared"));
	csn_buf_clear(&reply);
	assert_int_equal(csn_query_describe(&lab->context, true, &reply, &err), 0);
	json = parse(csn_buf_text(&reply));
	json_array_foreach(json_object_get(json, "describe"), i, item)
	{
		const char *name = csn_json_get_string(item, "name", NULL);
		json_t *statistics = json_object_get(item, "statistics");

		assert_non_null(name);
		assert_non_null(csn_json_get_string(item, "description", NULL));
		if (strcmp(name, "hostname") == 0) {
			host = csn_json_get_bool(statistics, "used", false);
			assert_string_equal(csn_json_get_string(item, "state", ""), "enabled");
			assert_false(csn_json_get_bool(item, "custom", true));
		}
		if (strcmp(name, "undeclared") == 0) {
			assert_string_equal(csn_json_get_string(item, "state", ""), "disabled");
			assert_true(csn_json_get_bool(item, "custom", false));
		}
	}
	assert_true(host);
	json_decref(json);
	csn_buf_done(&reply);
}

static void a_delete_by_query_must_say_which(void **state)
{
	static const char *const everything[] = {
		"{}",
		"{'filter':[{}]}",
		"{'filter':[{'timestamp':[['greater-than',0]]}]}",
		"{'filter':[{'timestamp':[['at-least','0']]}]}",
		"{'filter':[{'fingerprint':[['is-set']]}]}",
	};
	struct lab *lab = *state;
	struct csn_error err = CSN_ERROR_INIT;
	uint64_t *ids = NULL;
	size_t count = 0;
	char *body;

	for (size_t i = 0; i < csn_countof(everything); i++) {
		body = real_json(lab, everything[i]);
		assert_int_equal(csn_query_select_ids(&lab->context, body, strlen(body), &ids,
						      &count, &err),
				 -CSN_E_DENIED);
		free(body);
	}
	body = real_json(lab, "{'filter':[{'hostname':[['equal','h1']]}],'select':['object'],"
			      "'limit':1}");
	assert_int_equal(csn_query_select_ids(&lab->context, body, strlen(body), &ids, &count,
					      &err),
			 0);
	assert_int_equal(count, 3);
	assert_int_equal(ids[0], lab->first_id);
	assert_int_equal(ids[2], lab->first_id + 3);
	free(ids);
	free(body);
}

#define WITH_LAB(test) cmocka_unit_test_setup_teardown(test, lab_open, lab_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LAB(every_operator_on_texts),
		WITH_LAB(every_operator_on_numbers),
		WITH_LAB(terms_are_all_of_them),
		WITH_LAB(case_can_be_ignored),
		WITH_LAB(columns_of_every_object_can_be_filtered),
		WITH_LAB(every_fold_has_its_cell),
		WITH_LAB(head_and_tail_go_by_time_first_and_last_by_arrival),
		WITH_LAB(bins_count_everything_in_range),
		WITH_LAB(an_absent_value_leaves_an_empty_cell),
		WITH_LAB(groups_come_by_count_and_key),
		WITH_LAB(groups_can_be_ordered_and_paged),
		WITH_LAB(having_drops_groups),
		WITH_LAB(virtual_columns_group_and_filter),
		WITH_LAB(nothing_found_is_an_empty_reply),
		WITH_LAB(a_selection_is_run_length_encoded),
		WITH_LAB(a_selection_is_newest_first),
		WITH_LAB(a_selection_can_be_grouped),
		WITH_LAB(an_absent_callstack_is_one_without_frames),
		WITH_LAB(the_object_column_is_the_id),
		WITH_LAB(the_wildcard_selects_what_objects_have),
		WITH_LAB(set_changes_what_matches),
		WITH_LAB(merge_and_unmerge_change_groups),
		WITH_LAB(errors_say_what_and_what_next),
		WITH_LAB(a_runaway_regular_expression_is_stopped),
		WITH_LAB(the_footer_tells_who_and_how_long),
		WITH_LAB(describe_lists_attributes),
		WITH_LAB(a_delete_by_query_must_say_which),
	};

	return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
