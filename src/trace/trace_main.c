// SPDX-License-Identifier: GPL-2.0-only
/* trace_main - the command as a program of its own: what the room's tests run. */
#include "trace/trace_command.h"

int main(int argc, char **argv)
{
	return trace_command(argc, argv);
}
