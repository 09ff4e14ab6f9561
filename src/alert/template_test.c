// SPDX-License-Identifier: GPL-2.0-only
/*
 * template_test - what templates come to. The answers are Prometheus' (template_test.go of 2.42 has cases alike; those of humanize
 * were read off promtool).
 */
#include "alert/template.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct store_label labels[] = {
	{{(const uint8_t *)"device", 6}, {(const uint8_t *)"sda", 3}},
	{{(const uint8_t *)"instance", 8}, {(const uint8_t *)"shop.example.org:9100", 21}},
};

static int ask(void *ctx, struct span text, struct arena *arena,
	       struct template_sample **ret_samples, size_t *ret_count, struct err *why)
{
	static const struct store_label of[2] = {
		{{(const uint8_t *)"n", 1}, {(const uint8_t *)"b", 1}},
		{{(const uint8_t *)"n", 1}, {(const uint8_t *)"a", 1}}};
	struct template_sample *samples = arena_new(arena, 2 * sizeof(*samples));

	if (span_is(text, "wrong"))
		return err_set(why, -EINVAL, "no such thing");
	samples[0] = (struct template_sample){&of[0], 1, 21};
	samples[1] = (struct template_sample){&of[1], 1, 11};
	*ret_samples = samples;
	*ret_count = span_is(text, "none") ? 0 : 2;
	return 0;
}

/* The text it comes to, or "error: ..."; the caller frees. */
static char *run(const char *text, double value)
{
	const struct template_facts facts = {labels, 2, value, "http://host:8470/sonde", ask, NULL};
	const struct template *template;
	struct arena arena;
	struct err why = {};
	struct buf out;
	char *result;

	arena_init(&arena, 1 << 20);
	buf_init(&out, TEMPLATE_OUTPUT_MAX);
	if (template_read(span_of(text), &arena, &template, &why) ||
	    template_run(template, &facts, &arena, &out, &why)) {
		buf_clear(&out);
		buf_f(&out, "error: %s", why.text);
	}
	buf_str(&out, "");
	result = out.at ? buf_take(&out) : strdup("");
	buf_done(&out);
	arena_done(&arena);
	return result;
}

