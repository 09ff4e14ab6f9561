// SPDX-License-Identifier: GPL-2.0-only
/*
 * bpf_strip OUT IN - a BPF object without what only people read: two thirds of it, of a long program nine tenths.
 *
 * libbpf's linker leaves DWARF out. The lines of source that belong to instructions (for the verifier's log) go here, and
 * the relocations of .BTF.ext, which libbpf does not look at. What the kernel and CO-RE need stays.
 */
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Documentation/bpf/btf.rst, "The .BTF.ext section": offsets count from the end of the header. */
struct btf_ext {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t header_len;
	uint32_t functions_off, functions_len;
	uint32_t lines_off, lines_len;
	uint32_t relocations_off, relocations_len;
};

static void drop_lines(Elf_Data *data)
{
	struct btf_ext *header = data->d_buf;
	uint8_t *body = (uint8_t *)data->d_buf + header->header_len;

	/* clang and libbpf write them in this order */
	if (data->d_size < sizeof(*header) || header->header_len < sizeof(*header) ||
	    header->lines_off + header->lines_len != header->relocations_off)
		return;
	memmove(body + header->lines_off, body + header->relocations_off, header->relocations_len);
	data->d_size -= header->lines_len;
	header->relocations_off = header->lines_off;
	header->lines_len = 0;
	elf_flagdata(data, ELF_C_SET, ELF_F_DIRTY);
}

static int strip(int fd)
{
	Elf *elf = elf_begin(fd, ELF_C_RDWR, NULL);
	Elf_Scn *section = NULL;
	size_t names;
	GElf_Shdr header;

	if (!elf || elf_getshdrstrndx(elf, &names))
		return -1;
	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *data = elf_getdata(section, NULL);
		const char *name = gelf_getshdr(section, &header)
					   ? elf_strptr(elf, names, header.sh_name)
					   : NULL;

		if (!name || !data)
			continue;
		if (!strcmp(name, ".BTF.ext"))
			drop_lines(data);
		if (!strcmp(name, ".rel.BTF.ext")) {
			data->d_size = 0;
			elf_flagdata(data, ELF_C_SET, ELF_F_DIRTY);
		}
	}
	return elf_update(elf, ELF_C_WRITE) < 0 ? -1 : elf_end(elf);
}

int main(int argc, char **argv)
{
	struct bpf_linker *linker = argc == 3 ? bpf_linker__new(argv[1], NULL) : NULL;
	int fd;

	if (!linker || bpf_linker__add_file(linker, argv[2], NULL) ||
	    bpf_linker__finalize(linker)) {
		fprintf(stderr, "usage: bpf_strip OUT IN, and IN must be a BPF object\n");
		return 1;
	}
	bpf_linker__free(linker);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (elf_version(EV_CURRENT) == EV_NONE || fd < 0 || strip(fd)) {
		fprintf(stderr, "bpf_strip: cannot shorten '%s': %s\n", argv[1], elf_errmsg(-1));
		return 1;
	}
	return close(fd) ? 1 : 0;
}
