// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client and a server that number their messages, and a wire on which some are lost: no exchange may
 * bring together what does not belong together, and every message must be accounted for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "protocol/pair.h"

#include <stdio.h>
#include <time.h>

enum { DEPTH_MAX = 64 };

static unsigned seed_of_today(void)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);

	print_message("SEED=%u\n", seed);
	srand(seed);
	return seed;
}

static bool chance(int percent)
{
	return rand() % 100 < percent;
}

/* What happens on one connection. */
struct play {
	struct pair pair;
	enum correlation correlation;
	unsigned depth; /* requests the client has open at most */
	int loss, quiet,
		swap; /* percent: messages lost, quiet requests, responses told before their request */
	bool has_ids;
	uint64_t asked, waiting[DEPTH_MAX * 4];
	enum answer answers[DEPTH_MAX * 4];
	bool will_answer[DEPTH_MAX * 4];
	size_t n;
	uint64_t wrong, wrong_assumed, right, bare;
};

static void check_exchange(struct play *play, const struct exchange *exchange)
{
	if (!exchange->has_response) {
		play->bare++;
		return;
	}
	if (span_same(exchange->request.operation, exchange->response.status)) {
		play->right++;
		assert_int_equal(exchange->asked.first, exchange->answered.first);
	} else if (exchange->proof == PROOF_ASSUMED) {
		play->wrong_assumed++;
	} else {
		play->wrong++;
	}
}

static void tell(struct play *play, enum message_kind kind, uint64_t number, enum answer answer)
{
	struct exchange exchange;
	char text[32];
	struct message message = {
		.kind = kind,
		.answer = answer,
		.correlation = play->correlation,
		.id = play->has_ids ? number : 0, /* as in the request */
		.is_complete = true,
	};

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	if (kind == MESSAGE_REQUEST)
		message.operation = span_of(text);
	else
		message.status = span_of(text);
	pair_message(&play->pair, &message, (struct pair_moment){number, number, 0});
	while (pair_take(&play->pair, &exchange))
		check_exchange(play, &exchange);
	memset(text, '!', sizeof(text)); /* borrowed no longer */
	assert_true(pair_is_even(&play->pair));
}

static void wire(struct play *play, enum message_kind kind, uint64_t number, enum answer answer)
{
	if (chance(play->loss)) {
		if (play->correlation != CORRELATION_ID)
			pair_lost(&play->pair, kind == MESSAGE_REQUEST ? SIDE_CLIENT : SIDE_SERVER,
				  LOSS_ANY);
		return;
	}
	tell(play, kind, number, answer);
}

static void client_asks(struct play *play)
{
	uint64_t number = ++play->asked;
	enum answer answer = chance(play->quiet) ? ANSWER_MAYBE : ANSWER_ONE;
	bool will_answer = answer == ANSWER_ONE || chance(50);

	/* the response is told before the request: another CPU was faster, on a connection all seen */
	if (!play->n && answer == ANSWER_ONE && chance(play->swap)) {
		tell(play, MESSAGE_RESPONSE, number, answer);
		tell(play, MESSAGE_REQUEST, number, answer);
		return;
	}
	wire(play, MESSAGE_REQUEST, number, answer);
	play->answers[play->n] = answer;
	play->will_answer[play->n] = will_answer;
	play->waiting[play->n++] = number;
}

static void server_answers(struct play *play, size_t i)
{
	if (play->will_answer[i])
		wire(play, MESSAGE_RESPONSE, play->waiting[i], play->answers[i]);
	play->n--;
	memmove(play->waiting + i, play->waiting + i + 1, (play->n - i) * sizeof(*play->waiting));
	memmove(play->answers + i, play->answers + i + 1, (play->n - i) * sizeof(*play->answers));
	memmove(play->will_answer + i, play->will_answer + i + 1,
		(play->n - i) * sizeof(*play->will_answer));
}

static void run(struct play *play, bool from_start, size_t steps)
{
	struct exchange exchange;

	pair_init(&play->pair, from_start, PAIR_ROOM);
	if (!from_start) /* joined late: some are open already, of which nothing was seen */
		for (size_t i = (size_t)rand() % play->depth; i; i--) {
			play->answers[play->n] = ANSWER_ONE;
			play->will_answer[play->n] = true;
			play->waiting[play->n++] = ++play->asked;
		}
	for (size_t i = 0; i < steps; i++) {
		if (play->n < play->depth && (!play->n || chance(50)))
			client_asks(play);
		else
			server_answers(play, play->correlation == CORRELATION_ID
						     ? (size_t)rand() % play->n
						     : 0);
	}
	while (play->n)
		server_answers(play, 0);
	pair_give_up(&play->pair, UINT64_MAX);
	while (pair_take(&play->pair, &exchange))
		check_exchange(play, &exchange);
	assert_true(pair_is_even(&play->pair));
	assert_int_equal(play->wrong, 0);
	assert_int_equal(play->pair.open, 0);
}

