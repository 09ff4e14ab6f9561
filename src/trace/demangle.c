// SPDX-License-Identifier: GPL-2.0-only
/*
 * demangle - C++ names, read by recursive descent.
 *
 * Every piece is written to one growing text. What can be referred to again later ("S1_", "T_") is remembered as a
 * piece of text of its own, in an arena: names are short, and are read once for each symbol.
 *
 * Types wrap around what they are of: "pointer to function" is written on both sides of the star. So a type is two
 * texts, what stands before a declarator and what stands behind it.
 */
#include "trace/demangle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum {
	SUBSTITUTIONS_MAX = 256,
	ARGUMENTS_MAX = 64,
	DEPTH_MAX = 96,
	TEXT_MAX = 1 << 16, /* references to references grow quickly */
	ARENA_BYTES = 4 << 20,
};

struct piece {
	const char *before, *behind; /* of the declarator; behind: "" mostly */
};

struct reader {
	const char *at, *end;
	struct arena arena;
	struct piece known[SUBSTITUTIONS_MAX];
	uint32_t known_count;
	struct piece arguments[ARGUMENTS_MAX]; /* of the innermost template that was named */
	uint32_t argument_count;
	uint32_t depth, size;
	bool is_failed;
	/* of the name read last */
	bool is_template, is_structor, is_conversion;
	const char *qualifiers; /* of the member function: " const" */
	const char *last_name; /* for constructors: A::A */
};

static struct piece read_type(struct reader *r);
static struct piece read_parameter(struct reader *r);
static const char *read_name(struct reader *r);
static const char *read_encoding(struct reader *r);

static const char *fail(struct reader *r)
{
	r->is_failed = true;
	return "";
}

static struct piece fail_type(struct reader *r)
{
	r->is_failed = true;
	return (struct piece){"", ""};
}

/* Up to five texts, one behind the other. */
static const char *join(struct reader *r, const char *a, const char *b, const char *c,
			const char *d, const char *e)
{
	const char *const parts[] = {a, b, c, d, e};
	size_t len = 0, at = 0;
	char *text;

	for (size_t i = 0; i < 5; i++)
		len += strlen(parts[i]);
	r->size += (uint32_t)len;
	text = r->size < ARENA_BYTES / 2 && len < TEXT_MAX ? arena_new(&r->arena, len + 1) : NULL;
	if (!text)
		return fail(r);
	for (size_t i = 0; i < 5; i++) {
		memcpy(text + at, parts[i], strlen(parts[i]));
		at += strlen(parts[i]);
	}
	text[at] = 0;
	return text;
}

static const char *plain(struct reader *r, struct piece piece)
{
	if (!*piece.behind)
		return piece.before;
	return join(r, piece.before, *piece.behind == '(' ? " " : "", piece.behind, "", "");
}

static char peek(const struct reader *r)
{
	return r->at < r->end ? *r->at : 0;
}

