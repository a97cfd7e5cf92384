#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "capture/kernel_socket.h"

#define PATIENCE_MS 200

/* The test plays the kernel at the other end of a real socket. */
struct ends {
	int kernel, ours;
};

static struct ends connect_ends(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	return (struct ends){ pair[0], pair[1] };
}

static void disconnect(struct ends *ends)
{
	close(ends->kernel);
	close(ends->ours);
}

/* A request of size_bytes, which says that it has told_bytes; what is behind the mask is noise. */
static void ask(const struct ends *ends, uint32_t told_bytes, size_t size_bytes,
		uint32_t answer_bytes, uint64_t mask)
{
	uint8_t request[8192];

	memset(request, 0xa5, sizeof(request));
	memcpy(request, &told_bytes, 4);
	memcpy(request + 4, &answer_bytes, 4);
	memcpy(request + 8, &mask, 8);
	assert_true(size_bytes <= sizeof(request));
	assert_int_equal(csn_write_full(ends->kernel, request, size_bytes), 0);
}

static void mark(const struct ends *ends, uint32_t number)
{
	assert_int_equal(csn_write_full(ends->kernel, &number, sizeof(number)), 0);
}

static void expect_answer(const struct ends *ends, uint64_t mask)
{
	uint8_t answer[16];
	uint32_t size, spare;

	assert_int_equal(csn_read_full(ends->kernel, answer, sizeof(answer)), sizeof(answer));
	memcpy(&size, answer, 4);
	memcpy(&spare, answer + 4, 4);
	assert_int_equal(size, sizeof(answer));
	assert_int_equal(spare, 0);
	assert_memory_equal(answer + 8, &mask, 8);
	assert_int_equal(recv(ends->kernel, answer, 1, MSG_DONTWAIT), -1);
}

static int negotiate(const struct ends *ends, struct csn_error *err)
{
	int r = csn_kernel_socket_ask(ends->ours, PATIENCE_MS, err);

	return r == 0 ? csn_kernel_socket_confirm(ends->ours, err) : r;
}

static void the_core_follows_the_request_of_today(void **state)
{
	struct ends ends = connect_ends();
	struct csn_error err;
	char core[4];

	(void)state;
	ask(&ends, 16, 16, 16, 0xf);
	mark(&ends, 0);
	assert_int_equal(csn_write_full(ends.kernel, "\177ELF", 4), 0);
	assert_int_equal(negotiate(&ends, &err), 0);
	expect_answer(&ends, 0x9);
	assert_int_equal(csn_read_full(ends.ours, core, sizeof(core)), sizeof(core));
	assert_memory_equal(core, "\177ELF", sizeof(core));
	disconnect(&ends);
}

static void requests_of_later_kernels_are_read_to_their_end(void **state)
{
	static const uint32_t sizes[] = { 17, 24, 32, 1000, 4096 };
	struct csn_error err;
	size_t i;
	char core;

	(void)state;
	for (i = 0; i < csn_countof(sizes); i++) {
		struct ends ends = connect_ends();

		ask(&ends, sizes[i], sizes[i], 24, 0x7f);
		mark(&ends, 0);
		assert_int_equal(csn_write_full(ends.kernel, "C", 1), 0);
		assert_int_equal(negotiate(&ends, &err), 0);
		expect_answer(&ends, 0x9);
		assert_int_equal(csn_read_full(ends.ours, &core, 1), 1);
		assert_int_equal(core, 'C');
		disconnect(&ends);
	}
}

static void only_what_is_offered_is_asked_for(void **state)
{
	struct ends ends = connect_ends();
	struct csn_error err;

	(void)state;
	ask(&ends, 16, 16, 16, 0x1);
	mark(&ends, 0);
	assert_int_equal(negotiate(&ends, &err), 0);
	expect_answer(&ends, 0x1);
	disconnect(&ends);
}

