// SPDX-License-Identifier: GPL-2.0-only
/* elf_file - symbols and segments of a 64-bit little-endian ELF file (System V ABI, chapters 4 and 5). */
#include "base/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads a piece that is not there yet. The table of pieces is a cache: nothing that a caller sees changes. */
static const void *read_piece(struct elf *elf, uint64_t offset, uint64_t size)
{
	struct elf_piece *piece = &elf->pieces[elf->piece_count];
	uint64_t got = 0;

	if (elf->piece_count == ELF_PIECES || size > ELF_PIECES_BYTES - elf->piece_bytes)
		return NULL;
	piece->at = malloc(size + 1);
	if (!piece->at)
		return NULL;
	while (got < size) {
		ssize_t bytes = pread(elf->fd, piece->at + got, size - got, (off_t)(offset + got));

		if (bytes <= 0) {
			free(piece->at);
			return NULL;
		}
		got += (uint64_t)bytes;
	}
	piece->offset = offset;
	piece->size = size;
	elf->piece_count++;
	elf->piece_bytes += size;
	return piece->at;
}

const void *elf_part(const struct elf *elf, uint64_t offset, uint64_t size)
{
	if (offset > elf->size || size > elf->size - offset)
		return NULL;
	if (elf->fd < 0)
		return elf->bytes.at + offset;
	for (uint32_t i = 0; i < elf->piece_count; i++) {
		const struct elf_piece *piece = &elf->pieces[i];

		if (offset >= piece->offset && offset - piece->offset <= piece->size &&
		    size <= piece->size - (offset - piece->offset))
			return piece->at + (offset - piece->offset);
	}
	return read_piece((struct elf *)(uintptr_t)elf, offset, size);
}

static int take_header(struct elf *elf)
{
	const void *bytes = elf_part(elf, 0, sizeof(Elf64_Ehdr));
	Elf64_Ehdr header;

	if (!bytes)
		return -ENOEXEC;
	memcpy(&header, bytes, sizeof(header));
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	elf->type = header.e_type;
	if (header.e_shentsize == sizeof(Elf64_Shdr)) {
		elf->sections = header.e_shnum;
		elf->sections_at = header.e_shoff;
		elf->names_at = header.e_shstrndx;
	}
	if (header.e_phentsize == sizeof(Elf64_Phdr)) {
		elf->segments = header.e_phnum;
		elf->segments_at = header.e_phoff;
	}
	/* both tables at once: one piece each */
	elf_part(elf, elf->sections_at, elf->sections * sizeof(Elf64_Shdr));
	elf_part(elf, elf->segments_at, elf->segments * sizeof(Elf64_Phdr));
	return 0;
}

int elf_over(struct elf *elf, struct span bytes)
{
	*elf = (struct elf){.bytes = bytes, .fd = -1, .size = bytes.len};
	return take_header(elf);
}

int elf_open_fd(struct elf *elf, int fd)
{
	struct stat st;
	int error;

	*elf = (struct elf){.fd = fd, .pieces = calloc(ELF_PIECES, sizeof(*elf->pieces))};
	if (!elf->pieces) {
		close(fd);
		return -ENOMEM;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0) {
		elf_close(elf);
		return -EINVAL;
	}
	elf->size = (uint64_t)st.st_size;
	error = take_header(elf);
	if (error)
		elf_close(elf);
	return error;
}

int elf_open(struct elf *elf, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : elf_open_fd(elf, fd);
}

void elf_close(struct elf *elf)
{
	for (uint32_t i = 0; i < elf->piece_count; i++)
		free(elf->pieces[i].at);
	if (elf->pieces)
		close(elf->fd);
	free(elf->pieces);
	*elf = (struct elf){.fd = -1};
}

static const Elf64_Shdr *section_at(const struct elf *elf, uint32_t index)
{
	if (index >= elf->sections)
		return NULL;
	return elf_part(elf, elf->sections_at + (uint64_t)index * sizeof(Elf64_Shdr),
			sizeof(Elf64_Shdr));
}

/* A name must end inside its string section. */
static const char *name_in(const struct elf *elf, const Elf64_Shdr *strings, uint32_t at)
{
	const char *text = strings ? elf_part(elf, strings->sh_offset, strings->sh_size) : NULL;

	if (!text || at >= strings->sh_size || !memchr(text + at, 0, strings->sh_size - at))
		return NULL;
	return text + at;
}

bool elf_next_symbol(const struct elf *elf, struct elf_walk *walk, struct elf_symbol *ret_symbol)
{
	for (; walk->section < elf->sections; walk->section++, walk->index = 0) {
		const Elf64_Shdr *section = section_at(elf, walk->section), *strings;
		const Elf64_Sym *symbols;

		if (!section || (section->sh_type != SHT_SYMTAB && section->sh_type != SHT_DYNSYM))
			continue;
		symbols = elf_part(elf, section->sh_offset, section->sh_size);
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

	while (elf_next_symbol(elf, &walk, &symbol)) {
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
	if (index >= elf->segments)
		return NULL;
	return elf_part(elf, elf->segments_at + (uint64_t)index * sizeof(Elf64_Phdr),
			sizeof(Elf64_Phdr));
}

bool elf_offset_of(const struct elf *elf, uint64_t address, uint64_t *ret_offset)
{
	for (uint32_t i = 0; i < elf->segments; i++) {
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
	for (uint32_t i = 0; i < elf->segments; i++) {
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
	const Elf64_Shdr *strings = section_at(elf, elf->names_at);

	for (uint32_t i = 0; i < elf->sections; i++) {
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

bool elf_section_find(const struct elf *elf, const char *name, struct elf_section *ret_section)
{
	const Elf64_Shdr *section = section_named(elf, name);

	if (section)
		*ret_section = (struct elf_section){.address = section->sh_addr,
						    .offset = section->sh_offset,
						    .size = section->sh_size,
						    .type = section->sh_type,
						    .link = section->sh_link};
	return section;
}

bool elf_segment(const struct elf *elf, uint32_t *index, struct elf_segment *ret_segment)
{
	while (*index < elf->segments) {
		const Elf64_Phdr *segment = segment_at(elf, (*index)++);

		if (!segment || segment->p_type != PT_LOAD)
			continue;
		*ret_segment = (struct elf_segment){.address = segment->p_vaddr,
						    .offset = segment->p_offset,
						    .size = segment->p_filesz,
						    .is_code = segment->p_flags & PF_X};
		return true;
	}
	return false;
}

bool elf_next_note(const struct elf *elf, const char *name, size_t *at, struct elf_note *ret_note)
{
	const Elf64_Shdr *section = section_named(elf, name);
	const uint8_t *bytes = section ? elf_part(elf, section->sh_offset, section->sh_size) : NULL;
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
