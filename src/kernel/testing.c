// SPDX-License-Identifier: GPL-2.0-only
/* testing - a broker for tests on the running kernel. */
#include "kernel/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "kernel/broker.h"
#include "kernel/split.h"

static pid_t broker_pid;

__attribute__((noreturn)) static void be_broker(const struct split *split)
{
	struct broker *broker;
	struct err why = {};
	int alive;

	if (broker_new(split->sock, split->area, &broker, &why))
		_exit(2);
	do
		alive = broker_serve(broker, NULL);
	while (alive > 0);
	broker_free(broker);
	_exit(alive ? 3 : 0);
}

struct kernel *testing_broker_start(void)
{
	struct kernel *kernel;
	struct split split;
	struct err why = {};

	if (split_fork(&split, &why) < 0)
		fail_msg("%s", why.text);
	if (!split.child) /* the pair is symmetric: here the child is the broker */
		be_broker(&split);
	broker_pid = split.child;
	if (kernel_connect(split.sock, split.area, NULL, &kernel, &why))
		fail_msg("%s", why.text);
	return kernel;
}

int testing_broker_end(struct kernel *kernel)
{
	int status = 0;

	kernel_close(kernel);
	waitpid(broker_pid, &status, 0);
	return status;
}
