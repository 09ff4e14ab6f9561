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
	struct span operation;
};

extern struct layout request_layout, request_total_layout, request_summary_layout;

int tell_prepare(struct err *why);

/* The resource alone: all that counting needs. */
void show_resource(const char *protocol, const struct message *request, struct shown *ret);

/* `shown` has its resource already. 0, or -ENOMEM. */
int tell_exchange(struct item *item, const struct talk *talk, const struct outcome *outcome,
		  const struct who *who, const char *via, struct shown *shown, struct arena *arena,
		  struct record *record);

int tell_operation(struct item *item, const struct totals *totals,
		   const struct total_operation *operation, struct arena *arena,
		   struct record *record);