static void pairs_everything_in_order_when_all_is_seen(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 300; round++) {
		struct play play = {.depth = 1 + (unsigned)rand() % DEPTH_MAX,
				    .correlation = CORRELATION_ORDER,
				    .swap = 5};

		run(&play, true, 500);
		assert_int_equal(play.right, play.asked);
		assert_int_equal(play.pair.counts.assumed, 0);
		pair_done(&play.pair);
	}
}

static void tells_quiet_requests_apart_by_id(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 300; round++) {
		struct play play = {.depth = 1 + (unsigned)rand() % DEPTH_MAX,
				    .correlation = CORRELATION_ORDER_ID,
				    .has_ids = true,
				    .quiet = 30};

		run(&play, true, 500);
		assert_int_equal(play.right + play.bare, play.asked);
		assert_int_equal(play.pair.counts.lost_requests, 0);
		pair_done(&play.pair);
	}
}

/* Without ids nobody can say which quiet request was answered: then it must not be said. */
static void never_guesses_among_quiet_requests(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 300; round++) {
		struct play play = {.depth = 1 + (unsigned)rand() % 8,
				    .correlation = CORRELATION_ORDER_ID,
				    .quiet = 30};

		run(&play, true, 500);
		pair_done(&play.pair);
	}
}

static void pairs_nothing_wrong_when_messages_are_lost(void **state)
{
	uint64_t right = 0, asked = 0;

	seed_of_today();
	for (size_t round = 0; round < 1000; round++) {
		struct play play = {.depth = 1 + (unsigned)rand() % DEPTH_MAX,
				    .correlation =
					    round % 2 ? CORRELATION_ORDER : CORRELATION_ORDER_ID,
				    .has_ids = chance(50),
				    .quiet = round % 2 ? 0 : 10,
				    .loss = 1 + rand() % 10};

		run(&play, chance(50), 500);
		right += play.right;
		asked += play.asked;
		pair_done(&play.pair);
	}
	print_message("%llu of %llu paired\n", (unsigned long long)right,
		      (unsigned long long)asked);
	assert_true(right > 0);
}

/* A client with one request open at a time is paired again after each loss. */
static void recovers_with_a_client_that_waits(void **state)
{
	uint64_t right = 0, asked = 0, assumed = 0;

	seed_of_today();
	for (size_t round = 0; round < 300; round++) {
		struct play play = {.depth = 1, .correlation = CORRELATION_ORDER, .loss = 1};

		run(&play, chance(50), 500);
		assert_int_equal(play.wrong_assumed, 0);
		right += play.right;
		asked += play.asked;
		assumed += play.pair.counts.assumed;
		pair_done(&play.pair);
	}
	print_message("%llu of %llu paired\n", (unsigned long long)right,
		      (unsigned long long)asked);
	assert_true(right > asked * 95 / 100);
	assert_true(assumed > 0);
}

static void pairs_by_id_whatever_is_lost(void **state)
{
	seed_of_today();
	for (size_t round = 0; round < 300; round++) {
		struct play play = {.depth = 1 + (unsigned)rand() % DEPTH_MAX,
				    .correlation = CORRELATION_ID,
				    .has_ids = true,
				    .loss = rand() % 10};

		run(&play, chance(50), 500);
		assert_true(play.loss || play.right >= play.asked - play.depth);
		pair_done(&play.pair);
	}
}

/* Beyond its room, requests are counted and keep their place: the others are paired all the same. */
static void keeps_the_order_when_there_is_no_room(void **state)
{
	struct play play = {.correlation = CORRELATION_ORDER};

	pair_init(&play.pair, true, 4096);
	for (uint64_t i = 1; i <= 1000; i++)
		tell(&play, MESSAGE_REQUEST, i, ANSWER_ONE);
	for (uint64_t i = 1; i <= 500; i++)
		tell(&play, MESSAGE_RESPONSE, i, ANSWER_ONE);
	for (uint64_t i = 1001; i <= 1005; i++)
		tell(&play, MESSAGE_REQUEST, i, ANSWER_ONE);
	for (uint64_t i = 501; i <= 1005; i++)
		tell(&play, MESSAGE_RESPONSE, i, ANSWER_ONE);
	assert_int_equal(play.wrong, 0);
	assert_true(play.right > 20);
	assert_int_equal(play.pair.counts.overflows, 1005 - play.right);
	assert_int_equal(play.pair.size, 4096);
	assert_int_equal(play.pair.order, 0);
	pair_done(&play.pair);
}

