/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fake_agent - a small agent for the tests of the API: three items, their records made to order.
 *
 *	exec	on; publishes records when told: POST /v1/items/exec/publish {"args":["100"]}
 *	runqlat	on; has rows: POST /v1/items/runqlat/rows {"args":["1000"]}
 *	quiet	off until it is switched on or held
 *
 * POST /v1/items/exec/metrics {"args":["1000"]} makes /metrics have so many series.
 */
#pragma once

#include "serve/serve.h"

struct fake_agent {
	struct agent_api api;
	struct serve
		*serve; /* set by whoever starts the server: its metrics are part of /metrics */
	struct stream *stream;
	struct family *family;
	uint64_t published, rows, series;
	bool quiet_on, ready;
	unsigned held, reloads, added, removed;
	char last_file[128];
	uint64_t last_bytes;
	int64_t min_us;
};

struct fake_agent *fake_agent_new(void);
void fake_agent_free(struct fake_agent *agent);
