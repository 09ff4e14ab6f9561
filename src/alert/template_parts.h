/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * template_parts - what the files of templates share.
 *
 * template.c		text to tree
 * template_run.c	tree to text
 * template_functions.c	what can be called
 * template_numbers.c	the part of it that writes numbers
 */
#pragma once

#include "alert/template.h"

enum node_kind { NODE_TEXT, NODE_PRINT, NODE_SET, NODE_IF, NODE_WITH, NODE_RANGE };

enum operand_kind {
	OPERAND_NUMBER,
	OPERAND_TEXT,
	OPERAND_TRUTH,
	OPERAND_NOTHING,
	OPERAND_DOT,
	OPERAND_VARIABLE,
	OPERAND_PIPE, /* in parentheses */
	OPERAND_FUNCTION,
};

struct field {
	struct span name;
	struct field *next;
};

struct pipe;
struct operand {
	enum operand_kind kind;
	double number;
	bool is_whole; /* it was written without a point */
	bool truth;
	struct span text; /* OPERAND_TEXT; the name of a variable (without $) or function */
	const struct template_function *function;
	const struct pipe *pipe;
	struct field *field; /* .a.b behind it */
	struct operand *next; /* of the command */
};

struct command {
	struct operand *operand; /* the first may be a function, the rest are its arguments */
	struct command *next; /* takes what this one comes to as its last argument */
};

struct pipe {
	struct span set[2]; /* variables that are set; range may have two */
	unsigned sets;
	bool declares; /* := and not = */
	struct command *command;
};

struct node {
	enum node_kind kind;
	struct span text;
	const struct pipe *pipe;
	struct node *body, *otherwise;
	struct node *next;
};

struct template
{
	struct node *first;
};

enum value_of {
	IS_NOTHING,
	IS_TRUTH,
	IS_WHOLE,
	IS_NUMBER,
	IS_TEXT,
	IS_LABELS,
	IS_SAMPLE,
	IS_LIST,
	IS_FACTS
};

struct worth {
	enum value_of kind;
	bool truth;
	double number; /* IS_WHOLE, IS_NUMBER */
	struct span text;
	const struct store_label *label; /* IS_LABELS */
	size_t count; /* of labels, of samples */
	const struct template_sample *sample; /* IS_SAMPLE, IS_LIST */
};

struct running {
	const struct template_facts *facts;
	struct arena *arena;
	struct buf *out;
	struct err *why;
	unsigned steps, depth;
	struct variable *variable; /* the newest first */
};

struct template_function {
	const char *name;
	int least, most; /* arguments; most -1 = any number */
	int (*run)(struct running *running, const struct worth *arg, size_t args,
		   struct worth *ret);
};
const struct template_function *template_function(struct span name);
/* The function with the most similar name; NULL if none is near. */
const char *template_function_near(struct span name, char ret_name[64]);

/* As it is printed. The result lives in the arena; -ENOMEM. */
int worth_text(struct running *running, const struct worth *worth, struct span *ret);
bool worth_is_true(const struct worth *worth);
struct span worth_label(const struct store_label *label, size_t count, struct span name);
/* A whole C string in the arena as a text; .at NULL on no memory. */
struct worth worth_of_text(struct running *running, struct span text);
/* A number as Go's %v prints it: 0.5, 1e+06. */
size_t number_text(double value, char ret_text[40]);

/* For those that can be called. -EINVAL with `what`; a text of our own in the arena; a number, or a text that says one. */
int template_refuse(struct running *running, const char *what);
int template_give_text(struct running *running, struct span text, struct worth *ret);
int template_give_str(struct running *running, const char *text, struct worth *ret);
int template_number_of(struct running *running, const struct worth *worth, double *ret);

/* template_numbers.c */
int template_humanize(struct running *running, const struct worth *arg, size_t args,
		      struct worth *ret);
int template_humanize_1024(struct running *running, const struct worth *arg, size_t args,
			   struct worth *ret);
int template_humanize_duration(struct running *running, const struct worth *arg, size_t args,
			       struct worth *ret);
int template_humanize_percentage(struct running *running, const struct worth *arg, size_t args,
				 struct worth *ret);
int template_humanize_timestamp(struct running *running, const struct worth *arg, size_t args,
				struct worth *ret);
int template_parse_duration(struct running *running, const struct worth *arg, size_t args,
			    struct worth *ret);
