// SPDX-License-Identifier: GPL-2.0-only
/* netns - enters the network namespace of a process, and leaves it again. */
#include "kernel/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

int netns_enter(int pid, int *ret_own)
{
	char path[64];
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there, error = 0;

	if (own < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0 || setns(there, CLONE_NEWNET))
		error = -errno;
	if (there >= 0)
		close(there);
	if (error)
		close(own);
	else
		*ret_own = own;
	return error;
}

void netns_return(int own)
{
	if (setns(own, CLONE_NEWNET)) /* can't happen: it was ours a moment ago */
		_exit(1);
	close(own);
}
