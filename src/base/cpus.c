// SPDX-License-Identifier: GPL-2.0-only
/* cpus - how many CPUs this machine can ever have. */
#include "base/cpus.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "0-3,8-11": the last number is the highest possible one, holes count too. */
static uint32_t read_possible(void)
{
	char text[256] = "";
	int fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
	char *last = text;
	ssize_t got;

	if (fd < 0)
		return (uint32_t)sysconf(_SC_NPROCESSORS_CONF);
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return (uint32_t)sysconf(_SC_NPROCESSORS_CONF);
	for (char *at = text; *at; at++)
		if (*at == '-' || *at == ',')
			last = at + 1;
	return (uint32_t)strtoul(last, NULL, 10) + 1;
}

uint32_t cpus_possible(void)
{
	static uint32_t cpus;

	if (!cpus)
		cpus = read_possible();
	return cpus ? cpus : 1;
}
