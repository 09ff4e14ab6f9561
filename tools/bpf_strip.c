// SPDX-License-Identifier: GPL-2.0-only
/* bpf_strip OUT IN - a BPF object without what only debuggers read, which is two thirds of it: libbpf's own linker leaves it out. */
#include <bpf/libbpf.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct bpf_linker *linker = argc == 3 ? bpf_linker__new(argv[1], NULL) : NULL;

	if (!linker || bpf_linker__add_file(linker, argv[2], NULL) || bpf_linker__finalize(linker)) {
		fprintf(stderr, "usage: bpf_strip OUT IN, and IN must be a BPF object\n");
		return 1;
	}
	bpf_linker__free(linker);
	return 0;
}
