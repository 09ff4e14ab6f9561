// SPDX-License-Identifier: GPL-2.0-only
/* usual: what the kernel half may measure, and that its measurements become the exchanges that they were. */
#include "items/app/requests/phases.c"
#include "items/app/requests/talk.c"
#include "items/app/requests/usual.c"
#include "items/app/requests/verdict.c"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#define US  1000ull
#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\n\r\nhello"

enum { LENGTH_AT = sizeof("HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: ") - 1 };

static struct {
	struct outcome last;
	struct pair_moment asked;
	uint64_t request_bytes, response_bytes;
	char target[64], status[16];
	size_t n;
} seen;
static struct talks talks;
static struct usual_settings settings;
static struct usual_known known[USUAL_KNOWN];
static struct usual_slot slots[USUAL_SLOTS];
static uint64_t in, out; /* positions of connection 7 */

static void keep(void *ctx, struct talk *talk, struct outcome *outcome)
{
	const struct exchange *exchange = outcome->exchange;

	seen.n++;
	seen.last = *outcome;
	seen.asked = exchange->asked;
	seen.request_bytes = exchange->request.bytes;
	seen.response_bytes = exchange->response.bytes;
	snprintf(seen.target, sizeof(seen.target), "%.*s", (int)exchange->request.target.len,
		 (const char *)exchange->request.target.at);
	snprintf(seen.status, sizeof(seen.status), "%.*s", (int)exchange->response.status.len,
		 (const char *)exchange->response.status.at);
}

static void open_end(uint64_t cookie, bool is_accepted, uint16_t local, uint16_t remote)
{
	struct requests_open open = {.head = {REQUESTS_OPEN, sizeof(open), 0, 1},
				     .cookie = cookie,
				     .is_accepted = is_accepted,
				     .transport = IPPROTO_TCP,
				     .local_port = local,
				     .remote_port = remote};

	if (remote) /* on the loopback of IPv6 */
		open.local_addr[ADDR_BYTES - 1] = open.remote_addr[ADDR_BYTES - 1] = 1;
	talks_event(&talks, &open.head, sizeof(open));
}

static void open_one(uint64_t cookie)
{
	in = out = 0;
	open_end(cookie, true, 80, 0);
}

static int begin(void **state)
{
	memset(&seen, 0, sizeof(seen));
	memset(known, 0xff, sizeof(known)); /* what another agent left */
	memset(slots, 0xff, sizeof(slots));
	talks_init(&talks, 64, keep, NULL);
	usual_follow(&talks, &settings, known, slots);
	open_one(7);
	return 0;
}

static int end(void **state)
{
	talks_done(&talks);
	return 0;
}

static void tell_at(uint64_t cookie, unsigned direction, const char *text, uint64_t ns,
		    uint64_t position)
{
	size_t len = strlen(text);
	struct requests_data *data = calloc(1, sizeof(*data) + len);

	data->head = (struct event_head){REQUESTS_DATA, (uint16_t)(sizeof(*data) + len), 0, ns};
	data->cookie = cookie;
	data->position = position;
	data->moved = (uint32_t)len;
	data->first = (uint16_t)len;
	data->direction = (uint8_t)direction;
	memcpy(data->bytes, text, len);
	talks_event(&talks, &data->head, data->head.size);
	free(data);
}

static void tell(uint64_t cookie, unsigned direction, const char *text, uint64_t ns)
{
	uint64_t *position = direction ? &out : &in;

	tell_at(cookie, direction, text, ns, *position);
	*position += strlen(text);
}

static void exchange(const char *request, const char *response)
{
	tell(7, REQUESTS_IN, request, 10 * US);
	tell(7, REQUESTS_OUT, response, 20 * US);
}

static const struct usual_known *published(void)
{
	const struct usual_known *found = NULL;

	for (size_t i = 0; i < USUAL_KNOWN; i++)
		if (known[i].hash) {
			assert_null(found);
			found = &known[i];
		}
	return found;
}

/* (by the first ones the protocol becomes known) */
enum { ENOUGH = SIGHTINGS + 2 };

