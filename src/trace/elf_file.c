// SPDX-License-Identifier: GPL-2.0-only
/* elf_file - symbols and segments of a 64-bit little-endian ELF file (System V ABI, chapters 4 and 5). */
#include "trace/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const void *part(const struct elf *elf, uint64_t offset, uint64_t size)
{
	if (offset > elf->bytes.len || size > elf->bytes.len - offset)
		return NULL;
	return elf->bytes.at + offset;
}

static const Elf64_Ehdr *header(const struct elf *elf)
{
	return (const void *)elf->bytes.at;
}

int elf_over(struct elf *elf, struct span bytes)
{
	const Elf64_Ehdr *h = (const void *)bytes.at;

	if (bytes.len < sizeof(*h) || memcmp(h->e_ident, ELFMAG, SELFMAG) ||
	    h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	*elf = (struct elf){.bytes = bytes, .type = h->e_type};
	return 0;
}

int elf_open(struct elf *elf, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct stat st;
	void *at;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0) {
		close(fd);
		return -EINVAL;
	}
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return -ENOMEM;
	err = elf_over(elf, (struct span){at, (size_t)st.st_size});
	if (err)
		munmap(at, (size_t)st.st_size);
	return err;
}

void elf_close(struct elf *elf)
{
	if (elf->bytes.at)
		munmap((void *)elf->bytes.at, elf->bytes.len);
	*elf = (struct elf){};
}

static const Elf64_Shdr *section_at(const struct elf *elf, uint32_t index)
{
	const Elf64_Ehdr *h = header(elf);

	if (index >= h->e_shnum || h->e_shentsize != sizeof(Elf64_Shdr))
		return NULL;
	return part(elf, h->e_shoff + (uint64_t)index * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr));
}

/* A name must end inside its string section. */
static const char *name_in(const struct elf *elf, const Elf64_Shdr *strings, uint32_t at)
{
	const char *text = strings ? part(elf, strings->sh_offset, strings->sh_size) : NULL;

	if (!text || at >= strings->sh_size || !memchr(text + at, 0, strings->sh_size - at))
		return NULL;
	return text + at;
}

bool elf_next(const struct elf *elf, struct elf_walk *walk, struct elf_symbol *ret_symbol)
{
	for (; walk->section < header(elf)->e_shnum; walk->section++, walk->index = 0) {
		const Elf64_Shdr *section = section_at(elf, walk->section), *strings;
		const Elf64_Sym *symbols;

		if (!section || (section->sh_type != SHT_SYMTAB && section->sh_type != SHT_DYNSYM))
			continue;
		symbols = part(elf, section->sh_offset, section->sh_size);
		strings = section_at(elf, section->sh_link);
		if (!symbols || !strings)
			continue;
		while (walk->index < section->sh_size / sizeof(*symbols)) {
			const Elf64_Sym *symbol = &symbols[walk->index++];
			unsigned kind = ELF64_ST_TYPE(symbol->st_info);
			const char *name;

			if (symbol->st_shndx == SHN_UNDEF ||
			    (kind != STT_FUNC && kind != STT_OBJECT && kind != STT_GNU_IFUNC &&
			     kind != STT_NOTYPE))
				continue;
			name = name_in(elf, strings, symbol->st_name);
			if (!name || !*name)
				continue;
			*ret_symbol = (struct elf_symbol){.name = name,
							  .value = symbol->st_value,
							  .size = symbol->st_size,
							  .is_function = kind == STT_FUNC ||
									 kind == STT_GNU_IFUNC};
			return true;
		}
	}
	return false;
}

bool elf_find(const struct elf *elf, const char *name, struct elf_symbol *ret_symbol)
{
	struct elf_walk walk = {};
	struct elf_symbol symbol;
	bool is_found = false;

	while (elf_next(elf, &walk, &symbol)) {
		if (strcmp(symbol.name, name))
			continue;
		if (!is_found || symbol.is_function)
			*ret_symbol = symbol;
		is_found = true;
		if (symbol.is_function)
			break;
	}
	return is_found;
}

static const Elf64_Phdr *segment_at(const struct elf *elf, uint32_t index)
{
	const Elf64_Ehdr *h = header(elf);

	if (index >= h->e_phnum || h->e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	return part(elf, h->e_phoff + (uint64_t)index * sizeof(Elf64_Phdr), sizeof(Elf64_Phdr));
}

bool elf_offset_of(const struct elf *elf, uint64_t address, uint64_t *ret_offset)
{
	for (uint32_t i = 0; i < header(elf)->e_phnum; i++) {
		const Elf64_Phdr *segment = segment_at(elf, i);

		if (!segment || segment->p_type != PT_LOAD || address < segment->p_vaddr ||
		    address - segment->p_vaddr >= segment->p_filesz)
			continue;
		*ret_offset = address - segment->p_vaddr + segment->p_offset;
		return true;
	}
	return false;
}

bool elf_address_of(const struct elf *elf, uint64_t offset, uint64_t *ret_address)
{
	for (uint32_t i = 0; i < header(elf)->e_phnum; i++) {
		const Elf64_Phdr *segment = segment_at(elf, i);

		if (!segment || segment->p_type != PT_LOAD || offset < segment->p_offset ||
		    offset - segment->p_offset >= segment->p_filesz)
			continue;
		*ret_address = offset - segment->p_offset + segment->p_vaddr;
		return true;
	}
	return false;
}

static const Elf64_Shdr *section_named(const struct elf *elf, const char *name)
{
	const Elf64_Shdr *strings = section_at(elf, header(elf)->e_shstrndx);

	for (uint32_t i = 0; i < header(elf)->e_shnum; i++) {
		const Elf64_Shdr *section = section_at(elf, i);
		const char *found = section ? name_in(elf, strings, section->sh_name) : NULL;

		if (found && !strcmp(found, name))
			return section;
	}
	return NULL;
}

bool elf_section_address(const struct elf *elf, const char *name, uint64_t *ret_address)
{
	const Elf64_Shdr *section = section_named(elf, name);

	if (section)
		*ret_address = section->sh_addr;
	return section;
}

bool elf_next_note(const struct elf *elf, const char *name, size_t *at, struct elf_note *ret_note)
{
	const Elf64_Shdr *section = section_named(elf, name);
	const uint8_t *bytes = section ? part(elf, section->sh_offset, section->sh_size) : NULL;
	uint64_t name_size, desc_size;
	Elf64_Nhdr note;

	if (!bytes || *at > section->sh_size || section->sh_size - *at < sizeof(note))
		return false;
	memcpy(&note, bytes + *at, sizeof(note));
	name_size = ((uint64_t)note.n_namesz + 3) / 4 * 4;
	desc_size = ((uint64_t)note.n_descsz + 3) / 4 * 4;
	if (section->sh_size - *at - sizeof(note) < name_size + note.n_descsz)
		return false;
	*ret_note = (struct elf_note){
		.type = note.n_type,
		.name = {bytes + *at + sizeof(note), note.n_namesz ? note.n_namesz - 1 : 0},
		.desc = {bytes + *at + sizeof(note) + name_size, note.n_descsz}};
	*at += sizeof(note) + name_size + desc_size;
	return true;
}
