// SPDX-License-Identifier: GPL-2.0-only
/* usdt - the probes that a program's authors put into it, as its ELF notes tell of them. */
#include "base/usdt.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arch.h"

enum { NOTE_STAPSDT = 3 };

/* ---- arguments: "-4@%edi 8@16(%rsp) 8@$5", on arm64 "4@w0 8@[sp, 16] 8@5" ---- */

#if defined(__x86_64__)
/* The four widths of a register are one place in pt_regs. */
static int register_offset(const char *name, size_t len)
{
	static const struct {
		const char *names[4];
		const char *place;
	} registers[] = {
		{{"rax", "eax", "ax", "al"}, "ax"},       {{"rbx", "ebx", "bx", "bl"}, "bx"},
		{{"rcx", "ecx", "cx", "cl"}, "cx"},       {{"rdx", "edx", "dx", "dl"}, "dx"},
		{{"rsi", "esi", "si", "sil"}, "si"},      {{"rdi", "edi", "di", "dil"}, "di"},
		{{"rbp", "ebp", "bp", "bpl"}, "bp"},      {{"rsp", "esp", "sp", "spl"}, "sp"},
		{{"r8", "r8d", "r8w", "r8b"}, "r8"},      {{"r9", "r9d", "r9w", "r9b"}, "r9"},
		{{"r10", "r10d", "r10w", "r10b"}, "r10"}, {{"r11", "r11d", "r11w", "r11b"}, "r11"},
		{{"r12", "r12d", "r12w", "r12b"}, "r12"}, {{"r13", "r13d", "r13w", "r13b"}, "r13"},
		{{"r14", "r14d", "r14w", "r14b"}, "r14"}, {{"r15", "r15d", "r15w", "r15b"}, "r15"},
		{{"rip", "eip", "ip", ""}, "ip"},
	};

	for (size_t i = 0; i < sizeof(registers) / sizeof(*registers); i++)
		for (size_t j = 0; j < 4; j++)
			if (strlen(registers[i].names[j]) == len && len &&
			    !memcmp(registers[i].names[j], name, len))
				return arch_register_offset(registers[i].place,
							    strlen(registers[i].place));
	return -1;
}

static bool take_register(const char **text, int *ret_offset)
{
	size_t len;

	if (**text != '%')
		return false;
	len = strspn(*text + 1, "abcdefghijklmnopqrstuvwxyz0123456789");
	*ret_offset = register_offset(*text + 1, len);
	*text += len + 1;
	return *ret_offset >= 0;
}

static bool parse_operand(const char *text, struct usdt_arg *arg)
{
	char *end;

	if (*text == '$') {
		arg->kind = ARG_CONSTANT;
		arg->number = (int64_t)strtoll(text + 1, &end, 0);
		return end != text + 1;
	}
	if (*text == '%') {
		arg->kind = ARG_REGISTER;
		return take_register(&text, &arg->base) && !*text;
	}
	arg->kind = ARG_MEMORY;
	arg->number = (int64_t)strtoll(text, &end, 0);
	text = end;
	if (*text++ != '(' || !take_register(&text, &arg->base))
		return false;
	if (*text == ',') {
		text++;
		if (!take_register(&text, &arg->index))
			return false;
		arg->scale = 1;
		if (*text == ',') {
			arg->scale = (uint8_t)strtoul(text + 1, &end, 10);
			text = end;
		}
	}
	return *text == ')';
}
#else
static bool take_register(const char **text, int *ret_offset)
{
	char name[8];
	size_t len = strspn(*text, "wxsp0123456789");

	snprintf(name, sizeof(name), "%.*s", (int)len, *text);
	if (*name == 'w' || *name == 'x')
		*name = 'r';
	*ret_offset = arch_register_offset(name, strlen(name));
	*text += len;
	return *ret_offset >= 0;
}

static bool parse_operand(const char *text, struct usdt_arg *arg)
{
	char *end;

	if (*text == '[') {
		arg->kind = ARG_MEMORY;
		text++;
		if (!take_register(&text, &arg->base))
			return false;
		text += strspn(text, ", #");
		arg->number = *text == ']' ? 0 : (int64_t)strtoll(text, &end, 0);
		return true;
	}
	if (*text == 'w' || *text == 'x' || *text == 's') {
		arg->kind = ARG_REGISTER;
		return take_register(&text, &arg->base);
	}
	arg->kind = ARG_CONSTANT;
	arg->number = (int64_t)strtoll(text, &end, 0);
	return end != text;
}
#endif

/* One that is not understood ends the list: what comes before it can be read. */
static void parse_arguments(const char *text, struct usdt_place *place)
{
	while (*text && place->arg_count < USDT_ARGS_MAX) {
		struct usdt_arg arg = {.base = -1, .index = -1, .is_signed = *text == '-'};
		char operand[128], *end;
		size_t len;

		arg.size = (uint8_t)strtoul(text + arg.is_signed, &end, 10);
		if (*end != '@')
			arg.size = 8; /* the size may be left out */
		else
			text = end + 1;
		len = strcspn(text, " ");
		if (*text == '[' && strchr(text, ']'))
			len = (size_t)(strchr(text, ']') - text) + 1;
		snprintf(operand, sizeof(operand), "%.*s", (int)len, text);
		if (arg.size > 8 || (arg.size & (arg.size - 1)) || !parse_operand(operand, &arg))
			return;
		place->args[place->arg_count++] = arg;
		text += len;
		text += strspn(text, " ");
	}
}

/* ---- notes ---- */

static const char *text_in(struct span rest, size_t *at)
{
	const uint8_t *start = rest.at + *at;
	const uint8_t *end = *at < rest.len ? memchr(start, 0, rest.len - *at) : NULL;

	if (!end)
		return NULL;
	*at += (size_t)(end - start) + 1;
	return (const char *)start;
}

static bool take_note(const struct elf *elf, struct span desc, struct usdt_place *ret_place)
{
	struct usdt_place place = {};
	uint64_t where[3], base;
	const char *arguments;
	size_t at = sizeof(where);

	if (desc.len < sizeof(where))
		return false;
	memcpy(where, desc.at, sizeof(where));
	place.provider = text_in(desc, &at);
	place.name = place.provider ? text_in(desc, &at) : NULL;
	arguments = place.name ? text_in(desc, &at) : NULL;
	if (!arguments)
		return false;
	if (elf_section_address(elf, ".stapsdt.base", &base)) {
		where[0] += base - where[1];
		where[2] += where[2] ? base - where[1] : 0;
	}
	if (!elf_offset_of(elf, where[0], &place.offset) ||
	    (where[2] && !elf_offset_of(elf, where[2], &place.semaphore)))
		return false;
	parse_arguments(arguments, &place);
	*ret_place = place;
	return true;
}

bool usdt_next(const struct elf *elf, size_t *at, struct usdt_place *ret_place)
{
	struct elf_note note;

	while (elf_next_note(elf, ".note.stapsdt", at, &note))
		if (note.type == NOTE_STAPSDT && span_is(note.name, "stapsdt") &&
		    take_note(elf, note.desc, ret_place))
			return true;
	return false;
}
