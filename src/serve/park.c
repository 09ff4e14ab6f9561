// SPDX-License-Identifier: GPL-2.0-only
/*
 * park - requests whose answers are made in another thread.
 *
 * The client may go while it waits. So neither points to the other's end: the connection knows what is parked of it, what
 * is parked knows whether its connection is still there.
 */
#include <stdlib.h>

#include "serve/route.h"

struct parked {
	struct serve *serve;
	struct connection *connection; /* NULL: the client is gone */
	const struct route *route;
	bool may_change;
};

struct parked *request_park(struct request *request)
{
	struct parked *parked = malloc(sizeof(*parked));

	if (!parked)
		return NULL;
	*parked = (struct parked){
		.serve = request->serve,
		.connection = request->connection,
		.route = request->route,
		.may_change = request->may_change,
	};
	request->is_answered = true;
	request->connection->parked = parked;
	request->connection->state = STATE_WAIT;
	request->connection->since_ns = clock_monotonic_ns();
	return parked;
}

bool parked_resume(struct parked *parked, struct request *ret_request)
{
	struct connection *connection = parked->connection;

	*ret_request = (struct request){
		.serve = parked->serve,
		.connection = connection,
		.http = connection ? &connection->http : NULL,
		.route = parked->route,
		.may_change = parked->may_change,
	};
	free(parked);
	if (connection)
		connection->parked = NULL;
	return connection != NULL;
}

void parked_forget(struct parked *parked)
{
	parked->connection = NULL;
}

void parked_answer(struct parked *parked, int error, const struct err *why, struct buf *body)
{
	struct request request;

	if (!parked_resume(parked, &request))
		return;
	if (error < 0)
		answer_why(&request, why);
	else
		answer_json(&request, 200, body);
}

int park_question(struct request *request, int error, struct question *question,
		  struct parked **ret_parked, struct err *why)
{
	struct request again;

	if (!error) {
		*ret_parked = request_park(request);
		if (!*ret_parked)
			error = err_set(why, -ENOMEM, "no memory for the question");
	}
	if (error) {
		answer_why(request, why);
		return error;
	}
	error = history_ask(request->serve->api->history, question, why);
	if (error && parked_resume(*ret_parked, &again))
		answer_why(&again, why);
	return error;
}
