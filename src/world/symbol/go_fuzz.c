// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any table: functions that are found in it lie in the file, and their returns in them. The bytes are the section .gopclntab of a
 * program that has nothing else, and its code at once.
 */
#include "base/elf_file.c"
#include "base/x86.c"
#include "world/symbol/go.c"

#include <elf.h>
#include <stdlib.h>

enum { TABLE_MOST = 1 << 16 };

struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr section[4];
	char names[32];
	uint8_t table[TABLE_MOST];
};

static const char names[] = "\0.gopclntab\0.text\0.shstrtab";

static struct span program_over(struct program *program, const uint8_t *at, size_t len)
{
	size_t table = offsetof(struct program, table);

	len = len < TABLE_MOST ? len : TABLE_MOST;
	*program = (struct program){
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_EXEC,
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
			    .p_filesz = table + len,
			    .p_memsz = table + len},
		.section = {{},
			    {.sh_name = 1,
			     .sh_type = SHT_PROGBITS,
			     .sh_addr = table,
			     .sh_offset = table,
			     .sh_size = len},
			    {.sh_name = 12,
			     .sh_type = SHT_PROGBITS,
			     .sh_addr = table,
			     .sh_offset = table,
			     .sh_size = len},
			    {.sh_name = 18,
			     .sh_type = SHT_STRTAB,
			     .sh_offset = offsetof(struct program, names),
			     .sh_size = sizeof(names)}},
	};
	memcpy(program->names, names, sizeof(names));
	memcpy(program->table, at, len);
	return (struct span){(const uint8_t *)program, table + len};
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const char *const wanted[] = {"a", "crypto/tls.(*Conn).Read", "runtime.memmove", ""};
	static struct program program;
	struct span bytes = program_over(&program, at, len);
	struct go_function function;
	struct go_table table;
	uint64_t offset;
	struct elf elf;

	if (elf_over(&elf, bytes))
		abort();
	for (size_t i = 0; i < 4 && go_open(&elf, &table); i++) {
		if (go_find_begin(&elf, &table, wanted[i], &offset) && offset >= bytes.len)
			abort();
		if (!go_find(&elf, &table, wanted[i], &function))
			continue;
		if (function.offset + function.size > bytes.len ||
		    function.return_count > GO_RETURNS)
			abort();
		for (uint32_t j = 0; j < function.return_count; j++)
			if (function.returns[j] < function.offset ||
			    function.returns[j] >= function.offset + function.size)
				abort();
	}
	elf_close(&elf);
	return 0;
}