static void takes_a_pipeline_of_a_thousand(void **state)
{
	struct play play = {.correlation = CORRELATION_ORDER};

	pair_init(&play.pair, true, PAIR_ROOM);
	for (size_t round = 0; round < 10; round++) {
		for (uint64_t i = 1; i <= 1000; i++)
			tell(&play, MESSAGE_REQUEST, i, ANSWER_ONE);
		for (uint64_t i = 1; i <= 1000; i++)
			tell(&play, MESSAGE_RESPONSE, i, ANSWER_ONE);
	}
	assert_int_equal(play.right, 10000);
	assert_int_equal(play.pair.counts.overflows, 0);
	pair_done(&play.pair);
}

/* Every head is longer than what is captured: each exchange is there, marked as assumed. */
static void pairs_requests_whose_tails_are_missing(void **state)
{
	struct play play = {.correlation = CORRELATION_ORDER};

	pair_init(&play.pair, true, PAIR_ROOM);
	for (uint64_t i = 1; i <= 100; i++) {
		tell(&play, MESSAGE_REQUEST, i, ANSWER_ONE);
		pair_lost(&play.pair, SIDE_CLIENT, LOSS_TAIL);
		tell(&play, MESSAGE_RESPONSE, i, ANSWER_ONE);
		pair_lost(&play.pair, SIDE_SERVER, LOSS_TAIL);
	}
	assert_int_equal(play.right, 100);
	assert_int_equal(play.pair.counts.assumed, 100);
	pair_done(&play.pair);
}

static void counts_interim_and_one_way_messages(void **state)
{
	struct play play = {.correlation = CORRELATION_ORDER};
	struct exchange exchange;

	pair_init(&play.pair, true, PAIR_ROOM);
	tell(&play, MESSAGE_REQUEST, 1, ANSWER_NONE);
	assert_int_equal(play.bare, 1);
	tell(&play, MESSAGE_REQUEST, 2, ANSWER_ONE);
	tell(&play, MESSAGE_INTERIM, 2, ANSWER_ONE);
	tell(&play, MESSAGE_PUSH, 9, ANSWER_ONE);
	pair_message(&play.pair,
		     &(struct message){.kind = MESSAGE_RESPONSE, .status = span_of("2")},
		     (struct pair_moment){2, 3, 0});
	assert_true(pair_take(&play.pair, &exchange));
	assert_int_equal(exchange.interims, 1);
	assert_int_equal(exchange.answered.last, 3);
	assert_false(pair_take(&play.pair, &exchange));
	pair_done(&play.pair);
}

/* "noreply" and then an error: whose it is, nobody can say. */
static void an_error_after_noreply_is_nobodys(void **state)
{
	struct message error = {
		.kind = MESSAGE_RESPONSE, .correlation = CORRELATION_ORDER_ID, .is_error = true};
	struct play play = {.correlation = CORRELATION_ORDER_ID};
	struct exchange exchange;

	pair_init(&play.pair, true, PAIR_ROOM);
	tell(&play, MESSAGE_REQUEST, 1, ANSWER_ERROR);
	tell(&play, MESSAGE_REQUEST, 2, ANSWER_ONE);
	tell(&play, MESSAGE_RESPONSE, 2, ANSWER_ONE); /* not an error: surely the second's */
	assert_int_equal(play.right, 1);
	tell(&play, MESSAGE_REQUEST, 3, ANSWER_ERROR);
	tell(&play, MESSAGE_REQUEST, 4, ANSWER_ONE);
	pair_message(&play.pair, &error, (struct pair_moment){});
	assert_false(pair_take(&play.pair, &exchange));
	assert_int_equal(play.pair.counts.lost_responses, 1);
	tell(&play, MESSAGE_RESPONSE, 4, ANSWER_ONE);
	assert_int_equal(play.right, 1);
	pair_done(&play.pair);
}

