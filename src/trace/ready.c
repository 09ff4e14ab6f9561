// SPDX-License-Identifier: GPL-2.0-only
/* ready - finds a script that comes with the program, and says what each is for. */
#include "trace/ready.h"

#include <string.h>

const char *ready_find(const char *name)
{
	size_t len = strlen(name);

	if (len > 3 && !strcmp(name + len - 3, ".bt"))
		len -= 3;
	for (const struct ready_script *script = ready_scripts; script->name; script++)
		if (strlen(script->name) == len && !strncmp(script->name, name, len))
			return script->text;
	return NULL;
}

/* The line after the interpreter's says it: "// NAME ARGUMENTS: what it does". */
void ready_list(FILE *to)
{
	for (const struct ready_script *script = ready_scripts; script->name; script++) {
		const char *line = strstr(script->text, "// ");

		if (line)
			fprintf(to, "    %.*s\n", (int)strcspn(line + 3, "\n"), line + 3);
	}
}
