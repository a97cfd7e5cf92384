/* ingest: a posted document becomes a submission with typed attributes, or a clear refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "ingest/ingest.h"

#define HEAD \
	"{\"uuid\":\"00112233-4455-4677-8899-aabbccddeeff\",\"timestamp\":1700000000," \
	"\"lang\":\"c++\",\"langVersion\":\"17\",\"agent\":\"coresnap\",\"agentVersion\":" \
	"\"0.1.0\",\"mainThread\":\"42\","

static const char report[] = HEAD
	"\"classifiers\":[\"segv\",\"null\",\"write\"],"
	"\"fault\":{\"signal\":11,\"name\":\"SIGSEGV\",\"address\":\"0x18\",\"access\":\"write\"},"
	"\"attributes\":{\"hostname\":\"h1\",\"vm.rss.size\":5120,\"ratio\":0.25,\"whole\":3.0,"
	"\"below\":-7,\"yes\":true,\"callstack\":\"mine\",\"_tx\":1},"
	"\"threads\":{\"42\":{\"name\":\"net\",\"fault\":true,\"stack\":["
	"{\"funcName\":\"store(int)\",\"library\":\"/usr/bin/net\"},"
	"{\"funcName\":\"main\",\"library\":\"/usr/bin/net\"},"
	"{\"funcName\":\"_start\",\"library\":\"/usr/bin/net\"}]}}}";

static struct csn_ingest_request request_of(const char *text)
{
	return (struct csn_ingest_request){
		.project = 7,
		.object = { "", "", text, strlen(text) },
	};
}

static struct csn_submission *prepare(const struct csn_ingest_request *request)
{
	struct csn_submission *submission = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	if (csn_ingest_prepare(request, &submission, &err) < 0)
		fail_msg("%s", err.text);
	return submission;
}

/* The last one wins. */
static const struct csn_attribute_value *find(const struct csn_submission *submission,
					      const char *name)
{
	const struct csn_attribute_value *found = NULL;

	for (size_t i = 0; i < submission->n_attributes; i++)
		if (strcmp(submission->attributes[i].name, name) == 0)
			found = &submission->attributes[i];
	return found;
}

static void assert_text(const struct csn_submission *submission, const char *name,
			const char *expected)
{
	const struct csn_attribute_value *value = find(submission, name);

	if (!value || value->kind != CSN_CELL_TEXT)
		fail_msg("%s is no text", name);
	assert_string_equal(value->text, expected);
}

static void assert_number(const struct csn_submission *submission, const char *name,
			  int64_t expected)
{
	const struct csn_attribute_value *value = find(submission, name);

	if (!value || value->kind != CSN_CELL_NUMBER)
		fail_msg("%s is no number", name);
	assert_int_equal((int64_t)value->number, expected);
	assert_int_equal(value->negative, expected < 0);
}

static void the_documents_attributes_keep_their_types(void **state)
{
	struct csn_ingest_request request = request_of(report);
	struct csn_submission *submission = prepare(&request);

	(void)state;
	assert_int_equal(submission->project, 7);
	assert_int_equal(submission->timestamp, 1700000000);
	assert_int_equal(submission->uuid[0], 0x00);
	assert_int_equal(submission->uuid[15], 0xff);
	assert_string_equal(submission->format, "json");
	assert_int_equal(submission->object.size_bytes, strlen(report));
	assert_memory_equal(submission->object.data, report, strlen(report));
	assert_text(submission, "hostname", "h1");
	assert_number(submission, "vm.rss.size", 5120);
	assert_text(submission, "ratio", "0.25");
	assert_number(submission, "whole", 3);
	assert_number(submission, "below", -7);
	assert_number(submission, "yes", 1);
	csn_submission_free(submission);
}

static void what_follows_from_the_document_is_added(void **state)
{
	struct csn_ingest_request request = request_of(report);
	struct csn_submission *submission = prepare(&request);

	(void)state;
	assert_int_equal(strlen(submission->fingerprint), 64);
	assert_text(submission, "callstack", "{\"frame\":[\"store\",\"main\"]}");
	assert_text(submission, "callstack.raw",
		    "{\"frame\":[\"store(int)\",\"main\",\"_start\"]}");
	assert_text(submission, "classifiers", "segv null write");
	assert_text(submission, "signal", "SIGSEGV");
	assert_number(submission, "signal.number", 11);
	assert_number(submission, "fault.address", 0x18);
	assert_text(submission, "fault.access", "write");
	assert_text(submission, "fault.module", "net");
	assert_text(submission, "fingerprint.confidence", "normal");
	assert_text(submission, "agent", "coresnap");
	assert_null(find(submission, "_tx"));
	csn_submission_free(submission);
}

static void fields_of_the_request_are_attributes_but_not_ours(void **state)
{
	static const struct csn_ingest_pair pairs[] = {
		{ "hostname", "h2" },      { "dc", "newyork" },    { "callstack", "x" },
		{ "_rxid", "x" },          { "fingerprint", "x" }, { "timestamp", "1" },
		{ "classifiers", "mine" },
	};
	struct csn_ingest_request request = request_of(report);
	struct csn_submission *submission;

	(void)state;
	request.pairs = pairs;
	request.n_pairs = csn_countof(pairs);
	submission = prepare(&request);
	assert_text(submission, "hostname", "h2");
	assert_text(submission, "dc", "newyork");
	assert_text(submission, "callstack", "{\"frame\":[\"store\",\"main\"]}");
	assert_text(submission, "classifiers", "segv null write");
	assert_null(find(submission, "_rxid"));
	assert_null(find(submission, "timestamp"));
	csn_submission_free(submission);
}

