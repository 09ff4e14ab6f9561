// SPDX-License-Identifier: GPL-2.0-only
/* names - the kernel's numbers by name: errors, signals, system calls. */
#include "record/names.h"

#include <asm/unistd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *const syscalls[] = {
#include "syscalls.inc" /* made by tools/syscalls.sh */
};

/* What only the kernel's inside sees: include/linux/errno.h. */
static const char *const inner_errors[] = {
	[0] = "ERESTARTSYS",     "ERESTARTNOINTR", "ERESTARTNOHAND", "ENOIOCTLCMD",
	"ERESTART_RESTARTBLOCK", "EPROBE_DEFER",   "EOPENSTALE",     "ENOPARAM",
	[12] = "ENOTSUPP",
};
enum {
	INNER_ERRORS = 512,
	INNER_ERRORS_END = INNER_ERRORS + sizeof(inner_errors) / sizeof(*inner_errors)
};

/* Real-time signals as user space counts them: glibc keeps 32 and 33 for itself. */
enum { FIRST_REALTIME = 34, LAST_SIGNAL = 64 };

static struct span decimal(int64_t number, char scratch[NAME_TEXT])
{
	int len = snprintf(scratch, NAME_TEXT, "%lld", (long long)number);

	return (struct span){(const uint8_t *)scratch, (size_t)len};
}

struct span errno_name(int64_t number, char scratch[NAME_TEXT])
{
	uint64_t error = number < 0 ? -(uint64_t)number : (uint64_t)number;
	const char *name = NULL;

	if (error < INNER_ERRORS)
		name = strerrorname_np((int)error);
	else if (error < INNER_ERRORS_END)
		name = inner_errors[error - INNER_ERRORS];
	return name ? span_of(name) : decimal(number, scratch);
}

struct span signal_name(uint64_t number, char scratch[NAME_TEXT])
{
	const char *name = number < FIRST_REALTIME ? sigabbrev_np((int)number) : NULL;
	int len;

	if (name)
		len = snprintf(scratch, NAME_TEXT, "SIG%s", name);
	else if (number >= FIRST_REALTIME && number <= LAST_SIGNAL)
		len = snprintf(scratch, NAME_TEXT,
			       number == FIRST_REALTIME ? "SIGRTMIN" : "SIGRTMIN+%d",
			       (int)(number - FIRST_REALTIME));
	else
		return decimal((int64_t)number, scratch);
	return (struct span){(const uint8_t *)scratch, (size_t)len};
}

struct span syscall_text(uint64_t number, char scratch[NAME_TEXT])
{
	if (number < sizeof(syscalls) / sizeof(*syscalls) && syscalls[number])
		return span_of(syscalls[number]);
	return decimal((int64_t)number, scratch);
}