static bool take(struct reader *r, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
		return false;
	r->at += len;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void remember(struct reader *r, struct piece piece)
{
	if (r->known_count < SUBSTITUTIONS_MAX)
		r->known[r->known_count++] = piece;
	else
		r->is_failed = true;
}

static void remember_name(struct reader *r, const char *name)
{
	remember(r, (struct piece){name, ""});
}

static bool read_number(struct reader *r, uint32_t *ret_number)
{
	uint32_t number = 0;

	if (!is_digit(peek(r)))
		return false;
	while (is_digit(peek(r)) && number < 100000000)
		number = number * 10 + (uint32_t)(*r->at++ - '0');
	*ret_number = number;
	return true;
}

/* "_" is 0, "0_" is 1, "Z_" is 36 (base 36). */
static bool read_index(struct reader *r, uint32_t *ret_index)
{
	uint32_t index = 0;

	if (take(r, "_")) {
		*ret_index = 0;
		return true;
	}
	while (is_digit(peek(r)) || (peek(r) >= 'A' && peek(r) <= 'Z')) {
		index = index * 36 +
			(uint32_t)(is_digit(*r->at) ? *r->at - '0' : *r->at - 'A' + 10);
		r->at++;
		if (index > 1000000)
			return false;
	}
	*ret_index = index + 1;
	return take(r, "_");
}

static const char *read_source_name(struct reader *r)
{
	uint32_t len;
	const char *name;

	if (!read_number(r, &len) || !len || len > (size_t)(r->end - r->at))
		return fail(r);
	if (len >= 10 && !strncmp(r->at, "_GLOBAL__N", 10))
		name = "(anonymous namespace)";
	else
		name = arena_str(&r->arena, (struct span){(const uint8_t *)r->at, len});
	r->at += len;
	if (!name)
		return fail(r);
	while (take(r, "B")) /* abi tags */
		name = join(r, name, "[abi:", read_source_name(r), "]", "");
	return name;
}

/* clang-format off */
static const struct {
	char code[3];
	const char *text;
} operators[] = {
	{"nw", " new"}, {"na", " new[]"}, {"dl", " delete"}, {"da", " delete[]"}, {"ps", "+"}, {"ng", "-"}, {"ad", "&"},
	{"de", "*"}, {"co", "~"}, {"pl", "+"}, {"mi", "-"}, {"ml", "*"}, {"dv", "/"}, {"rm", "%"}, {"an", "&"}, {"or", "|"},
	{"eo", "^"}, {"aS", "="}, {"pL", "+="}, {"mI", "-="}, {"mL", "*="}, {"dV", "/="}, {"rM", "%="}, {"aN", "&="},
	{"oR", "|="}, {"eO", "^="}, {"ls", "<<"}, {"rs", ">>"}, {"lS", "<<="}, {"rS", ">>="}, {"eq", "=="}, {"ne", "!="},
	{"lt", "<"}, {"gt", ">"}, {"le", "<="}, {"ge", ">="}, {"ss", "<=>"}, {"nt", "!"}, {"aa", "&&"}, {"oo", "||"},
	{"pp", "++"}, {"mm", "--"}, {"cm", ","}, {"pm", "->*"}, {"pt", "->"}, {"cl", "()"}, {"ix", "[]"}, {"qu", "?"},
};

static const struct {
	char code;
	const char *text;
} builtins[] = {
	{'v', "void"}, {'w', "wchar_t"}, {'b', "bool"}, {'c', "char"}, {'a', "signed char"}, {'h', "unsigned char"},
	{'s', "short"}, {'t', "unsigned short"}, {'i', "int"}, {'j', "unsigned int"}, {'l', "long"}, {'m', "unsigned long"},
	{'x', "long long"}, {'y', "unsigned long long"}, {'n', "__int128"}, {'o', "unsigned __int128"}, {'f', "float"},
	{'d', "double"}, {'e', "long double"}, {'g', "__float128"}, {'z', "..."},
};
/* clang-format on */

/* --- template arguments --- */

/* L <type> <value> E */
static const char *read_literal(struct reader *r)
{
	const char *from, *value, *sign = "";
	char kind;

	if (take(r, "_Z")) {
		value = read_encoding(r);
		return take(r, "E") ? value : fail(r);
	}
	kind = peek(r);
	from = plain(r, read_type(r));
	if (take(r, "n"))
		sign = "-";
	value = r->at;
	while (r->at < r->end && *r->at != 'E')
		r->at++;
	value = arena_str(&r->arena,
			  (struct span){(const uint8_t *)value, (size_t)(r->at - value)});
	if (!take(r, "E") || !value)
		return fail(r);
	if (kind == 'b')
		return strcmp(value, "0") ? "true" : "false";
	if (kind == 'i')
		return join(r, sign, value, "", "", "");
	if (kind == 'j' || kind == 'l' || kind == 'm')
		return join(r, sign, value, kind == 'l' ? "l" : kind == 'm' ? "ul" : "u", "", "");
	return join(r, "(", from, ")", sign, value);
}

static struct piece read_argument(struct reader *r)
{
	if (take(r, "L"))
		return (struct piece){read_literal(r), ""};
	if (take(r, "X")) { /* an expression: another parameter is one that is read */
		struct piece whole = take(r, "T") ? read_parameter(r) : fail_type(r);

		return take(r, "E") ? whole : fail_type(r);
	}
	if (take(r, "J")) { /* a pack: its arguments in a row */
		const char *text = "";

		while (!r->is_failed && !take(r, "E"))
			text = join(r, text, *text ? ", " : "", plain(r, read_argument(r)), "", "");
		return (struct piece){text, ""};
	}
	return read_type(r);
}

/* I ... E */
static const char *read_arguments(struct reader *r)
{
	struct piece found[ARGUMENTS_MAX];
	const char *text = "<", *last_name = r->last_name;
	uint32_t count = 0;

	while (!r->is_failed && !take(r, "E")) {
		struct piece one = read_argument(r);
		const char *shown = plain(r, one);

		if (count == ARGUMENTS_MAX || r->at >= r->end)
			return fail(r);
		found[count++] = one;
		if (*shown)
			text = join(r, text, text[1] ? ", " : "", shown, "", "");
	}
	memcpy(r->arguments, found, count * sizeof(*found));
	r->argument_count = count;
	r->is_template = true;
	r->last_name = last_name;
	r->qualifiers = "";
	return join(r, text, text[strlen(text) - 1] == '>' ? " >" : ">", "", "", "");
}

/* --- names --- */

static const char *read_operator(struct reader *r)
{
	if (take(r, "cv")) {
		r->is_conversion = true;
		return join(r, "operator ", plain(r, read_type(r)), "", "", "");
	}
	if (take(r, "li"))
		return join(r, "operator\"\" ", read_source_name(r), "", "", "");
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (take(r, operators[i].code))
			return join(r, "operator", operators[i].text, "", "", "");
	return fail(r);
}

/* Ut_, Ul ... E_: types without a name, lambdas. */
static const char *read_unnamed(struct reader *r)
{
	const char *parameters = "";
	char number[16];
	uint32_t index;

	if (take(r, "t")) {
		if (!read_index(r, &index))
			return fail(r);
		snprintf(number, sizeof(number), "#%u", index + 1);
		return join(r, "{unnamed type", number, "}", "", "");
	}
	if (!take(r, "l"))
		return fail(r);
	while (!r->is_failed && !take(r, "E")) {
		const char *one = plain(r, read_type(r));

		if (strcmp(one, "void"))
			parameters = join(r, parameters, *parameters ? ", " : "", one, "", "");
	}
	if (!read_index(r, &index))
		return fail(r);
	snprintf(number, sizeof(number), "#%u", index + 1);
	return join(r, "{lambda(", parameters, ")", number, "}");
}

/* One name, without what it is in. */
static const char *read_unqualified(struct reader *r)
{
	char c = peek(r);

	r->is_structor = r->is_conversion = false;
	take(r, "L"); /* internal linkage */
	if (is_digit(peek(r)))
		return read_source_name(r);
	if ((c == 'C' || c == 'D') && r->at + 1 < r->end && is_digit(r->at[1])) {
		const char *inside = r->last_name;

		r->at += 2;
		r->is_structor = true;
		return join(r, c == 'D' ? "~" : "", inside, "", "", "");
	}
	if (take(r, "U"))
		return read_unnamed(r);
	return read_operator(r);
}

#define STREAM(name) "std::basic_" name "<char, std::char_traits<char> >"

/* Abbreviations; what they are short for is shown where something in them is meant. */
static const struct standard {
	char code;
	const char *text, *whole, *last;
} standards[] = {
	{'a', "std::allocator", "std::allocator", "allocator"},
	{'b', "std::basic_string", "std::basic_string", "basic_string"},
	{'s', "std::string",
	 "std::basic_string<char, std::char_traits<char>, std::allocator<char> >", "basic_string"},
	{'i', "std::istream", STREAM("istream"), "basic_istream"},
	{'o', "std::ostream", STREAM("ostream"), "basic_ostream"},
	{'d', "std::iostream", STREAM("iostream"), "basic_iostream"},
};

static const struct standard *take_standard(struct reader *r)
{
	for (size_t i = 0; i < sizeof(standards) / sizeof(*standards); i++)
		if (peek(r) == standards[i].code) {
			r->at++;
			r->last_name = standards[i].last;
			return &standards[i];
		}
	return NULL;
}

static const char *read_standard(struct reader *r)
{
	const struct standard *standard = take_standard(r);

	return standard ? standard->text : NULL;
}

static const char *read_whole_standard(struct reader *r)
{
	const struct standard *standard = take_standard(r);

	return standard ? standard->whole : NULL;
}

/* Of "std::vector<int>" "vector". */
static const char *last_of(struct reader *r, const char *name)
{
	const char *from = name, *open = strchr(name, '<');
	size_t len = open ? (size_t)(open - name) : strlen(name);

	for (size_t i = 0; i + 1 < len; i++)
		if (name[i] == ':' && name[i + 1] == ':')
			from = name + i + 2;
	name = arena_str(&r->arena,
			 (struct span){(const uint8_t *)from, len - (size_t)(from - name)});
	return name ? name : fail(r);
}

static struct piece read_substitution(struct reader *r)
{
	const char *standard;
	uint32_t index;

	if (take(r, "t"))
		return (struct piece){"std", ""};
	standard = read_standard(r);
	if (standard)
		return (struct piece){standard, ""};
	if (!read_index(r, &index) || index >= r->known_count)
		return fail_type(r);
	r->last_name = last_of(r, r->known[index].before);
	return r->known[index];
}

static struct piece read_parameter(struct reader *r)
{
	uint32_t index;

	if (!read_index(r, &index) || index >= r->argument_count)
		return fail_type(r);
	return r->arguments[index];
}

/* N ... E */
static const char *read_nested(struct reader *r)
{
	const char *name = "", *qualifiers = "";

	while (peek(r) == 'r' || peek(r) == 'V' || peek(r) == 'K') {
		qualifiers = join(r, qualifiers,
				  *r->at == 'K'   ? " const"
				  : *r->at == 'V' ? " volatile"
						  : " restrict",
				  "", "", "");
		r->at++;
	}
	if (take(r, "R"))
		qualifiers = join(r, qualifiers, " &", "", "", "");
	else if (take(r, "O"))
		qualifiers = join(r, qualifiers, " &&", "", "", "");
	r->is_template = false;
	while (!r->is_failed && !take(r, "E")) {
		if (r->at >= r->end)
			return fail(r);
		if (take(r, "I")) {
			name = join(r, name, read_arguments(r), "", "", "");
			if (peek(r) != 'E')
				remember_name(r, name);
		} else if (take(r, "S")) {
			bool is_std = peek(r) == 't';
			const char *whole = read_whole_standard(r);

			name = whole ? whole : plain(r, read_substitution(r));
			if (is_std && is_digit(peek(r))) {
				r->last_name = read_unqualified(r);
				name = join(r, name, "::", r->last_name, "", "");
				remember_name(r, name);
			}
			r->is_template = false;
		} else if (take(r, "T")) {
			name = plain(r, read_parameter(r));
			if (peek(r) != 'E')
				remember_name(r, name);
		} else {
			const char *part = read_unqualified(r);

			if (!r->is_structor)
				r->last_name = part;
			name = *name ? join(r, name, "::", part, "", "") : part;
			r->is_template = false;
			if (peek(r) != 'E')
				remember_name(r, name);
		}
	}
	r->qualifiers = qualifiers;
	return name;
}

/* Z <function> E <what is in it> */
static const char *read_local(struct reader *r)
{
	const char *outer = read_encoding(r), *inner;
	uint32_t index;

	if (!take(r, "E"))
		return fail(r);
	if (take(r, "s"))
		inner = "string literal";
	else
		inner = read_name(r);
	/* which of several of that name */
	if (take(r, "__")) {
		if (!read_number(r, &index) || !take(r, "_"))
			return fail(r);
	} else if (take(r, "_") && is_digit(peek(r))) {
		r->at++;
	}
	return join(r, outer, "::", inner, "", "");
}

static const char *read_name(struct reader *r)
{
	const char *name;

	if (++r->depth > DEPTH_MAX)
		return fail(r);
	r->qualifiers = "";
	r->is_template = false;
	if (take(r, "N")) {
		name = read_nested(r);
		r->depth--;
		return name;
	}
	if (take(r, "Z")) {
		name = read_local(r);
		r->depth--;
		return name;
	}
	if (take(r, "S")) {
		bool is_std = peek(r) == 't';

		name = plain(r, read_substitution(r));
		if (is_std) {
			r->last_name = read_unqualified(r);
			name = join(r, name, "::", r->last_name, "", "");
			if (peek(r) == 'I')
				remember_name(r, name);
		}
	} else {
		name = r->last_name = read_unqualified(r);
		if (peek(r) == 'I')
			remember_name(r, name);
	}
	if (take(r, "I"))
		name = join(r, name, read_arguments(r), "", "", "");
	r->depth--;
	return name;
}

/* --- types --- */

/* Pointers and references to functions and arrays go inside: int (*)(char). */
static struct piece point(struct reader *r, struct piece of, const char *mark)
{
	bool is_wrapped = *of.behind == '(' || *of.behind == '[' || !strncmp(of.behind, " [", 2);

	if (!is_wrapped)
		return (struct piece){join(r, of.before, mark, "", "", ""), of.behind};
	return (struct piece){join(r, of.before, " (", mark, "", ""),
			      join(r, ")", of.behind, "", "", "")};
}

/* F <result> <parameters> E */
static struct piece read_function_type(struct reader *r)
{
	const char *parameters = "", *result;

	take(r, "Y"); /* extern "C" */
	result = plain(r, read_type(r));
	while (!r->is_failed && !take(r, "E")) {
		const char *one = plain(r, read_type(r));

		if (strcmp(one, "void"))
			parameters = join(r, parameters, *parameters ? ", " : "", one, "", "");
	}
	return (struct piece){join(r, result, "", "", "", ""),
			      join(r, "(", parameters, ")", "", "")};
}

/* A <count> _ <of> */
static struct piece read_array_type(struct reader *r)
{
	const char *from = r->at, *count;
	struct piece of;

	while (is_digit(peek(r)))
		r->at++;
	count = arena_str(&r->arena, (struct span){(const uint8_t *)from, (size_t)(r->at - from)});
	if (!count || !take(r, "_"))
		return fail_type(r);
	of = read_type(r);
	return (struct piece){of.before,
			      join(r, *of.behind ? "" : " ", "[", count, "]", of.behind)};
}

/* M <class> <member> */
static struct piece read_member_type(struct reader *r)
{
	const char *class = plain(r, read_type(r));
	struct piece member = read_type(r);

	if (*member.behind)
		return (struct piece){join(r, member.before, " (", class, "::*", ""),
				      join(r, ")", member.behind, "", "", "")};
	return (struct piece){join(r, member.before, " ", class, "::*", ""), ""};
}

static struct piece read_marked(struct reader *r, const char *mark, bool is_qualifier)
{
	struct piece of = read_type(r), whole;

	if (is_qualifier && *of.behind)
		whole = (struct piece){of.before, join(r, of.behind, mark, "", "", "")};
	else
		whole = is_qualifier ? (struct piece){join(r, of.before, mark, "", "", ""), ""}
				     : point(r, of, mark);
	remember(r, whole);
	return whole;
}

static struct piece read_other_builtin(struct reader *r)
{
	static const struct {
		const char *code, *text;
	} names[] = {{"Dn", "decltype(nullptr)"},
		     {"Di", "char32_t"},
		     {"Ds", "char16_t"},
		     {"Du", "char8_t"},
		     {"Da", "auto"},
		     {"Dc", "decltype(auto)"},
		     {"Dh", "half"},
		     {"Df", "decimal32"},
		     {"Dd", "decimal64"},
		     {"De", "decimal128"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (take(r, names[i].code))
			return (struct piece){names[i].text, ""};
	if (take(r, "Dp")) /* a pack, expanded where its template's arguments stand */
		return read_type(r);
	return fail_type(r);
}

/* A class, or something of a template's: remembered under its whole name. */
static struct piece read_class_as_it_is(struct reader *r)
{
	struct piece whole;
	bool is_known = false;

	bool is_std = peek(r) == 'S' && r->at + 1 < r->end && r->at[1] == 't';

	if (!is_std && take(r, "S")) {
		whole = read_substitution(r);
		is_known = true;
	} else if (take(r, "T")) {
		whole = read_parameter(r);
		remember(r, whole);
		is_known = true;
	} else {
		whole = (struct piece){read_name(r), ""};
	}
	if (is_known && take(r, "I")) {
		whole = (struct piece){join(r, plain(r, whole), read_arguments(r), "", "", ""), ""};
		is_known = false;
	}
	if (!is_known)
		remember(r, whole);
	return whole;
}

/* "T_" means the arguments of the template that is being read, not those of a class beside it. */
static struct piece read_class(struct reader *r)
{
	struct piece kept[ARGUMENTS_MAX], whole;
	uint32_t count = r->argument_count;

	memcpy(kept, r->arguments, count * sizeof(*kept));
	whole = read_class_as_it_is(r);
	memcpy(r->arguments, kept, count * sizeof(*kept));
	r->argument_count = count;
	return whole;
}

static struct piece read_type(struct reader *r)
{
	struct piece whole = {"", ""};
	char c = peek(r);

	if (++r->depth > DEPTH_MAX || r->is_failed)
		return fail_type(r);
	if (take(r, "P")) {
		whole = read_marked(r, "*", false);
	} else if (take(r, "R")) {
		whole = read_marked(r, "&", false);
	} else if (take(r, "O")) {
		whole = read_marked(r, "&&", false);
	} else if (take(r, "K")) {
		whole = read_marked(r, " const", true);
	} else if (take(r, "V")) {
		whole = read_marked(r, " volatile", true);
	} else if (take(r, "r")) {
		whole = read_marked(r, " restrict", true);
	} else if (take(r, "F")) {
		whole = read_function_type(r);
		remember(r, whole);
	} else if (take(r, "A")) {
		whole = read_array_type(r);
		remember(r, whole);
	} else if (take(r, "M")) {
		whole = read_member_type(r);
		remember(r, whole);
	} else if (c == 'D') {
		whole = read_other_builtin(r);
	} else if (is_digit(c) || c == 'N' || c == 'S' || c == 'T' || c == 'Z') {
		whole = read_class(r);
	} else {
		size_t i = 0;

		while (i < sizeof(builtins) / sizeof(*builtins) && builtins[i].code != c)
			i++;
		if (i == sizeof(builtins) / sizeof(*builtins))
			return fail_type(r);
		r->at++;
		whole.before = builtins[i].text;
	}
	r->depth--;
	return whole;
}

/* --- functions --- */

static const char *read_special(struct reader *r)
{
	static const struct {
		const char *code, *text;
		bool is_of_type;
	} names[] = {{"TV", "vtable for ", true},
		     {"TT", "VTT for ", true},
		     {"TI", "typeinfo for ", true},
		     {"TS", "typeinfo name for ", true},
		     {"GV", "guard variable for ", false}};
	bool is_virtual;
	uint32_t number;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (take(r, names[i].code))
			return join(r, names[i].text,
				    names[i].is_of_type ? plain(r, read_type(r)) : read_name(r), "",
				    "", "");
	if (take(r, "GTt") || take(r, "GTn"))
		return join(r, "transaction clone for ", read_encoding(r), "", "", "");
	is_virtual = take(r, "Tv");
	if (!is_virtual && !take(r, "Th"))
		return fail(r);
	/* by how much the object is shifted */
	for (int i = 0; i <= is_virtual; i++) {
		take(r, "n");
		if (!read_number(r, &number) || !take(r, "_"))
			return fail(r);
	}
	return join(r, is_virtual ? "virtual thunk to " : "non-virtual thunk to ", read_encoding(r),
		    "", "", "");
}

/* <name> <result, of templates only> <parameters> */
static const char *read_encoding(struct reader *r)
{
	const char *name, *qualifiers, *parameters = "";
	struct piece result = {"", ""};
	bool has_result;

	if (++r->depth > DEPTH_MAX)
		return fail(r);
	if (peek(r) == 'T' || peek(r) == 'G') {
		name = read_special(r);
		r->depth--;
		return name;
	}
	name = read_name(r);
	qualifiers = r->qualifiers;
	has_result = r->is_template && !r->is_structor && !r->is_conversion;
	r->depth--;
	if (r->at >= r->end || *r->at == 'E' || *r->at == '.' || *r->at == '@')
		return name; /* a variable */
	if (has_result)
		result = read_type(r);
	while (!r->is_failed && r->at < r->end && *r->at != 'E' && *r->at != '.' && *r->at != '@') {
		const char *one = plain(r, read_type(r));

		if (strcmp(one, "void") && *one)
			parameters = join(r, parameters, *parameters ? ", " : "", one, "", "");
	}
	name = join(r, name, "(", parameters, ")", qualifiers);
	if (has_result)
		name = join(r, result.before, *result.behind ? "" : " ", name, result.behind, "");
	return name;
}

bool demangle(struct span mangled, struct buf *out)
{
	struct reader *r;
	const char *name;
	bool is_read;

	if (mangled.len < 3 || memcmp(mangled.at, "_Z", 2) != 0)
		return false;
	r = calloc(1, sizeof(*r));
	if (!r)
		return false;
	r->at = (const char *)mangled.at + 2;
	r->end = (const char *)mangled.at + mangled.len;
	r->last_name = r->qualifiers = "";
	arena_init(&r->arena, ARENA_BYTES);
	name = read_encoding(r);
	/* "foo.cold", "foo@@VERSION": the compiler's and linker's additions */
	is_read = !r->is_failed && (r->at == r->end || *r->at == '.' || *r->at == '@');
	if (is_read) {
		buf_str(out, name);
		if (r->at < r->end && *r->at == '.')
			buf_f(out, " [clone %.*s]", (int)(r->end - r->at), r->at);
	}
	arena_done(&r->arena);
	free(r);
	return is_read;
}
