/* SPDX-License-Identifier: GPL-2.0-only */
/* testing - a broker for tests on the running kernel: it is a child, so that cmocka stays in the first process. */
#pragma once

#include "kernel/client.h"

/* This process becomes the broker's worker; it keeps its privileges unless it drops them. Fails the test when it can't. */
struct kernel *testing_broker_start(void);
/* Closes the connection; the broker's exit status (0 = it ended as it should). */
int testing_broker_end(struct kernel *kernel);
