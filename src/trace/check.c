// SPDX-License-Identifier: GPL-2.0-only
/* check - statements, and the walk to the fixpoint. */
#include "trace/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "trace/btf.h"

enum { WALKS_MAX = 24 }; /* int8 -> int64, string -> string: a type widens a few times only */

void check_error(struct checker *checker, struct place place, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!checker->is_final)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	diag_error(&checker->script->diag, place, "%s", text);
}

const char *check_text(struct checker *checker, const struct type *type)
{
	return checker->is_final ? type_text(&checker->script->arena, type) : "";
}

const char *check_short(struct checker *checker, const struct type *type)
{
	if (type->kind == TYPE_INT)
		return type->is_signed ? "int" : "unsigned int";
	return type->kind == TYPE_STRING ? "string" : check_text(checker, type);
}

bool check_is_decided(const struct expr *condition, bool *ret_truth)
{
	if (!condition->is_constant)
		return false;
	*ret_truth = condition->type->kind == TYPE_STRING ? condition->text.len != 0
							  : condition->number != 0;
	return true;
}

void check_condition(struct checker *checker, struct expr *expr, struct place place)
{
	const struct type *type = check_expr(checker, expr);

	if (type->kind == TYPE_NONE || type_is_scalar(type) || type_is_castable_aggregate(type))
		return;
	if (type->kind == TYPE_STRING && expr->is_constant)
		return;
	check_error(checker, place, "Invalid condition: %s",
		    type->kind == TYPE_TUPLE    ? "tuple"
		    : type->kind == TYPE_STRING ? "string"
						: check_text(checker, type));
}

/* --- statements --- */

void check_map_value(struct checker *checker, struct map_decl *map, const struct type *type,
		     struct place place)
{
	const struct type *joined, *stored = type;

	map->is_written = true;
	if (type->kind == TYPE_NONE)
		return;
	/* integers are kept in 8 bytes: atomic additions want that, and nothing is cut */
	if (type->kind == TYPE_INT)
		stored = type_int(8, type->is_signed);
	if (map->value->kind == TYPE_NONE) {
		map->natural = type;
		map->value = stored;
		checker->is_changed = true;
		return;
	}
	if (map->value->kind == TYPE_INT && type->kind == TYPE_INT) {
		/* a literal takes the sign of what is there */
		if (type->is_signed && !type->is_literal && !map->value->is_signed &&
		    type->size < 8)
			return;
		if (type->is_signed == map->value->is_signed || type->is_literal)
			return;
		if (!type->is_signed && type->size < 8)
			return;
		if (type->is_signed && !map->value->is_signed) {
			map->value = &type_int64;
			checker->is_changed = true;
		}
		return;
	}
	if (map->value->kind == TYPE_HIST && type->kind == TYPE_HIST &&
	    map->value->step != type->step) {
		check_error(checker, place, "Different bits in a single hist unsupported");
		return;
	}
	if (map->value->kind == type->kind && type_has_buckets(type) &&
	    !type_same(map->value, type)) {
		check_error(checker, place, "Different %s bounds in a single map unsupported",
			    type->kind == TYPE_LHIST ? "lhist" : "tseries");
		return;
	}
	joined = type_is_aggregate(map->value) != type_is_aggregate(stored)
			 ? NULL
			 : type_join(&checker->script->arena, map->value, stored);
	if (!joined) {
		check_error(checker, place,
			    "Type mismatch for %s: trying to assign value of type '%s' when map "
			    "already has a type '%s'",
			    map->name, check_text(checker, type),
			    check_text(checker, map->natural ? map->natural : map->value));
		return;
	}
	if (!type_same(joined, map->value)) {
		map->value = joined;
		checker->is_changed = true;
	}
}

static void check_body_of(struct checker *checker, struct stmt *stmts);

static struct variable *declare(struct checker *checker, struct stmt *stmt, struct expr *target)
{
	struct variable *variable = stmt->variable;
	struct binding *binding = arena_new(&checker->script->arena, sizeof(*binding));