static void what_cannot_be_agreed_on_is_refused_unanswered(void **state)
{
	static const struct {
		uint32_t told_bytes, size_bytes, answer_bytes;
		uint64_t mask;
		int code;
	} cases[] = {
		{ 0, 16, 16, 0xf, CSN_E_FORMAT },       { 15, 16, 16, 0xf, CSN_E_FORMAT },
		{ 4097, 4097, 16, 0xf, CSN_E_FORMAT },  { UINT32_MAX, 16, 16, 0xf, CSN_E_FORMAT },
		{ 16, 16, 8, 0xf, CSN_E_UNSUPPORTED },  { 16, 16, 0, 0xf, CSN_E_UNSUPPORTED },
		{ 16, 16, 16, 0x6, CSN_E_UNSUPPORTED },
	};
	struct csn_error err;
	size_t i;
	char any;

	(void)state;
	for (i = 0; i < csn_countof(cases); i++) {
		struct ends ends = connect_ends();

		ask(&ends, cases[i].told_bytes, cases[i].size_bytes, cases[i].answer_bytes,
		    cases[i].mask);
		mark(&ends, 0);
		assert_int_equal(negotiate(&ends, &err), -cases[i].code);
		assert_int_equal(recv(ends.kernel, &any, 1, MSG_DONTWAIT), -1);
		disconnect(&ends);
	}
}

static void a_refusal_says_why(void **state)
{
	static const char *const words[] = { "too small", "too large", "not offered", "contradicts",
					     "does not say" };
	struct csn_error err;
	uint32_t i;

	(void)state;
	for (i = 0; i < csn_countof(words); i++) {
		struct ends ends = connect_ends();

		ask(&ends, 16, 16, 16, 0xf);
		mark(&ends, i + 1);
		assert_int_equal(negotiate(&ends, &err), -CSN_E_UNSUPPORTED);
		assert_non_null(strstr(err.text, words[i]));
		disconnect(&ends);
	}
}

static void a_silent_peer_is_not_waited_for(void **state)
{
	struct ends ends = connect_ends();
	struct csn_error err;
	int64_t began_ns = csn_monotonic_ns();

	(void)state;
	ask(&ends, 32, 20, 16, 0xf);
	assert_int_equal(negotiate(&ends, &err), -CSN_E_TIMEOUT);
	assert_true(csn_monotonic_ns() - began_ns < 5 * CSN_NS_PER_SECOND);
	disconnect(&ends);
}

static void a_peer_that_leaves_is_an_error(void **state)
{
	struct ends ends = connect_ends();
	struct csn_error err;

	(void)state;
	ask(&ends, 16, 9, 16, 0xf);
	close(ends.kernel);
	assert_int_equal(negotiate(&ends, &err), -CSN_E_FORMAT);
	close(ends.ours);

	ends = connect_ends();
	ask(&ends, 16, 16, 16, 0xf);
	close(ends.kernel);
	assert_int_equal(negotiate(&ends, &err), -CSN_E_OS);
	close(ends.ours);
}

/* Its pidfd tells of dumps, too, on a kernel that knows them: that alone must not be enough. */
static void a_healthy_peer_is_not_believed(void **state)
{
	struct ends ends = connect_ends();
	struct csn_request request;
	struct csn_error err;
	int r = csn_kernel_socket_identify(ends.ours, &request, &err);

	(void)state;
	assert_true(r == -CSN_E_DENIED || r == -CSN_E_UNSUPPORTED);
	disconnect(&ends);
}

static void a_thread_is_found_by_its_own_number(void **state)
{
	struct csn_request request = { .pid = getpid() };

	(void)state;
	csn_request_complete(&request, 11, gettid());
	assert_int_equal(request.tid, gettid());
	assert_int_equal(request.signal, 11);
	/* What is known stays. */
	csn_request_complete(&request, 6, 1);
	assert_int_equal(request.tid, gettid());
	assert_int_equal(request.signal, 11);
}

static void the_leader_stands_for_a_thread_that_is_unknown(void **state)
{
	struct csn_request untold = { .pid = getpid() }, gone = { .pid = INT32_MAX };

	(void)state;
	csn_request_complete(&untold, 0, 0);
	assert_int_equal(untold.tid, getpid());
	csn_request_complete(&gone, 0, 5);
	assert_int_equal(gone.tid, INT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_core_follows_the_request_of_today),
		cmocka_unit_test(requests_of_later_kernels_are_read_to_their_end),
		cmocka_unit_test(only_what_is_offered_is_asked_for),
		cmocka_unit_test(what_cannot_be_agreed_on_is_refused_unanswered),
		cmocka_unit_test(a_refusal_says_why),
		cmocka_unit_test(a_silent_peer_is_not_waited_for),
		cmocka_unit_test(a_peer_that_leaves_is_an_error),
		cmocka_unit_test(a_healthy_peer_is_not_believed),
		cmocka_unit_test(a_thread_is_found_by_its_own_number),
		cmocka_unit_test(the_leader_stands_for_a_thread_that_is_unknown),
	};

	return cmocka_run_group_tests_name("kernel_socket", tests, NULL, NULL);
}
