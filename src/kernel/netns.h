/* SPDX-License-Identifier: GPL-2.0-only */
/* netns - the broker in another network namespace for a moment. (It has one thread; setns changes the whole thread.) */
#pragma once

/* Enters that of process `pid`. *ret_own: for going back. 0 or -errno, then it is where it was. */
int netns_enter(int pid, int *ret_own);
void netns_return(int own);