	if (!variable) {
		variable = arena_new(&checker->script->arena, sizeof(*variable));
		if (!variable)
			return NULL;
		variable->name = target->name;
		variable->place = (struct place){stmt->place.from, target->place.to};
		variable->type = &type_none;
		variable->next = checker->body->variables;
		variable->reg = variable->slot = -1;
		checker->body->variables = variable;
		stmt->variable = variable;
		if (checker->branch_of && checker->depth == checker->branch_depth) {
			variable->branch_of = checker->branch_of;
			variable->is_in_else = checker->is_in_else;
		}
	}
	if (!binding)
		return NULL;
	variable->loop_depth = checker->loop_depth;
	variable->is_shared |= checker->callback_depth > 0;
	*binding = (struct binding){
		.next = checker->bindings, .variable = variable, .depth = checker->depth};
	checker->bindings = binding;
	target->variable = variable;
	return variable;
}

/*
 * Variables once belonged to the whole action; now to their block. A script that gives a variable a
 * value in both branches of an if and reads it afterwards leaves no doubt about what it means: the
 * variable is made one of the whole action, and all is walked again.
 */
struct variable *check_hoist(struct checker *checker, const char *name)
{
	struct variable *hoisted = NULL;
	struct binding *binding;

	for (struct variable *a = checker->body->variables; a && !hoisted; a = a->next)
		for (struct variable *b = checker->body->variables; b && !hoisted; b = b->next) {
			const struct type *joined;

			if (!a->branch_of || a->branch_of != b->branch_of || a->is_in_else ||
			    !b->is_in_else || strcmp(a->name, name) || strcmp(b->name, name))
				continue;
			joined = type_join(&checker->script->arena, a->type, b->type);
			if (!joined || joined->kind == TYPE_NONE)
				continue;
			hoisted = arena_new(&checker->script->arena, sizeof(*hoisted));
			binding = arena_new(&checker->script->arena, sizeof(*binding));
			if (!hoisted || !binding)
				return NULL;
			*hoisted = *a;
			hoisted->type = joined;
			hoisted->is_hoisted = true;
			hoisted->branch_of = NULL;
			hoisted->next = checker->body->variables;
			checker->body->variables = hoisted;
			*binding = (struct binding){.next = checker->bindings,
						    .variable = hoisted,
						    .depth = checker->depth};
			checker->bindings = binding;
			checker->is_changed = true;
		}
	return hoisted;
}

static void bind_hoisted(struct checker *checker)
{
	for (struct variable *v = checker->body->variables; v; v = v->next) {
		struct binding *binding;

		if (!v->is_hoisted)
			continue;
		binding = arena_new(&checker->script->arena, sizeof(*binding));
		if (!binding)
			return;
		*binding = (struct binding){.next = checker->bindings, .variable = v};
		checker->bindings = binding;
	}
}

static void check_branch(struct checker *checker, struct stmt *outer, struct stmt *branch,
			 bool is_else)
{
	const struct stmt *branch_of = checker->branch_of;
	uint32_t branch_depth = checker->branch_depth;
	bool is_in_else = checker->is_in_else;

	checker->branch_of = outer->otherwise ? outer : NULL;
	/* the branch is a block, and its statements are one deeper */
	checker->branch_depth = checker->depth + (branch->kind == STMT_BLOCK ? 2 : 1);
	checker->is_in_else = is_else;
	check_body_of(checker, branch);
	checker->branch_of = branch_of;
	checker->branch_depth = branch_depth;
	checker->is_in_else = is_in_else;
}

static struct variable *lookup(struct checker *checker, const char *name)
{
	for (struct binding *b = checker->bindings; b; b = b->next)
		if (!strcmp(b->variable->name, name))
			return b->variable;
	return NULL;
}

/* 256 is no uint8; what is not known before it happens is cut. */
static bool fits_literal(const struct type *fixed, const struct type *type,
			 const struct expr *value)
{
	uint32_t bits = fixed->size * 8 - fixed->is_signed;
	uint64_t magnitude;

	if (!value || !value->is_constant || !type->is_literal || fixed->kind != TYPE_INT)
		return true;
	if (value->is_negative && !fixed->is_signed)
		return false;
	magnitude = value->is_negative ? -value->number - 1 : value->number;
	return bits >= 64 || magnitude >> bits == 0;
}

