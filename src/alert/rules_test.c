// SPDX-License-Identifier: GPL-2.0-only
/* rules_test - files of rules: what is right is taken, what is wrong is left out with a sentence that helps. */
#include "alert/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

extern const char default_rules[], default_rules_end[];

static struct rules *read_text(const char *text, struct buf *problems)
{
	struct rules *rules = rules_new();

	buf_init(problems, 65536);
	rules_read(rules, "r.yml", span_of(text), 60000, problems);
	return rules;
}

static void a_file_is_read_whole(void **state)
{
	static const char text[] = "groups:\n"
				   "- name: a\n"
				   "  interval: 30s\n"
				   "  limit: 10\n"
				   "  rules:\n"
				   "  - alert: Up\n"
				   "    expr: up == 0\n"
				   "    for: 1h30m\n"
				   "    keep_firing_for: 5m\n"
				   "    labels: {severity: page, number: 1, truth: true}\n"
				   "    annotations:\n"
				   "      summary: '{{ $labels.instance }} is down'\n"
				   "  - record: job:up:sum\n"
				   "    expr: |\n"
				   "      sum by (job) (up)\n"
				   "    labels: {a: b}\n"
				   "- name: b\n"
				   "  rules: []\n";
	struct buf problems;
	struct rules *rules = read_text(text, &problems);
	const struct rule *rule;

	assert_string_equal(buf_text(&problems), "");
	assert_int_equal(rules->groups, 2);
	assert_int_equal(rules->count, 2);
	assert_int_equal(rules->group[0].interval_ms, 30000);
	assert_int_equal(rules->group[0].limit, 10);
	assert_int_equal(rules->group[1].interval_ms, 60000);
	rule = &rules->group[0].rule[0];
	assert_string_equal(rule->name, "Up");
	assert_int_equal(rule->for_ms, 5400000);
	assert_int_equal(rule->keep_firing_ms, 300000);
	assert_int_equal(rule->labels, 3);
	assert_true(span_is(rule->label[1].text, "1"));
	assert_true(span_is(rule->label[2].text, "true"));
	assert_int_equal(rule->annotations, 1);
	assert_int_equal(rule->line, 6);
	assert_true(rules->group[0].rule[1].is_record);
	assert_true(span_is(rules->group[0].rule[1].expr, "sum by (job) (up)"));
	buf_done(&problems);
	rules_free(rules);
}

static const struct {
	const char *text, *why;
	size_t stay; /* rules that are left */
} wrong[] = {
	{"group: []\n", "r.yml:1: a file of rules has no 'group'; did you mean 'groups'?\n", 0},
	{"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up ==\n  - alert: B\n    expr: "
	 "up\n",
	 "r.yml:5: 'expr': 1:6: parse error: ", 1},
	{"groups:\n- name: a\n  rules:\n  - alert: A\n    exp: up\n    expr: up\n  - alert: B\n    "
	 "expr: up\n",
	 "r.yml:5: a rule has no 'exp'; did you mean 'expr'?\n", 1},
	{"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up\n    for: 5\n",
	 "r.yml:6: 'for' is a duration like 30s, 5m or 1h30m, not '5'\n", 0},
	{"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: rat(up[5m])\n",
	 "r.yml:5: 'expr': 1:1: parse error: unknown function with name \"rat\"", 0},
	{"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up[5m]\n",
	 "r.yml:5: 'expr' comes to a range or a text; it must be a vector or a number\n", 0},
	{"groups:\n- name: a\n  rules:\n  - alert: A\n    record: b\n    expr: up\n",
	 "r.yml:4: a rule is either an 'alert' or a 'record', not both\n", 0},
	{"groups:\n- name: a\n  rules:\n  - expr: up\n",
	 "r.yml:4: a rule has a name: 'alert' or 'record' is missing\n", 0},
	{"groups:\n- name: a\n  rules:\n  - alert: A\n",
	 "r.yml:4: 'expr' is missing: what the rule asks\n", 0},
	{"groups:\n- name: a\n  rules:\n  - record: a-b\n    expr: up\n",
	 "r.yml:4: 'a-b' is no name for a metric\n", 0},
	{"groups:\n- name: a\n  rules:\n  - record: b\n    expr: up\n    for: 5m\n",
	 "r.yml:6: 'for' has no meaning where something is recorded\n", 0},
	{"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up\n    labels: {a-b: c}\n",
	 "r.yml:6: 'a-b' is no name for a label\n", 0},
	{"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up\n    annotations:\n      "
	 "summary: '{{ $value | humanise }}'\n",
	 "r.yml:7: 'summary': template, byte 21: there is no function 'humanise'; did you mean "
	 "'humanize'?\n",
	 0},
	{"groups:\n- name: a\n- name: a\n", "r.yml:3: there is a group 'a' already in this file\n",
	 0},
	{"groups:\n- rules: []\n", "r.yml:2: a group has a 'name'\n", 0},
	{"groups: {}\n", "r.yml:1: 'groups' is a list\n", 0},
	{"- a\n", "r.yml:1: a file of rules begins with 'groups:'\n", 0},
	{"groups: [\n", "r.yml:", 0},
};

static void what_is_wrong_is_said_and_the_rest_stays(void **state)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct buf problems;
		struct rules *rules = read_text(wrong[i].text, &problems);

		if (strncmp(buf_text(&problems), wrong[i].why, strlen(wrong[i].why)) != 0)
			assert_string_equal(buf_text(&problems), wrong[i].why);
		assert_int_equal(rules->count, wrong[i].stay);
		buf_done(&problems);
		rules_free(rules);
	}
}

/* Each says what to do: that is what they are for. */
static void rules_that_come_with_the_agent_are_right(void **state)
{
	struct rules *rules = rules_new();
	struct buf problems;

	buf_init(&problems, 65536);
	rules_read(rules, "sonde.rules.yml",
		   (struct span){(const uint8_t *)default_rules,
				 (size_t)(default_rules_end - default_rules)},
		   60000, &problems);
	assert_string_equal(buf_text(&problems), "");
	assert_true(rules->count > 25);
	for (size_t i = 0; i < rules->groups; i++)
		for (size_t k = 0; k < rules->group[i].rules; k++) {
			const struct rule *rule = &rules->group[i].rule[k];
			unsigned told = 0;

			for (size_t n = 0; n < rule->annotations; n++)
				told += span_is(rule->annotation[n].name, "summary") ||
					span_is(rule->annotation[n].name, "description") ||
					span_is(rule->annotation[n].name, "action");
			if (!rule->is_record && told != 3)
				print_error("%s\n", rule->name);
			assert_true(rule->is_record || told == 3);
		}
	buf_done(&problems);
	rules_free(rules);
}

static void folders_and_files_that_are_not_there(void **state)
{
	struct rules *rules = rules_new();
	struct buf problems;

	buf_init(&problems, 65536);
	assert_int_equal(rules_load(rules, "/nonexistent/rules.d", 60000, &problems), 0);
	assert_int_equal(rules_load(rules, "/nonexistent/rules.yml", 60000, &problems), 1);
	assert_string_equal(buf_text(&problems),
			    "/nonexistent/rules.yml: cannot be read: No such file or directory\n");
	buf_done(&problems);
	rules_free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_whole),
		cmocka_unit_test(what_is_wrong_is_said_and_the_rest_stays),
		cmocka_unit_test(rules_that_come_with_the_agent_are_right),
		cmocka_unit_test(folders_and_files_that_are_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
