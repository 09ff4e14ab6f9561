/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * signs - cheap signs that something may be wrong: with the machine, with a container or service of it, or by an alert.
 *
 * A sign is a record of one second: how much of it somebody stood still for want of a CPU, memory or the disk (pressure),
 * was stopped by a limit (throttled) or by the host of a virtual machine (steal), or an alert that fires. What an armed item
 * waits for is a filter over these records (armed.h). Only what some filter asks for is read: the pressure of the
 * machine is three small files; of containers it is as many files for each of them.
 */
#pragma once

#include "items/item.h"
#include "record/filter.h"

struct signs;
struct alerts;

/* What there is to be read. */
enum sign_source {
	SIGN_PRESSURE = 1, /* the machine's */
	SIGN_STEAL = 2,
	SIGN_GROUP_PRESSURE = 4, /* of containers and services */
	SIGN_GROUP_THROTTLING = 8,
	SIGN_ALERTS = 16,
};

/* False = no more. The record is borrowed. */
typedef bool (*sign_each)(void *ctx, const struct record *sign);

struct signs *signs_new(void);
void signs_free(struct signs *signs);
/* Borrowed; NULL = none are watched for. */
void signs_set_alerts(struct signs *signs, const struct alerts *alerts);

const struct layout *signs_layout(void);
/* Which sources a condition is about: a mask of them, 0 = of none. */
unsigned signs_asked_by(const struct filter *when);

/* The signs of the time since these sources were looked at last; the first look at a file tells nothing. `item`: any, for its
 * way to the machine's files. */
void signs_look(struct signs *signs, struct item *item, unsigned sources, uint64_t now_ns,
		sign_each each, void *ctx);
