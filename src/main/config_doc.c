// SPDX-License-Identifier: GPL-2.0-only
/* Prints docs/configuration.md; given a file, says whether it is still what would be printed. */
#include <stdio.h>

#include "main/config.h"

int main(int argc, char **argv)
{
	struct buf page, file;
	struct err why = {};
	int differs = 0;

	buf_init(&page, CONFIG_FILE_BYTES);
	buf_init(&file, CONFIG_FILE_BYTES);
	config_reference(&page);
	if (argc < 2) {
		fwrite(buf_text(&page), 1, page.len, stdout);
	} else if (config_read_file(argv[1], &file, &why)) {
		fprintf(stderr, "%s\n", why.text);
		differs = 1;
	} else {
		differs = !span_same(buf_as_span(&page), buf_as_span(&file));
		if (differs)
			fprintf(stderr, "'%s' is not what the table says; write it anew: %s > %s\n",
				argv[1], argv[0], argv[1]);
	}
	buf_done(&page);
	buf_done(&file);
	return differs;
}