static const struct {
	const char *text;
	double value;
	const char *comes_to;
} good[] = {
	{"plain", 0, "plain"},
	{"", 0, ""},
	{"{{ $labels.device }} is {{ $value }}", 0.5, "sda is 0.5"},
	{"{{$value}}", 1e6, "1e+06"},
	{"{{$value}}", 123456, "123456"},
	{"{{$value}}", 1234567, "1.234567e+06"},
	{"{{$value}}", 0.00001, "1e-05"},
	{"{{.Labels.device}}{{.Value}}", 3, "sda3"},
	{"{{ $labels.nobody }}.", 0, "."},
	{"{{ $labels }}", 0, "map[device:sda instance:shop.example.org:9100]"},
	{"{{ printf \"%.2f\" $value }}|{{ $value | printf \"%5.1f%%\" }}", 3.14159, "3.14|  3.1%"},
	{"{{ printf \"%s-%d-%q\" \"a\" 3 \"b\" }}", 0, "a-3-\"b\""},
	{"{{ $value | humanize }}", 1234567, "1.235M"},
	{"{{ $value | humanize }}", 0.00123, "1.23m"},
	{"{{ $value | humanize }}", 0, "0"},
	{"{{ $value | humanize }}", -1500, "-1.5k"},
	{"{{ humanize1024 $value }}", 1048576, "1Mi"},
	{"{{ humanize1024 $value }}", 1, "1"},
	{"{{ $value | humanizePercentage }}", 0.1234567, "12.35%"},
	{"{{ $value | humanizeDuration }}", 0, "0s"},
	{"{{ $value | humanizeDuration }}", 0.05, "50ms"},
	{"{{ $value | humanizeDuration }}", 12.3456789, "12.35s"},
	{"{{ $value | humanizeDuration }}", 3661, "1h 1m 1s"},
	{"{{ $value | humanizeDuration }}", -90061, "-1d 1h 1m 1s"},
	{"{{ $value | humanizeTimestamp }}", 1435065584.128, "2015-06-23 13:19:44.128 +0000 UTC"},
	{"{{ if gt $value 1.0 }}many{{ else if eq $value 1.0 }}one{{ else }}none{{ end }}", 1,
	 "one"},
	{"{{ if and (eq $labels.device \"sda\") (lt $value 5) }}yes{{ end }}", 1, "yes"},
	{"{{ if not $labels.nobody }}nobody{{ end }}", 0, "nobody"},
	{"{{ with $labels.device }}[{{ . }}]{{ end }}{{ with $labels.nobody }}x{{ else }}-{{ end "
	 "}}",
	 0, "[sda]-"},
	{"{{ or $labels.service $labels.device }}", 0, "sda"},
	{"{{ range query \"up\" }}{{ .Labels.n }}={{ .Value }};{{ end }}", 0, "b=21;a=11;"},
	{"{{ range $i, $s := query \"up\" | sortByLabel \"n\" }}{{ $i }}{{ $s.Labels.n }} {{ end "
	 "}}",
	 0, "0a 1b "},
	{"{{ with query \"up\" }}{{ . | first | value | humanize }}{{ end }}", 0, "21"},
	{"{{ query \"up\" | first | label \"n\" }}", 0, "b"},
	{"{{ range query \"none\" }}x{{ else }}nothing{{ end }}", 0, "nothing"},
	{"{{ $x := 3 }}{{ if true }}{{ $x = 4 }}{{ end }}{{ $x }}", 0, "4"},
	{"a {{- \" b \" -}} c", 0, "a b c"},
	{"{{/* nobody sees this */}}x", 0, "x"},
	{"{{ `raw \\n` }}", 0, "raw \\n"},
	{"{{ reReplaceAll \"(.*):(.*)\" \"$1 on $2\" $labels.instance }}", 0,
	 "shop.example.org on 9100"},
	{"{{ match \"^shop\" $labels.instance }}", 0, "true"},
	{"{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }}", 0,
	 "shop.example.org shop:9100"},
	{"{{ title \"hello there\" }} {{ toUpper \"x\" }} {{ toLower \"X\" }}", 0,
	 "Hello There X x"},
	{"{{ \"<a>\" | html }} {{ urlquery \"a b&c\" }}", 0, "&lt;a&gt; a+b%26c"},
	{"{{ len $labels.device }} {{ index $labels \"device\" }}", 0, "3 sda"},
	{"{{ print \"a\" 1 2 \"b\" }}", 0, "a1 2b"},
	{"{{ externalURL }} {{ pathPrefix }}", 0, "http://host:8470/sonde /sonde"},
	{"{{ graphLink \"up == 0\" }}", 0, "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"},
	{"{{ parseDuration \"1h30m\" }}", 0, "5400"},
};

static const struct {
	const char *text, *why;
} bad[] = {
	{"{{ $value | humanise }}",
	 "error: template, byte 21: there is no function 'humanise'; did you mean 'humanize'?"},
	{"{{ $value", "error: template, byte 10: '}}' is missing"},
	{"{{ if true }}x", "error: template, byte 15: a block has no {{ end }}"},
	{"x{{ end }}", "error: template, byte 8: 'end' without a block"},
	{"{{ humanize }}", "error: template, byte 13: 'humanize' takes 1 argument, not 0"},
	{"{{ \"abc }}", "error: template, byte 11: a text does not end"},
	{"{{ $nobody }}", "error: template: there is no variable '$nobody'"},
	{"{{ .Nobody }}", "error: template: there is no '.Nobody' here"},
	{"{{ query \"none\" | first }}",
	 "error: template: first() called on vector with no elements"},
	{"{{ query \"wrong\" }}", "error: no such thing"},
	{"{{ humanize \"x\" }}", "error: template: a number was expected"},
	{"{{ template \"x\" }}", "error: template, byte 12: 'template' is not known here"},
};

static void templates_come_to_what_prometheus_makes_of_them(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char *is = run(good[i].text, good[i].value);

		if (strcmp(is, good[i].comes_to) != 0)
			print_error("%s\n", good[i].text);
		assert_string_equal(is, good[i].comes_to);
		free(is);
	}
}

static void mistakes_are_told_with_their_place(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char *is = run(bad[i].text, 1);

		assert_string_equal(is, bad[i].why);
		free(is);
	}
}

static void what_is_cut_anywhere_is_refused_or_run(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		for (size_t len = 0; len < strlen(good[i].text); len++) {
			char *part = strndup(good[i].text, len);

			free(run(part, 1));
			free(part);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_come_to_what_prometheus_makes_of_them),
		cmocka_unit_test(mistakes_are_told_with_their_place),
		cmocka_unit_test(what_is_cut_anywhere_is_refused_or_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
