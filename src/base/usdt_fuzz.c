// SPDX-License-Identifier: GPL-2.0-only
/* Any notes: places of probes lie in the file, their texts end there, their arguments are as many as fit, and all is read once. */
#include "base/elf_file.c"
#include "base/usdt.c"

#include <elf.h>
#include <stddef.h>
#include <stdlib.h>

enum { NOTES_MOST = 1 << 15 };

struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr section[4];
	char names[48];
	uint8_t notes[NOTES_MOST];
};

static const char names[] = "\0.note.stapsdt\0.stapsdt.base\0.shstrtab";

/* A program that has notes and nothing else. */
static struct span program_over(struct program *program, const uint8_t *at, size_t len)
{
	size_t notes = offsetof(struct program, notes);

	len = len < NOTES_MOST ? len : NOTES_MOST;
	*program = (struct program){
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_version = EV_CURRENT,
			   .e_phoff = offsetof(struct program, segment),
			   .e_shoff = offsetof(struct program, section),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1,
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = 4,
			   .e_shstrndx = 3},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_filesz = notes + len,
			    .p_memsz = notes + len},
		.section = {{},
			    {.sh_name = 1,
			     .sh_type = SHT_NOTE,
			     .sh_addr = notes,
			     .sh_offset = notes,
			     .sh_size = len,
			     .sh_addralign = 4},
			    {.sh_name = 15, .sh_type = SHT_PROGBITS, .sh_addr = notes},
			    {.sh_name = 29,
			     .sh_type = SHT_STRTAB,
			     .sh_offset = offsetof(struct program, names),
			     .sh_size = sizeof(names)}},
	};
	memcpy(program->names, names, sizeof(names));
	memcpy(program->notes, at, len);
	return (struct span){(const uint8_t *)program, notes + len};
}

static void check_text(struct span bytes, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	if (at < bytes.at || at >= bytes.at + bytes.len ||
	    !memchr(at, 0, (size_t)(bytes.at + bytes.len - at)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static struct program program;
	struct span bytes = program_over(&program, at, len);
	struct usdt_place place;
	size_t from = 0, before = 0;
	struct elf elf;

	if (elf_over(&elf, bytes))
		abort();
	while (usdt_next(&elf, &from, &place)) {
		if (from <= before || place.offset >= bytes.len || place.arg_count > USDT_ARGS_MAX)
			abort();
		check_text(bytes, place.provider);
		check_text(bytes, place.name);
		before = from;
	}
	elf_close(&elf);
	return 0;
}