static void attachments_are_copied(void **state)
{
	const struct csn_submission_file files[] = {
		{ "n.txt", "text/plain", "hello", 5 },
		{ "empty", NULL, "", 0 },
	};
	struct csn_ingest_request request = request_of(report);
	struct csn_submission *submission;

	(void)state;
	request.attachments = files;
	request.n_attachments = csn_countof(files);
	submission = prepare(&request);
	assert_int_equal(submission->n_attachments, 2);
	assert_string_equal(submission->attachments[0].name, "n.txt");
	assert_memory_equal(submission->attachments[0].data, "hello", 5);
	assert_string_equal(submission->attachments[1].content_type, "application/octet-stream");
	assert_int_equal(submission->attachments[1].size_bytes, 0);
	csn_submission_free(submission);
}

static void a_document_without_frames_has_no_callstack(void **state)
{
	struct csn_ingest_request request =
		request_of(HEAD "\"threads\":{},\"attributes\":{\"callstack\":\"not JSON\"}}");
	struct csn_submission *submission = prepare(&request);

	(void)state;
	assert_null(find(submission, "callstack"));
	assert_text(submission, "fingerprint.confidence", "low");
	csn_submission_free(submission);
}

static void a_time_that_is_none_is_now(void **state)
{
	struct csn_ingest_request request = request_of(
		"{\"uuid\":\"00112233-4455-4677-8899-aabbccddeeff\",\"timestamp\":0,\"lang\":"
		"\"c\",\"langVersion\":\"1\",\"agent\":\"a\",\"agentVersion\":\"1\","
		"\"mainThread\":\"1\",\"threads\":{}}");
	struct csn_submission *submission = prepare(&request);

	(void)state;
	assert_true(submission->timestamp > 1700000000);
	csn_submission_free(submission);
}

static void assert_refused(const char *text, const char *format, enum csn_code code,
			   const char *part)
{
	struct csn_ingest_request request = request_of(text);
	struct csn_submission *submission = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	request.format = format;
	assert_int_equal(csn_ingest_prepare(&request, &submission, &err), -(int)code);
	if (!strstr(err.text, part))
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
	assert_null(submission);
}

static void broken_documents_are_refused_with_the_reason(void **state)
{
	(void)state;
	assert_refused("junk", "json", CSN_E_FORMAT, "not JSON");
	assert_refused("", "json", CSN_E_FORMAT, "");
	assert_refused("", NULL, CSN_E_FORMAT, "");
	assert_refused("[]", "json", CSN_E_FORMAT, "not a report");
	assert_refused("{}", "json", CSN_E_FORMAT, "is missing");
	assert_refused("not a snapshot", "btt", CSN_E_FORMAT, "");
	assert_refused(report, "minidump", CSN_E_UNSUPPORTED, "send btt or json");
}

static void too_many_or_too_long_fields_are_refused(void **state)
{
	static struct csn_ingest_pair pairs[CSN_MAX_KV_PAIRS + 1];
	static char large[CSN_MAX_KV_BYTES + 1];
	struct csn_ingest_request request = request_of(report);
	struct csn_submission *submission = NULL;
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < csn_countof(pairs); i++)
		pairs[i] = (struct csn_ingest_pair){ "a", "b" };
	request.pairs = pairs;
	request.n_pairs = csn_countof(pairs);
	assert_int_equal(csn_ingest_prepare(&request, &submission, &err), -CSN_E_LIMIT);
	memset(large, 'x', sizeof(large) - 1);
	pairs[0].value = large;
	request.n_pairs = 1;
	assert_int_equal(csn_ingest_prepare(&request, &submission, &err), -CSN_E_LIMIT);
	assert_null(submission);
}

static void a_stored_document_can_be_explained(void **state)
{
	struct csn_buf out = CSN_BUF_INIT(CSN_MIB);
	struct csn_error err = CSN_ERROR_INIT;

	(void)state;
	assert_int_equal(csn_ingest_explain(report, strlen(report), NULL, &out, &err), 0);
	assert_non_null(strstr(csn_buf_text(&out), "\"family\":\"memory\""));
	assert_non_null(strstr(csn_buf_text(&out), "\"token\":\"store\""));
	csn_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_documents_attributes_keep_their_types),
		cmocka_unit_test(what_follows_from_the_document_is_added),
		cmocka_unit_test(fields_of_the_request_are_attributes_but_not_ours),
		cmocka_unit_test(attachments_are_copied),
		cmocka_unit_test(a_document_without_frames_has_no_callstack),
		cmocka_unit_test(a_time_that_is_none_is_now),
		cmocka_unit_test(broken_documents_are_refused_with_the_reason),
		cmocka_unit_test(too_many_or_too_long_fields_are_refused),
		cmocka_unit_test(a_stored_document_can_be_explained),
	};

	return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