static void assign_variable(struct checker *checker, struct variable *variable,
			    const struct type *type, struct place place, const struct expr *value)
{
	const struct type *joined;

	if (type->kind == TYPE_NONE)
		return;
	type = check_plain(type);
	variable->is_in_loop |= checker->loop_depth > variable->loop_depth;
	variable->is_shared |= checker->callback_depth > 0;
	if (type->kind == TYPE_VOID || type_is_aggregate(type)) {
		check_error(checker, place, "Invalid expression for assignment");
		return;
	}
	joined =
		variable->has_fixed_type && type_is_integer(variable->type) && type_is_integer(type)
			? variable->type
			: type_join(&checker->script->arena, variable->type, type);
	if (joined && variable->has_fixed_type &&
	    (!type_same(joined, variable->type) || !fits_literal(variable->type, type, value)))
		joined = NULL;
	if (!joined) {
		check_error(checker, place,
			    "Type mismatch for %s: trying to assign value of type '%s' when "
			    "variable already has a type '%s'",
			    variable->name, check_text(checker, type),
			    check_text(checker, variable->type));
		return;
	}
	if (!variable->has_fixed_type && (!type_same(joined, variable->type) ||
					  joined->is_literal != variable->type->is_literal)) {
		variable->type = joined;
		checker->is_changed = true;
	}
}

void check_written(struct checker *checker, struct expr *expr, const struct type *type)
{
	expr->variable = lookup(checker, expr->name);
	if (expr->variable)
		assign_variable(checker, expr->variable, type, expr->place, NULL);
	else
		check_error(checker, expr->place, "Undefined or undeclared variable: %s",
			    expr->name);
}

/* $x op= value is $x = $x op value. */
static const struct type *compound_type(struct checker *checker, struct stmt *stmt)
{
	struct expr sum = {.kind = EXPR_BINARY,
			   .op = stmt->op,
			   .a = stmt->target,
			   .b = stmt->value,
			   .place = stmt->op_place};
	const struct type *type = check_binary(checker, &sum);

	return type->is_literal ? type_int(type->size, type->is_signed) : type;
}

static void refuse_aggregate(struct checker *checker, const struct stmt *stmt,
			     const struct type *type)
{
	static const char *const calls[] = {
		[TYPE_COUNT] = "count()",
		[TYPE_SUM] = "sum(retval)",
		[TYPE_MIN] = "min(retval)",
		[TYPE_MAX] = "max(retval)",
		[TYPE_AVG] = "avg(retval)",
		[TYPE_STATS] = "stats(arg2)",
		[TYPE_HIST] = "hist(retval)",
		[TYPE_LHIST] = "lhist(rand %10, 0, 10, 1)",
		[TYPE_TSERIES] = "tseries(rand %10, 10s, 1)",
	};

	if (!checker->is_final)
		return;
	check_error(checker, stmt->place,
		    "Map value '%s' cannot be assigned from one map to another. The function that "
		    "returns this type must be called directly e.g. `%s = %s;`.",
		    check_text(checker, type), stmt->target->name, calls[type->kind]);
	if (type_is_castable_aggregate(type))
		diag_hint(
			&checker->script->diag,
			"Add a cast to integer if you want the value of the aggregate, e.g. `%s = "
			"(int64)%s;`.",
			stmt->target->name, stmt->value->name ? stmt->value->name : "@");
}

static void check_map_assignment(struct checker *checker, struct stmt *stmt)
{
	struct expr *target = stmt->target;
	const struct type *type;

	check_map_key(checker, target);
	if (!target->map)
		return;
	if (stmt->op != OP_NONE) {
		if (target->map->value->kind == TYPE_NONE) {
			type = check_expr(checker, stmt->value);
			check_map_value(checker, target->map, type, stmt->place);
		}
		type = compound_type(checker, stmt);
	} else {
		checker->assigned = stmt->value;
		type = check_expr(checker, stmt->value);
		checker->assigned = NULL;
	}
	target->type = target->map->value;
	if (type->kind == TYPE_VOID) {
		check_error(checker, stmt->place, "Invalid expression for assignment");
		return;
	}
	if (type_is_aggregate(type) && stmt->value->kind != EXPR_CALL) {
		refuse_aggregate(checker, stmt, type);
		return;
	}
	check_map_value(checker, target->map, type,
			type_is_aggregate(type) ? stmt->value->place : stmt->place);
}

