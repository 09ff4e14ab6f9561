// SPDX-License-Identifier: GPL-2.0-only
/*
 * elf - sections and symbols of a BPF object, which may be a stranger's.
 *
 * Structures are copied out of the bytes before they are looked at: their place in a hostile file need not
 * be aligned. Layout: System V ABI, chapter 4 and 5, in the names of <elf.h>.
 */
#include "items/bpf_elf.h"

#include <elf.h>
#include <errno.h>

/* `count` * `size` bytes at `offset`; false if they are not all there. */
static bool piece_of(struct span bytes, uint64_t offset, uint64_t size, struct span *ret)
{
	if (offset > bytes.len || size > bytes.len - offset)
		return false;
	*ret = (struct span){bytes.at + offset, (size_t)size};
	return true;
}

static const char *string_at(struct span strings, uint64_t offset)
{
	if (offset >= strings.len || !memchr(strings.at + offset, 0, strings.len - offset))
		return "";
	return (const char *)strings.at + offset;
}

static bool section_header(const struct elf *elf, uint32_t index, Elf64_Shdr *ret)
{
	struct span header;

	if (index >= elf->sections ||
	    !piece_of(elf->bytes, elf->sections_at + index * sizeof(*ret), sizeof(*ret), &header))
		return false;
	memcpy(ret, header.at, sizeof(*ret));
	return true;
}

bool elf_section(const struct elf *elf, uint32_t index, struct elf_section *ret)
{
	struct elf_section section = {};
	Elf64_Shdr header;

	if (!section_header(elf, index, &header))
		return false;
	if (header.sh_type != SHT_NOBITS &&
	    !piece_of(elf->bytes, header.sh_offset, header.sh_size, &section.bytes))
		return false;
	section.name = string_at(elf->section_names, header.sh_name);
	section.type = header.sh_type;
	section.info = header.sh_info;
	section.link = header.sh_link;
	section.entry = header.sh_entsize < UINT32_MAX ? (uint32_t)header.sh_entsize : 0;
	section.is_code = header.sh_flags & SHF_EXECINSTR;
	*ret = section;
	return true;
}

bool elf_section_named(const struct elf *elf, const char *name, struct elf_section *ret)
{
	for (uint32_t i = 1; i < elf->sections; i++)
		if (elf_section(elf, i, ret) && !strcmp(ret->name, name))
			return true;
	return false;
}

bool elf_symbol(const struct elf *elf, uint32_t index, struct elf_symbol *ret)
{
	Elf64_Sym symbol;
	struct span entry;

	if (index >= elf->symbols ||
	    !piece_of(elf->symbol_table, index * sizeof(symbol), sizeof(symbol), &entry))
		return false;
	memcpy(&symbol, entry.at, sizeof(symbol));
	*ret = (struct elf_symbol){
		.name = string_at(elf->symbol_names, symbol.st_name),
		.section = symbol.st_shndx < SHN_LORESERVE ? symbol.st_shndx : 0,
		.value = symbol.st_value,
		.size = symbol.st_size,
		.is_function = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC,
	};
	return true;
}

bool elf_symbol_named(const struct elf *elf, const char *name, struct elf_symbol *ret,
		      uint32_t *ret_index)
{
	for (uint32_t i = 1; i < elf->symbols; i++) {
		if (!elf_symbol(elf, i, ret) || !ret->section || strcmp(ret->name, name) != 0)
			continue;
		if (ret_index)
			*ret_index = i;
		return true;
	}
	return false;
}

static bool table_refers_to(struct span table, uint32_t index)
{
	Elf64_Rel relocation;

	for (size_t at = 0; at + sizeof(relocation) <= table.len; at += sizeof(relocation)) {
		memcpy(&relocation, table.at + at, sizeof(relocation));
		if (ELF64_R_SYM(relocation.r_info) == index)
			return true;
	}
	return false;
}

bool elf_symbol_is_used(const struct elf *elf, uint32_t index)
{
	for (uint32_t i = 1; i < elf->sections; i++) {
		struct elf_section table, code;

		if (elf_section(elf, i, &table) && table.type == SHT_REL &&
		    elf_section(elf, table.info, &code) && code.is_code &&
		    table_refers_to(table.bytes, index))
			return true;
	}
	return false;
}

static int check_header(const Elf64_Ehdr *header, size_t size, struct err *why)
{
	if (size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return err_set(why, -EINVAL, "not an ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
		return err_set(why, -EINVAL, "not a 64-bit little endian ELF file");
	if (header->e_machine != EM_BPF)
		return err_set(why, -EINVAL,
			       "not made for BPF (ELF machine %u), but by another compiler",
			       header->e_machine);
	if (header->e_type != ET_REL)
		return err_set(why, -EINVAL, "not a relocatable object (ELF type %u)",
			       header->e_type);
	return 0;
}

static int find_symbols(struct elf *elf, struct err *why)
{
	for (uint32_t i = 1; i < elf->sections; i++) {
		struct elf_section table, names;

		if (!elf_section(elf, i, &table) || table.type != SHT_SYMTAB)
			continue;
		if (!elf_section(elf, table.link, &names))
			break;
		elf->symbol_table = table.bytes;
		elf->symbol_names = names.bytes;
		if (table.bytes.len / sizeof(Elf64_Sym) > ELF_SYMBOLS)
			return err_set(why, -E2BIG, "more than %d symbols", ELF_SYMBOLS);
		elf->symbols = (uint32_t)(table.bytes.len / sizeof(Elf64_Sym));
		return 0;
	}
	return err_set(why, -EINVAL, "the ELF file has no symbols, or is cut short");
}

int bpf_elf_open(struct elf *elf, const void *bytes, size_t size, struct err *why)
{
	struct elf_section names;
	Elf64_Ehdr header = {};
	struct span table;
	int error;

	if (size > ELF_OBJECT_BYTES)
		return err_set(why, -E2BIG, "above %d MiB", ELF_OBJECT_BYTES >> 20);
	if (size)
		memcpy(&header, bytes, size < sizeof(header) ? size : sizeof(header));
	error = check_header(&header, size, why);
	if (error)
		return error;
	*elf = (struct elf){
		.bytes = {bytes, size},
		.sections = header.e_shnum,
		.sections_at = header.e_shoff,
	};
	if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum > ELF_SECTIONS ||
	    !header.e_shnum ||
	    !piece_of(elf->bytes, header.e_shoff, header.e_shnum * sizeof(Elf64_Shdr), &table) ||
	    !elf_section(elf, header.e_shstrndx, &names))
		return err_set(why, -EINVAL, "the ELF file's sections are damaged or cut short");
	elf->section_names = names.bytes;
	return find_symbols(elf, why);
}
