/* SPDX-License-Identifier: GPL-2.0-only */
/* tell - an exchange as a record of kind `request`, an operation as one of kind `request_total`. */
#pragma once

#include "items/app/requests/totals.h"
#include "items/item.h"

/* Texts of an exchange as they may be shown: templated, masked. They point into each other's buffers. */
struct shown {
	char resource[TOTAL_TEXT_BYTES];
	char target[512];
	char message[256];
	const char *protocol; /* static: what is spoken, be it inside another: grpc in http2 */
	struct span operation;
	struct span status; /* of the protocol; of a call of gRPC its grpc-status */
};

extern struct layout request_layout, request_total_layout, request_summary_layout,
	request_edge_layout;

int tell_prepare(struct err *why);

/* Protocol, operation, resource and status: all that counting needs. */
void show_names(const struct talk *talk, const struct exchange *exchange, struct shown *ret);

/* How a route is called whose name was sent before we came. */
enum { OPAQUE_NAME_BYTES = 48 };
void show_opaque(const struct talk *talk, uint32_t opaque, char ret_name[OPAQUE_NAME_BYTES]);

/* The route of a path that has become known; of a call of gRPC operation and resource. */
void show_path(const char *protocol, struct span path, struct shown *ret);

/* `shown` has its names already. 0, or -ENOMEM. */
int tell_exchange(struct item *item, const struct talk *talk, const struct outcome *outcome,
		  const struct who *who, const char *via, struct shown *shown, struct arena *arena,
		  struct record *record);

int tell_edge(struct item *item, const struct edge_total *edge, uint64_t when_ns,
	      uint64_t interval_ns, struct arena *arena, struct record *record);

int tell_operation(struct item *item, const struct totals *totals,
		   const struct total_operation *operation, struct arena *arena,
		   struct record *record);