static void check_assignment(struct checker *checker, struct stmt *stmt)
{
	struct variable *variable;
	const struct type *type;

	if (stmt->target->kind == EXPR_MAP) {
		check_map_assignment(checker, stmt);
		return;
	}
	if (stmt->op != OP_NONE) {
		type = compound_type(checker, stmt);
		variable = stmt->target->variable;
	} else {
		type = check_expr(checker, stmt->value);
		variable = lookup(checker, stmt->target->name);
		if (!variable)
			variable = declare(checker, stmt, stmt->target);
		stmt->target->variable = variable;
	}
	if (variable)
		assign_variable(checker, variable, type, stmt->place,
				stmt->op ? NULL : stmt->value);
}

static void check_let(struct checker *checker, struct stmt *stmt)
{
	struct variable *variable, *earlier;
	const struct type *type = stmt->value ? check_expr(checker, stmt->value) : &type_none;

	earlier = lookup(checker, stmt->target->name);
	if (earlier && earlier != stmt->variable) {
		struct place place = {stmt->place.from, stmt->target->place.to};

		check_error(checker, place,
			    "Variable %s was already declared. Variable shadowing is not allowed.",
			    stmt->target->name);
		check_error(checker, earlier->place, "This is the initial declaration.");
	}
	variable = declare(checker, stmt, stmt->target);
	if (!variable)
		return;
	if (stmt->spec) {
		const struct type *fixed = check_type_spec(checker, stmt->spec, NULL);

		if (fixed && fixed->kind != TYPE_NONE) {
			if (!type_same(variable->type, fixed))
				checker->is_changed = true;
			variable->type = fixed;
			variable->has_fixed_type = true;
		}
	}
	if (stmt->value)
		assign_variable(checker, variable, type, stmt->place, stmt->value);
}

static void check_body_of(struct checker *checker, struct stmt *stmts)
{
	struct binding *outer = checker->bindings;

	checker->depth++;
	check_stmts(checker, stmts);
	checker->depth--;
	checker->bindings = outer;
}

static void check_shadow(struct checker *checker, const struct stmt *stmt)
{
	const struct variable *earlier = lookup(checker, stmt->target->name);

	if (!earlier || earlier == stmt->variable)
		return;
	check_error(checker, stmt->target->place, "Loop declaration shadows existing variable: %s",
		    stmt->target->name);
	check_error(checker, earlier->place, "This is the initial assignment.");
}

static void check_for_map(struct checker *checker, struct stmt *stmt)
{
	struct map_decl *map = script_map(checker->script, stmt->value->name, stmt->value->place);
	struct field *fields = arena_new(&checker->script->arena, 3 * sizeof(*fields));
	struct variable *variable;

	check_shadow(checker, stmt);
	variable = declare(checker, stmt, stmt->target);
	stmt->value->map = map;
	if (!map || !fields || !variable)
		return;
	if (checker->is_final && (!map->key || map->key->kind == TYPE_NONE))
		check_error(checker, stmt->value->place,
			    map->value->kind == TYPE_NONE
				    ? "Undefined map: %s"
				    : "%s has no explicit keys (scalar map), and cannot be used "
				      "for iteration",
			    map->name);
	if (map->key && map->value->kind != TYPE_NONE && map->key->kind != TYPE_NONE) {
		const struct type *value = map->value;

		if (type_is_castable_aggregate(value))
			value = value->kind == TYPE_COUNT ? &type_uint64 : &type_int64;
		fields[0].type = map->key;
		fields[1].type = value;
		variable->type = type_tuple(&checker->script->arena, fields, 2);
	}
}