static uint32_t learn(void)
{
	for (int i = 0; i < ENOUGH; i++)
		exchange(GET, OK);
	assert_non_null(published());
	return published()->number;
}

static struct usual_event event_of(uint32_t number, uint64_t count)
{
	struct usual_event event = {.head = {REQUESTS_USUAL, sizeof(event), 0, 1000 * US},
				    .cookie = 7,
				    .position = {in, out},
				    .pid = 4711,
				    .count = count};

	for (uint64_t i = 0; i < count; i++)
		event.exchange[i] = (struct usual_exchange){
			.asked_ns = (1000 + i) * 100 * US,
			.waited_ns = 5 * US,
			.answered_ns = 30 * US,
			.took_ns = 2 * US,
			.response_bytes = (uint32_t)(sizeof(OK) - 1 + i),
			.number = number,
		};
	return event;
}

static void hand_over(const struct usual_event *event)
{
	talks_event(&talks, &event->head, sizeof(*event));
	for (uint64_t i = 0; i < event->count; i++) {
		in += sizeof(GET) - 1;
		out += event->exchange[i].response_bytes;
	}
}

static uint64_t left_out(void)
{
	return talks.usual.counts.left_out;
}

static void publishes_what_came_often(void **state)
{
	const struct usual_known *place;

	for (int i = 0; i < SIGHTINGS - 1; i++)
		exchange(GET, OK);
	assert_null(published());
	assert_int_equal(slots[7].cookie, 0);
	for (int i = SIGHTINGS - 1; i < ENOUGH; i++)
		exchange(GET, OK);
	place = published();
	assert_non_null(place);
	assert_int_equal(place->bytes, sizeof(GET) - 1);
	assert_int_equal(place->head_bytes, sizeof(OK) - 1 - 5);
	assert_int_equal(place->length_at, LENGTH_AT);
	assert_int_equal(place->digits, 1);
	assert_memory_equal(&place->status, "200 ", 4);
	assert_int_equal(slots[7].cookie, 7);
	assert_int_equal(slots[7].busy, 0);
}

