// SPDX-License-Identifier: GPL-2.0-only
/*
 * btf_show - types as C writes them: definitions for -lv "struct X", declarations of parameters.
 *
 * C writes a declaration around its name: what is a pointer stands before it, arrays and functions behind. So the
 * declarator grows from the name outwards while the types are followed inwards; the name of the last one goes in front.
 */
#include <string.h>

#include "trace/btf_inside.h"

enum { DEPTH_MAX = 16, STEPS_MAX = 32, DECLARATOR_MAX = 2048 };

static void show_body(struct btf *btf, const struct btf_type *t, int depth, struct buf *out);
static void show_declaration(struct btf *btf, uint32_t id, const char *name, int depth,
			     struct buf *out);

static const char *keyword(const struct btf_type *t)
{
	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_STRUCT: return "struct";
	case BTF_KIND_UNION: return "union";
	case BTF_KIND_FWD: return BTF_INFO_KFLAG(t->info) ? "union" : "struct";
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64: return "enum";
	default: return NULL;
	}
}

static void show_base(struct btf *btf, const struct btf_type *t, int depth, struct buf *out)
{
	const char *name = t ? btf_text_at(btf, t->name_off) : "void",
		   *word = t ? keyword(t) : NULL;

	if (word && *name)
		buf_f(out, "%s %s", word, name);
	else if (word)
		show_body(btf, t, depth, out);
	else
		buf_str(out, name);
}

/* The declarator grows: text before or behind what is there. */
struct declarator {
	struct buf text;
};

static void put_before(struct declarator *declarator, const char *text)
{
	struct buf old = declarator->text;

	buf_init(&declarator->text, DECLARATOR_MAX);
	buf_str(&declarator->text, text);
	buf_span(&declarator->text, buf_as_span(&old));
	buf_done(&old);
}

static bool begins_with(const struct declarator *declarator, const char *text)
{
	return span_starts(buf_as_span(&declarator->text), text);
}

static void show_params(struct btf *btf, const struct btf_type *t, int depth, struct buf *out)
{
	const struct btf_param *params = (const void *)(t + 1);
	uint32_t count = BTF_INFO_VLEN(t->info);

	buf_char(out, '(');
	for (uint32_t i = 0; i < count; i++) {
		if (i)
			buf_str(out, ", ");
		if (!params[i].type) /* the last one: more may come */
			buf_str(out, "...");
		else
			show_declaration(btf, params[i].type, "", depth + 1, out);
	}
	buf_str(out, count ? ")" : "void)");
}

/* The kind of what a pointer leads to, behind its qualifiers. */
static unsigned kind_behind(struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf_raw_at(btf, id);

	for (int i = 0; t && i < STEPS_MAX; i++) {
		unsigned kind = BTF_INFO_KIND(t->info);

		if (kind != BTF_KIND_CONST && kind != BTF_KIND_VOLATILE &&
		    kind != BTF_KIND_RESTRICT && kind != BTF_KIND_TYPE_TAG)
			return kind;
		t = btf_raw_at(btf, t->type);
	}
	return BTF_KIND_UNKN;
}

static void take_pointer(struct btf *btf, const struct btf_type *t, struct declarator *declarator)
{
	unsigned target = kind_behind(btf, t->type);

	put_before(declarator,
		   begins_with(declarator, "(") || begins_with(declarator, "const") ? "* " : "*");
	if (target != BTF_KIND_ARRAY && target != BTF_KIND_FUNC_PROTO)
		return;
	put_before(declarator, "(");
	buf_char(&declarator->text, ')');
}

static void show_declaration(struct btf *btf, uint32_t id, const char *name, int depth,
			     struct buf *out)
{
	const struct btf_type *t = btf_raw_at(btf, id);
	const char *qualifiers = "";
	struct declarator declarator;

	buf_init(&declarator.text, DECLARATOR_MAX);
	buf_str(&declarator.text, name);
	for (int i = 0; t && i < STEPS_MAX; i++) {
		unsigned kind = BTF_INFO_KIND(t->info);

		if (kind == BTF_KIND_PTR)
			take_pointer(btf, t, &declarator);
		else if (kind == BTF_KIND_ARRAY)
			buf_f(&declarator.text, "[%u]",
			      ((const struct btf_array *)(t + 1))->nelems);
		else if (kind == BTF_KIND_FUNC_PROTO && depth < DEPTH_MAX)
			show_params(btf, t, depth, &declarator.text);
		else if (kind == BTF_KIND_CONST && kind_behind(btf, t->type) == BTF_KIND_PTR)
			put_before(&declarator, "const ");
		else if (kind == BTF_KIND_CONST)
			qualifiers = "const ";
		else if (kind == BTF_KIND_VOLATILE)
			qualifiers = "volatile ";
		else if (kind != BTF_KIND_RESTRICT && kind != BTF_KIND_TYPE_TAG)
			break;
		t = btf_raw_at(btf, kind == BTF_KIND_ARRAY
					    ? ((const struct btf_array *)(t + 1))->type
					    : t->type);
	}
	buf_str(out, qualifiers);
	show_base(btf, t, depth, out);
	if (declarator.text.len)
		buf_f(out, " %s", buf_text(&declarator.text));
	buf_done(&declarator.text);
}

static void show_members(struct btf *btf, const struct btf_type *t, int depth, struct buf *out)
{
	const struct btf_member *m = (const void *)(t + 1);
	bool has_bits = BTF_INFO_KFLAG(t->info);

	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++, m++) {
		uint32_t bits = has_bits ? BTF_MEMBER_BITFIELD_SIZE(m->offset) : 0;

		buf_fill(out, '\t', (size_t)depth + 1);
		show_declaration(btf, m->type, btf_text_at(btf, m->name_off), depth + 1, out);
		if (bits)
			buf_f(out, ": %u", bits);
		buf_str(out, ";\n");
	}
}

static void show_enumerators(struct btf *btf, const struct btf_type *t, int depth, struct buf *out)
{
	uint32_t name;
	int64_t value;

	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info) && btf_raw_enumerator(t, i, &name, &value);
	     i++) {
		buf_fill(out, '\t', (size_t)depth + 1);
		buf_f(out, "%s = %lld,\n", btf_text_at(btf, name), (long long)value);
	}
}

static void show_body(struct btf *btf, const struct btf_type *t, int depth, struct buf *out)
{
	unsigned kind = BTF_INFO_KIND(t->info);
	const char *name = btf_text_at(btf, t->name_off);

	buf_f(out, "%s%s%s {", keyword(t), *name ? " " : "", name);
	if (depth < DEPTH_MAX && BTF_INFO_VLEN(t->info)) {
		buf_char(out, '\n');
		if (kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64)
			show_enumerators(btf, t, depth, out);
		else if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION)
			show_members(btf, t, depth, out);
		buf_fill(out, '\t', (size_t)depth);
	}
	buf_char(out, '}');
}

void btf_show(struct btf *btf, uint32_t id, struct buf *out)
{
	const struct btf_type *t = btf_raw_at(btf, id);

	if (t && keyword(t)) {
		show_body(btf, t, 0, out);
		buf_char(out, ';');
	}
}

void btf_show_declaration(struct btf *btf, uint32_t id, const char *name, struct buf *out)
{
	show_declaration(btf, id, name, 0, out);
}