static void check_loop(struct checker *checker, struct stmt *stmt)
{
	struct binding *outer = checker->bindings;

	checker->body->has_loop = true;
	if (stmt->kind == STMT_FOR_RANGE) {
		const struct type *from = check_expr(checker, stmt->value);
		const struct type *to = check_expr(checker, stmt->end);
		struct variable *variable;

		if (from->kind != TYPE_NONE && !type_is_integer(from))
			check_error(checker, stmt->place,
				    "Loop range requires an integer for the start value");
		if (to->kind != TYPE_NONE && !type_is_integer(to))
			check_error(checker, stmt->place,
				    "Loop range requires an integer for the end value");
		check_shadow(checker, stmt);
		variable = declare(checker, stmt, stmt->target);
		if (variable) {
			variable->type = &type_int64;
			variable->is_in_loop = true;
		}
	} else if (stmt->kind == STMT_FOR_MAP) {
		check_for_map(checker, stmt);
	} else {
		diag_warn(&checker->script->diag, stmt->place,
			  "While loops are deprecated and may be removed in the future.");
		diag_hint(&checker->script->diag,
			  "For loops support ranges (e.g. `for ($x : $start..$end) { ... }`), and "
			  "can be used in place of while. These are more easily proven to be "
			  "bounded by the verifier.");
	}
	checker->loop_depth++;
	checker->callback_depth += stmt->kind == STMT_FOR_MAP;
	if (stmt->kind == STMT_FOR_MAP && stmt->variable)
		stmt->variable->is_shared = true;
	if (stmt->kind == STMT_WHILE)
		check_condition(checker, stmt->value, stmt->place);
	check_body_of(checker, stmt->body);
	checker->callback_depth -= stmt->kind == STMT_FOR_MAP;
	checker->loop_depth--;
	checker->bindings = outer;
}

static void check_unroll(struct checker *checker, struct stmt *stmt)
{
	const struct type *type = check_expr(checker, stmt->value);

	if (type->kind != TYPE_NONE && (!stmt->value->is_constant || type->kind != TYPE_INT))
		check_error(checker, stmt->place, "invalid unroll value");
	else if (stmt->value->is_negative)
		check_error(checker, stmt->place, "invalid unroll value");
	else if (stmt->value->number < 1)
		check_error(checker, stmt->place, "unroll minimum value is 1");
	else if (stmt->value->number > 100)
		check_error(checker, stmt->place, "unroll maximum value is 100");
	check_body_of(checker, stmt->body);
}

static void check_return(struct checker *checker, struct stmt *stmt)
{
	const struct type *type = check_expr(checker, stmt->value);

	if (type->kind != TYPE_NONE && !type_is_integer(type))
		check_error(checker, stmt->place,
			    "Probe return values can only be integers. Found %s",
			    check_text(checker, type));
}

static void warn_of_discarded(struct checker *checker, const struct expr *expr);

static void check_discarded(struct checker *checker, struct stmt *stmt)
{
	struct expr *value = stmt->value;

	/* `@x;` may be all that is said of a map */
	if (value->is_discarded && value->kind == EXPR_MAP && !value->args) {
		check_map_key(checker, value);
		value->type = value->map ? value->map->value : &type_none;
	} else {
		check_expr(checker, value);
	}
	if (value->is_discarded)
		warn_of_discarded(checker, value);
}

/* What nobody wants to know: `1;`, `has_key(@, 1);`. */
static void warn_of_discarded(struct checker *checker, const struct expr *expr)
{
	if (!checker->is_final || expr->type->kind == TYPE_VOID || checker->script->diag.errors ||
	    expr->kind == EXPR_STEP || expr->kind == EXPR_TERNARY || expr->kind == EXPR_IF ||
	    expr->kind == EXPR_BLOCK)
		return;
	if (expr->kind == EXPR_CALL && expr->function &&
	    (expr->function->flags & (FUNCTION_NO_VALUE | FUNCTION_AGGREGATE)))
		return;
	diag_warn(&checker->script->diag, expr->place, "Return value discarded.");
}

static void check_if(struct checker *checker, struct stmt *stmt)
{
	bool is_decided, is_taken = false;

	check_condition(checker, stmt->value, stmt->place);
	is_decided = stmt->is_comptime && check_is_decided(stmt->value, &is_taken);
	if (!is_decided || is_taken)
		check_branch(checker, stmt, stmt->body, false);
	if (stmt->otherwise && (!is_decided || !is_taken))
		check_branch(checker, stmt, stmt->otherwise, true);
}

static void check_stmt(struct checker *checker, struct stmt *stmt)
{
	switch (stmt->kind) {
	case STMT_EXPR: check_discarded(checker, stmt); break;
	case STMT_ASSIGN: check_assignment(checker, stmt); break;
	case STMT_LET: check_let(checker, stmt); break;
	case STMT_IF: check_if(checker, stmt); break;
	case STMT_WHILE:
	case STMT_FOR_RANGE:
	case STMT_FOR_MAP: check_loop(checker, stmt); break;
	case STMT_UNROLL: check_unroll(checker, stmt); break;
	case STMT_BREAK:
	case STMT_CONTINUE:
		if (!checker->loop_depth) /* the place takes the semicolon in */
			check_error(checker, (struct place){stmt->place.from, stmt->place.to + 1},
				    "'%s' statement is not allowed in a probe",
				    stmt->kind == STMT_BREAK ? "break" : "continue");
		break;
	case STMT_RETURN:
		if (stmt->value)
			check_return(checker, stmt);
		break;
	case STMT_BLOCK: check_body_of(checker, stmt->body); break;
	}
}