static void settles_when_the_caller_knows(void **state)
{
	struct play play = {.correlation = CORRELATION_ORDER};

	pair_init(&play.pair, false, PAIR_ROOM);
	for (uint64_t i = 1; i <= 4; i++)
		tell(&play, MESSAGE_REQUEST, i, ANSWER_ONE);
	for (uint64_t i = 1; i <= 4; i++)
		tell(&play, MESSAGE_RESPONSE, i, ANSWER_ONE);
	assert_int_equal(play.right, 0);
	pair_settle(&play.pair);
	for (uint64_t i = 1; i <= 4; i++)
		tell(&play, MESSAGE_REQUEST, i, ANSWER_ONE);
	for (uint64_t i = 1; i <= 4; i++)
		tell(&play, MESSAGE_RESPONSE, i, ANSWER_ONE);
	assert_int_equal(play.right, 4);
	assert_int_equal(play.pair.counts.assumed, 0);
	pair_done(&play.pair);
}

static void gives_up_what_is_too_old(void **state)
{
	struct play play = {.correlation = CORRELATION_ID, .has_ids = true};
	struct exchange exchange;

	pair_init(&play.pair, true, PAIR_ROOM);
	for (uint64_t i = 1; i <= 4; i++)
		tell(&play, MESSAGE_REQUEST, i, ANSWER_ONE);
	pair_give_up(&play.pair, 3);
	for (size_t i = 0; i < 2; i++) {
		assert_true(pair_take(&play.pair, &exchange));
		assert_true(exchange.is_given_up && !exchange.has_response);
	}
	assert_false(pair_take(&play.pair, &exchange));
	assert_true(pair_is_even(&play.pair));
	pair_done(&play.pair);
}

static struct message numbered(enum message_kind kind, const char *number)
{
	struct message message = {
		.kind = kind,
		.correlation = CORRELATION_ORDER,
		.answer = ANSWER_ONE,
		.is_complete = true,
	};

	*(kind == MESSAGE_REQUEST ? &message.operation : &message.status) = span_of(number);
	return message;
}

static void tell_number(struct pair *pair, enum message_kind kind, const char *number, uint64_t ns)
{
	struct message message = numbered(kind, number);

	pair_message(pair, &message, (struct pair_moment){ns, ns, 0});
}

static void trust_pairs_what_comes_after_a_pause(void **state)
{
	struct exchange exchange;
	struct pair pair;

	pair_init(&pair, false, PAIR_ROOM);
	tell_number(&pair, MESSAGE_REQUEST, "1", 1);
	tell_number(&pair, MESSAGE_REQUEST, "2", 1);
	tell_number(&pair, MESSAGE_RESPONSE, "1", 1);
	assert_false(pair_take(&pair, &exchange)); /* which of them? */
	pair_trust(&pair);
	for (int i = 3; i < 5; i++)
		tell_number(&pair, MESSAGE_REQUEST, i == 3 ? "3" : "4", 2);
	for (int i = 3; i < 5; i++) {
		tell_number(&pair, MESSAGE_RESPONSE, i == 3 ? "3" : "4", 3);
		assert_true(pair_take(&pair, &exchange));
		assert_true(span_same(exchange.request.operation, exchange.response.status));
		assert_int_equal(exchange.proof, PROOF_ASSUMED);
		assert_false(pair_take(&pair, &exchange));
	}
	assert_true(pair_is_sure(&pair));
	tell_number(&pair, MESSAGE_RESPONSE, "5",
		    4); /* nobody asked: what was believed was wrong */
	assert_false(pair_take(&pair, &exchange));
	assert_false(pair_is_sure(&pair));
	assert_true(pair_is_even(&pair));
	pair_done(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_everything_in_order_when_all_is_seen),
		cmocka_unit_test(tells_quiet_requests_apart_by_id),
		cmocka_unit_test(never_guesses_among_quiet_requests),
		cmocka_unit_test(pairs_nothing_wrong_when_messages_are_lost),
		cmocka_unit_test(recovers_with_a_client_that_waits),
		cmocka_unit_test(pairs_by_id_whatever_is_lost),
		cmocka_unit_test(keeps_the_order_when_there_is_no_room),
		cmocka_unit_test(takes_a_pipeline_of_a_thousand),
		cmocka_unit_test(pairs_requests_whose_tails_are_missing),
		cmocka_unit_test(counts_interim_and_one_way_messages),
		cmocka_unit_test(an_error_after_noreply_is_nobodys),
		cmocka_unit_test(settles_when_the_caller_knows),
		cmocka_unit_test(trust_pairs_what_comes_after_a_pause),
		cmocka_unit_test(gives_up_what_is_too_old),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
