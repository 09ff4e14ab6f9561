// SPDX-License-Identifier: GPL-2.0-only
/* main - which command was given. Everything else is in the command's own file. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

int main(int argc, char **argv)
{
	return command_run(argc, argv);
}
