/* SPDX-License-Identifier: GPL-2.0-only */
/* constants - names that scripts take from system headers: AF_INET, EPERM, SIGKILL, O_RDONLY ... */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool constant_find(const char *name, int64_t *ret_value);

/* "read" for 0 on x86-64; NULL. */
const char *syscall_name(uint64_t number);
/* 9 for "SIGKILL" and "KILL", 0. */
int signal_number(const char *name);