static bool ends_here(const struct stmt *stmt)
{
	return stmt->kind == STMT_RETURN || stmt->kind == STMT_BREAK ||
	       stmt->kind == STMT_CONTINUE ||
	       (stmt->kind == STMT_EXPR && stmt->value->kind == EXPR_CALL &&
		stmt->value->function && !strcmp(stmt->value->function->name, "exit"));
}

void check_stmts(struct checker *checker, struct stmt *stmts)
{
	for (struct stmt *stmt = stmts; stmt; stmt = stmt->next) {
		check_stmt(checker, stmt);
		if (checker->is_final && stmt->next && ends_here(stmt)) {
			struct place rest = stmt->next->place;

			for (const struct stmt *s = stmt->next; s; s = s->next)
				rest.to = s->place.to + 1; /* its semicolon */
			diag_warn(&checker->script->diag, rest, "Unreachable statement.");
		}
	}
}

static void check_probe(struct checker *checker, struct probe *probe)
{
	checker->probe = probe;
	checker->body = probe->body;
	checker->bindings = NULL;
	checker->depth = checker->loop_depth = checker->callback_depth = 0;
	bind_hoisted(checker);
	if (probe->body->predicate)
		check_condition(checker, probe->body->predicate, probe->body->predicate->place);
	check_stmts(checker, probe->body->stmts);
}

/* Each body once: attach points that share a tree have shared types. */
static void walk(struct checker *checker)
{
	const struct body *last = NULL;

	for (struct probe *probe = checker->script->probes; probe; probe = probe->next) {
		if (probe->body != last)
			check_probe(checker, probe);
		last = probe->body;
	}
}

/* What a map is declared as must suit what is kept in it. */
static void check_declaration(struct script *script, const struct map_decl *map)
{
	bool is_percpu = type_is_aggregate(map->value);

	if (!map->declared_as)
		return;
	if (map->value->kind == TYPE_NONE)
		diag_warn(&script->diag, map->place, "Unused map: %s", map->name);
	else if (!map->max_entries)
		diag_error(&script->diag, map->place, "%s: a map has room for one entry at least",
			   map->name);
	else if (map->key && map->key->kind != TYPE_NONE &&
		 is_percpu != !strncmp(map->declared_as, "percpu", 6))
		diag_error(&script->diag, map->used,
			   "Incompatible map types. Type from declaration: %s. Type from value/key "
			   "type: %s",
			   map->declared_as, is_percpu ? "percpuhash" : "hash");
}

/* `@x = @x + 1` says nothing of its type: a number, then. */
static bool settle_self_references(struct checker *checker)
{
	bool any = false;

	for (struct map_decl *map = checker->script->maps; map; map = map->next)
		if (map->is_written && map->value->kind == TYPE_NONE) {
			map->value = &type_int64;
			any = true;
		}
	return any;
}

int script_check(struct script *script)
{
	struct checker checker = {.script = script};

	script->diag.is_muted = true;
	for (int i = 0; i < WALKS_MAX; i++) {
		checker.is_changed = false;
		walk(&checker);
		if (!checker.is_changed)
			break;
	}
	if (settle_self_references(&checker))
		for (int i = 0; i < WALKS_MAX; i++) {
			checker.is_changed = false;
			walk(&checker);
			if (!checker.is_changed)
				break;
		}
	script->diag.is_muted = false;
	checker.is_final = true;
	walk(&checker);
	for (struct map_decl *map = script->maps; map; map = map->next)
		check_declaration(script, map);
	for (struct map_decl *map = script->maps; map; map = map->next)
		if (map->value->kind == TYPE_INT && map->value->is_literal)
			map->value = type_int(8, map->value->is_signed);
	return script->diag.errors ? -EINVAL : 0;
}