static void keeps_what_must_be_read_out_of_it(void **state)
{
	static const char *const odd[][2] = {
		{"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
		 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{"GET /no HTTP/1.1\r\nHost: h\r\n\r\n",
		 "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nhello"},
		{"GET /c HTTP/1.1\r\nHost: h\r\n\r\n",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"GET /e HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 204 OK\r\n\r\n"},
		{GET GET, OK OK},
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		for (int n = 0; n < 2 * SIGHTINGS; n++)
			exchange(odd[i][0], odd[i][1]);
	assert_null(published());
	assert_int_equal(slots[7].cookie, 0);
}

static void measured_ones_are_exchanges(void **state)
{
	uint32_t number = learn();
	struct usual_event event = event_of(number, 3);
	size_t before = seen.n;

	hand_over(&event);
	assert_int_equal(seen.n - before, 3);
	assert_string_equal(seen.target, "/a");
	assert_string_equal(seen.status, "200");
	assert_int_equal(seen.request_bytes, sizeof(GET) - 1);
	assert_int_equal(seen.response_bytes, sizeof(OK) + 1);
	assert_int_equal(seen.last.side, SIDE_SERVER);
	assert_int_equal(seen.asked.first, 1002 * 100 * US);
	assert_int_equal(seen.last.began_ns, 1002 * 100 * US - 5 * US);
	assert_int_equal(seen.last.duration_ns, 37 * US);
	assert_int_equal(seen.last.phase_ns[PHASE_QUEUE], 5 * US);
	assert_int_equal(seen.last.phase_ns[PHASE_PROCESS], 30 * US);
	assert_int_equal(seen.last.phase_ns[PHASE_SEND], 2 * US);
	assert_true(seen.last.is_whole);
	assert_int_equal(left_out(), 0);

	exchange("GET /b HTTP/1.1\r\nHost: h\r\n\r\n", OK); /* and it goes on as ever */
	assert_int_equal(seen.n - before, 4);
	assert_string_equal(seen.target, "/b");
	assert_true(seen.last.is_whole);
}

static void what_waits_is_fetched_once(void **state)
{
	uint32_t number = learn();
	size_t before = seen.n;

	slots[7].event = event_of(number, 3);
	slots[7].last_ns = 1000 * US;
	usual_fetch(&talks);
	assert_int_equal(seen.n - before, 3);
	usual_fetch(&talks);
	assert_int_equal(seen.n - before, 3);
	slots[7].event.exchange[3] = slots[7].event.exchange[2];
	slots[7].event.count = 4;
	hand_over(&slots[7].event);
	assert_int_equal(seen.n - before, 4);
	assert_int_equal(left_out(), 0);
}

static void what_waits_behind_untold_events_is_left_there(void **state)
{
	uint32_t number = learn();
	size_t before = seen.n;
	struct usual_event event = event_of(number, 2);

	slots[7].event = event;
	slots[7].event.position[0] += 2 * (sizeof(GET) - 1);
	slots[7].event.position[1] += 2 * sizeof(OK) - 1;
	slots[7].last_ns = 1000 * US;
	usual_fetch(&talks);
	assert_int_equal(seen.n - before, 0);
	hand_over(&event);
	usual_fetch(&talks);
	assert_int_equal(seen.n - before, 4);
	assert_int_equal(left_out(), 0);
}

static void a_request_may_be_told_by_its_number(void **state)
{
	struct {
		struct requests_data data;
		uint32_t number;
	} asked = {.data = {.head = {REQUESTS_DATA, sizeof(asked), REQUESTS_BY_NUMBER, 50 * US},
			    .cookie = 7,
			    .moved = sizeof(GET) - 1,
			    .first = sizeof(asked.number)}};
	size_t before;

	asked.number = learn();
	asked.data.position = in;
	before = seen.n;
	talks_event(&talks, &asked.data.head,
		    offsetof(typeof(asked), number) + sizeof(asked.number));
	in += sizeof(GET) - 1;
	tell(7, REQUESTS_OUT, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 60 * US);
	assert_int_equal(seen.n - before, 1);
	assert_string_equal(seen.target, "/a");
	assert_string_equal(seen.status, "500");
	assert_true(seen.last.is_failure);
}

static void what_does_not_fit_is_counted_and_ends_it(void **state)
{
	uint32_t number = learn();
	struct usual_event event = event_of(number, 3);
	size_t before = seen.n;

	tell(7, REQUESTS_IN, GET, 70 * US); /* something is open */
	event.position[0] = in;
	talks_event(&talks, &event.head, sizeof(event));
	assert_int_equal(seen.n, before);
	assert_int_equal(left_out(), 3);
	assert_int_equal(slots[7].cookie, 0);

	tell(7, REQUESTS_OUT, OK, 80 * US);
	assert_int_equal(seen.n - before, 1);
	learn();
	assert_int_equal(slots[7].cookie, 7); /* and later it may again */
	event = event_of(number + USUAL_KNOWN, 1);
	talks_event(&talks, &event.head, sizeof(event)); /* a request that nobody remembers */
	assert_int_equal(left_out(), 4);
	event = event_of(number, 1);
	event.cookie = 9;
	talks_event(&talks, &event.head, sizeof(event)); /* nor that connection */
	assert_int_equal(left_out(), 5);
}

static void events_that_lie_are_refused(void **state)
{
	struct usual_event event = event_of(learn(), USUAL_BATCH);
	size_t before = seen.n;

	talks_event(&talks, &event.head, sizeof(event) - 1);
	event.count = USUAL_BATCH + 1;
	talks_event(&talks, &event.head, sizeof(event));
	assert_int_equal(talks.counts.bad, 2);
	assert_int_equal(seen.n, before);
}

static void a_connection_that_ends_gives_its_slot_back(void **state)
{
	struct requests_closed closed = {.head = {REQUESTS_CLOSED, sizeof(closed), 0, 90 * US},
					 .cookie = 7};
	uint32_t number = learn();
	size_t before = seen.n;

	slots[7].event = event_of(number, 2); /* the kernel half found no room to tell of them */
	closed.position[0] = in;
	closed.position[1] = out;
	talks_event(&talks, &closed.head, sizeof(closed));
	assert_int_equal(seen.n - before, 2);
	assert_int_equal(slots[7].cookie, 0);
	assert_int_equal(talks.usual.granted, 0);
	open_one(7 + USUAL_SLOTS);
	for (int i = 0; i < ENOUGH; i++) {
		tell(7 + USUAL_SLOTS, REQUESTS_IN, GET, 10 * US);
		tell(7 + USUAL_SLOTS, REQUESTS_OUT, OK, 20 * US);
	}
	assert_int_equal(slots[7].cookie, 7 + USUAL_SLOTS);
	assert_int_equal(slots[7].event.count, 0);
}

static void slots_of_both_ends_know_each_other(void **state)
{
	struct talk *client;

	open_end(8, true, 81, 5000);
	open_end(9, false, 5000, 81);
	for (int i = 0; i < ENOUGH; i++) {
		tell_at(9, REQUESTS_OUT, GET, 10 * US, in);
		tell_at(8, REQUESTS_IN, GET, 11 * US, in);
		tell_at(8, REQUESTS_OUT, OK, 20 * US, out);
		tell_at(9, REQUESTS_IN, OK, 21 * US, out);
		in += sizeof(GET) - 1;
		out += sizeof(OK) - 1;
	}
	assert_int_equal(slots[8].peer, 9);
	assert_int_equal(slots[9].peer, 8);
	slots[9].mailbox.cookie = 9; /* as the kernel half does when it holds the connection */
	client = talk_find(&talks, 9);
	usual_revoke(&talks, client);
	assert_int_equal(slots[9].mailbox.cookie, 0); /* nobody leaves anything there any more */
}

/* The hash must be that of usual.bpf.h, which takes words from a room that is filled up with zeros. */
static void both_halves_hash_alike(void **state)
{
	static uint8_t room[USUAL_BYTES + 8 * USUAL_WORDS] __attribute__((aligned(8)));
	struct talk *talk = talk_find(&talks, 7);
	unsigned seed = (unsigned)getpid();

	print_message("seed %u\n", seed);
	srandom(seed);
	for (int n = 0; n < 2000; n++) {
		uint32_t len = (uint32_t)random() % USUAL_BYTES + 1;
		uint64_t even = usual_hash_begin(settings.seed, talk->local_port, len),
			 odd = settings.seed, word[USUAL_WORDS];

		for (size_t i = 0; i < len; i++)
			room[i] = (uint8_t)random();
		memset(room + len, 0, 8 * USUAL_WORDS);
		for (size_t i = 0; i < len; i += sizeof(word)) {
			memcpy(word, room + i, sizeof(word));
			even = usual_mix(even, word[0]);
			odd = usual_mix(odd, word[1]);
		}
		assert_int_equal(usual_hash_end(even, odd),
				 hash_of(&talks.usual, talk, (struct span){room, len}));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(publishes_what_came_often, begin, end),
		cmocka_unit_test_setup_teardown(keeps_what_must_be_read_out_of_it, begin, end),
		cmocka_unit_test_setup_teardown(measured_ones_are_exchanges, begin, end),
		cmocka_unit_test_setup_teardown(what_waits_is_fetched_once, begin, end),
		cmocka_unit_test_setup_teardown(what_waits_behind_untold_events_is_left_there,
						begin, end),
		cmocka_unit_test_setup_teardown(a_request_may_be_told_by_its_number, begin, end),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_counted_and_ends_it, begin,
						end),
		cmocka_unit_test_setup_teardown(events_that_lie_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(a_connection_that_ends_gives_its_slot_back, begin,
						end),
		cmocka_unit_test_setup_teardown(slots_of_both_ends_know_each_other, begin, end),
		cmocka_unit_test_setup_teardown(both_halves_hash_alike, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
