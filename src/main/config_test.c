// SPDX-License-Identifier: GPL-2.0-only
/* The later source wins, every value knows its origin, and every mistake is named with its place. */
#include "main/config.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/yaml_read.h"
#include "main/config_value.h"

static struct config *load(const char *file, const char *const *environment,
			   const char *const *sets)
{
	struct config_sources sources = {
		.file = file ? "sonde.yaml" : NULL,
		.text = span_of(file),
		.environment = environment,
		.sets = sets,
	};
	struct config *config;
	struct err why = {};

	if (config_load(&sources, &config, NULL, &why))
		fail_msg("%s", why.text);
	return config;
}

/* All mistakes, one a line; fails when there is none. */
static void assert_problems(const char *file, const char *const *environment,
			    const char *const *sets, const char *expected)
{
	struct config_sources sources = {
		.file = file ? "sonde.yaml" : NULL,
		.text = span_of(file),
		.environment = environment,
		.sets = sets,
	};
	struct config *config;
	struct buf problems;
	struct err why = {};

	buf_init(&problems, 16 * 1024);
	assert_int_equal(config_load(&sources, &config, &problems, &why), -EINVAL);
	assert_string_equal(buf_text(&problems), expected);
	assert_memory_equal(buf_text(&problems), why.text, strlen(why.text));
	buf_done(&problems);
}

static const char *list(const char *const *words, size_t i)
{
	return words[i];
}

static void every_default_is_a_value_its_key_can_have(void **state)
{
	struct config *config = load(NULL, NULL, NULL);

	assert_string_equal(config_list(config, "listen", 0), "unix:/run/sonde/sonde.sock");
	assert_string_equal(config_list(config, "listen", 1), "127.0.0.1:8470");
	assert_null(config_list(config, "listen", 2));
	assert_null(config_list(config, "hosts", 0));
	assert_int_equal(config_number(config, "limits.memory"), 64 << 20);
	assert_string_equal(config_text(config, "outlets.prometheus.by"), "process");
	assert_null(config_text(config, "node"));
	assert_null(config_item(config, "requests", "on"));
	config_free(config);
}

static void the_later_source_wins(void **state)
{
	const char *file = "store:\n  size: 1GiB\n  path: /a\nlimits: {streams: 5, connections: "
			   "9}\nnode: from file\n";
	const char *const environment[] = {"SONDE_STORE_SIZE=3GiB", "SONDE_LIMITS_STREAMS=6",
					   "HOME=/", "SONDE_LISTEN=[127.0.0.1:1]", NULL};
	const char *const sets[] = {"limits.streams=7", "store={path: /c}", NULL};
	struct config *config = load(file, environment, sets);

	assert_int_equal(config_number(config, "limits.connections"), 9);
	assert_int_equal(config_number(config, "limits.streams"), 7);
	assert_int_equal(config_number(config, "store.size"), 3ull << 30);
	assert_string_equal(config_text(config, "store.path"), "/c");
	assert_string_equal(config_text(config, "node"), "from file");
	assert_string_equal(config_list(config, "listen", 0), "127.0.0.1:1");
	assert_null(config_list(config, "listen", 1));
	assert_string_equal(config_warnings(config), "");
	config_free(config);
}

static void a_key_may_be_nested_or_dotted_and_a_list_may_be_one_word(void **state)
{
	struct config *config =
		load("limits.streams: 3\nlisten: 127.0.0.1:9\nstore: {size: 1.5GiB}\nnode:\n"
		     "user: 65534\n",
		     NULL, NULL);

	assert_int_equal(config_number(config, "limits.streams"), 3);
	assert_int_equal(config_number(config, "store.size"), 3ull << 29);
	assert_string_equal(config_list(config, "listen", 0), "127.0.0.1:9");
	assert_null(config_list(config, "listen", 1));
	assert_string_equal(config_text(config, "user"), "65534");
	assert_null(config_text(config, "node"));
	config_free(config);
}

static void mistakes_are_named_with_place_and_suggestion(void **state)
{
	assert_problems(
		"node: x\nlimts:\n  memory: 64MiB\n", NULL, NULL,
		"sonde.yaml:3: unknown key 'limts.memory', did you mean 'limits.memory'?\n");
	assert_problems("limits:\n  memry: 1\nfrobnicate: 2\n", NULL, NULL,
			"sonde.yaml:2: unknown key 'limits.memry', did you mean 'limits.memory'?\n"
			"sonde.yaml:3: unknown key 'frobnicate'; `sonde config show` names all\n");
	assert_problems(
		"store: big\nlimits: {memory: much, streams: -1}\n", NULL, NULL,
		"sonde.yaml:1: 'store' is a section: its keys belong below it, as in {key: value}\n"
		"sonde.yaml:2: 'limits.memory' wants a size such as 64MiB, not 'much'\n"
		"sonde.yaml:2: 'limits.streams' wants a whole number, not '-1'\n");
	assert_problems("limits: {memory: 10s, connections: 1}\nitems_dir: items\n", NULL, NULL,
			"sonde.yaml:1: 'limits.memory' wants a size such as 64MiB, not '10s'\n"
			"sonde.yaml:1: 'limits.connections' is at least 4, not '1'\n"
			"sonde.yaml:2: 'items_dir' wants a path that begins with /, not 'items'\n");
	assert_problems("outlets: {prometheus: {by: contaner}}\nitems: {x: {on: maybe, pin: [1]}}",
			NULL, NULL,
			"sonde.yaml:1: 'outlets.prometheus.by' is one of "
			"process|container|pod|service|host, not "
			"'contaner'; did you mean 'container'?\n"
			"sonde.yaml:2: 'items.x.on' wants true or false, not 'maybe'\n"
			"sonde.yaml:2: 'items.x.pin' wants true or false, not a list\n");
	assert_problems("a: [\n", NULL, NULL,
			"sonde.yaml:2: not YAML: while parsing a flow node: did not find "
			"expected node content\n");
	assert_problems("\"\\e[2J\\\"\": 1\n\"\": 2\nlisten: \"\\e[2J'\"\n", NULL, NULL,
			"sonde.yaml:1: unknown key '?[2J\"'; `sonde config show` names all\n"
			"sonde.yaml:2: no key is called that\n"
			"sonde.yaml:3: 'listen' '?[2J'' is no address; write 127.0.0.1:8470, "
			"[::1]:8470, :8470 or "
			"unix:/path (names are not looked up)\n");
}

static void mistakes_of_environment_and_sets_name_them(void **state)
{
	const char *const environment[] = {"SONDE_STORE_SIZE=tall", NULL};
	const char *const sets[] = {"stor.size=1GiB", "node", "limits.streams=[", NULL};

	assert_problems(NULL, environment, sets,
			"SONDE_STORE_SIZE: 'store.size' wants a size such as 64MiB, not 'tall'\n"
			"--set: unknown key 'stor.size', did you mean 'store.size'?\n"
			"--set: 'node' is not KEY=VALUE\n"
			"--set: 'limits.streams': not YAML: while parsing a flow node: "
			"did not find expected "
			"node content\n");
}

/* Kubernetes makes these for a service called "sonde" in the same namespace. */
static void variables_of_others_only_warn(void **state)
{
	const char *const environment[] = {"SONDE_PORT=tcp://10.0.0.1:8470",
					   "SONDE_SERVICE_HOST=10.0.0.1", "SONDE_SOCKET=/x",
					   "SONDEX=1", NULL};
	struct config *config = load(NULL, environment, NULL);

	assert_string_equal(
		config_warnings(config),
		"SONDE_PORT: no key is called that; the variable is not used\n"
		"SONDE_SERVICE_HOST: no key is called that; the variable is not used\n");
	config_free(config);
}

static const char *const item_names[] = {"requests", "tcp_state", "tcp", NULL};
static const char *const param_names[] = {"head_bytes", "min_us", "policy", NULL};

static const char *item_at(void *ctx, size_t i)
{
	return list(item_names, i);
}

static const char *param_at(void *ctx, const char *item, size_t i)
{
	return list(param_names, i);
}

static int refuse_big_heads(void *ctx, const char *item, const char *key,
			    const struct setting *setting, struct err *why)
{
	++*(unsigned *)ctx;
	if (!strcmp(key, "head_bytes") && span_is(setting->node->text, "1GiB"))
		return err_set(why, -EINVAL, "is at most 64 KiB");
	return 0;
}

static void items_are_checked_once_they_are_known(void **state)
{
	const char *const environment[] = {
		"SONDE_ITEMS_TCP_STATE_BY=process", "SONDE_ITEMS_TCP_ON=false",
		"SONDE_ITEMS_REQUESTS_HOOK_SEND=tp/x", "SONDE_ITEMS_REQUESTS_MIN_US=5", NULL};
	const char *const sets[] = {"items.requests.min_us=7", NULL};
	unsigned asked = 0;
	struct config_items items = {.ctx = &asked, .item = item_at, .param = param_at, .check = refuse_big_heads};
	struct config *config =
		load("items: {requests: {head_bytes: 1KiB, policy: [{a: b}]}}", environment, sets);
	const struct setting *setting;
	const char *key;
	struct err why = {};
	size_t i = 0, count = 0;

	if (config_check_items(config, &items, NULL, &why))
		fail_msg("%s", why.text);
	assert_int_equal(asked, 6);
	assert_string_equal((const char *)config_item(config, "tcp_state", "by")->node->text.at,
			    "process");
	assert_string_equal(config_item(config, "tcp_state", "by")->place,
			    "SONDE_ITEMS_TCP_STATE_BY");
	assert_int_equal(config_item(config, "tcp", "on")->number, 0);
	assert_string_equal(
		(const char *)config_item(config, "requests", "hook.send")->node->text.at, "tp/x");
	setting = config_item(config, "requests", "min_us");
	assert_string_equal((const char *)setting->node->text.at, "7");
	assert_string_equal(setting->place, "--set");
	while (config_item_next(config, "requests", &i, &key))
		count++;
	assert_int_equal(count, 4);
	config_free(config);
}

static void what_items_do_not_know_is_a_mistake(void **state)
{
	const char *const environment[] = {"SONDE_ITEMS_NOSUCH_ON=true", NULL};
	unsigned asked = 0;
	struct config_items items = {.ctx = &asked, .item = item_at, .param = param_at, .check = refuse_big_heads};
	struct config *config = load("items:\n  request: {on: true}\n  requests:\n    hed_bytes: "
				     "1\n    head_bytes: 1GiB\n"
				     "    rng: 4MiB\n    zebra: 1\n    hok: {x: y}\n",
				     environment, NULL);
	struct buf problems;
	struct err why = {};

	buf_init(&problems, 4096);
	assert_int_equal(config_check_items(config, &items, &problems, &why), -EINVAL);
	assert_string_equal(
		buf_text(&problems),
		"SONDE_ITEMS_NOSUCH_ON: there is no item that this variable could mean\n"
		"sonde.yaml:2: there is no item 'request', did you mean 'requests'?\n"
		"sonde.yaml:4: item 'requests' has no parameter 'hed_bytes', did you mean "
		"'head_bytes'?\n"
		"sonde.yaml:5: 'items.requests.head_bytes': is at most 64 KiB\n"
		"sonde.yaml:6: item 'requests' has no parameter 'rng', did you mean 'ring'?\n"
		"sonde.yaml:7: item 'requests' has no parameter 'zebra'\n"
		"sonde.yaml:8: item 'requests' has no parameter 'hok', did you mean 'hook'?\n");
	buf_done(&problems);
	config_free(config);
}

static void note_change(void *ctx, const struct setting *was, const struct setting *is)
{
	buf_f(ctx, "%s:%s%s ", was ? was->key : is->key, was ? " was" : "", is ? " is" : "");
}

static void a_reload_says_what_changed(void **state)
{
	struct config *was =
		load("node: a\nstore: {size: 1GiB}\nitems: {exec: {on: true}}", NULL, NULL);
	struct config *is =
		load("store: {size: 2GiB}\nnode: a\nitems: {tcp: {on: true}}", NULL, NULL);
	struct buf text;

	buf_init(&text, 1000);
	assert_int_equal(config_compare(was, is, note_change, &text), 3);
	assert_string_equal(buf_text(&text),
			    "store.size: was is items.exec.on: was items.tcp.on: is ");
	assert_int_equal(config_compare(is, is, note_change, &text), 0);
	buf_done(&text);
	config_free(was);
	config_free(is);
}

static void what_is_shown_can_be_read_again(void **state)
{
	const char *const sets[] = {"node=12", "items.x.where=status >= 500 # \"no\" comment",
				    "hosts=[a, '1']", NULL};
	struct config *config = load("listen: [unix:/x]\nkubernetes.api: off", NULL, sets), *again;
	struct buf text;

	buf_init(&text, 64 * 1024);
	config_show(config, &text);
	assert_non_null(strstr(buf_text(&text), "node: 12"));
	assert_non_null(strstr(buf_text(&text), "# sonde.yaml:1\n"));
	assert_non_null(strstr(buf_text(&text), "# --set\n"));
	again = load(buf_text(&text), NULL, NULL);
	buf_clear(&text);
	if (config_compare(config, again, note_change, &text))
		fail_msg("%s", buf_text(&text));
	buf_done(&text);
	config_free(config);
	config_free(again);
}

static void secrets_are_not_shown(void **state)
{
	const char *const sets[] = {"items.x.password=hunter2", "items.x.plain=visible", NULL};
	struct config *config = load(NULL, NULL, sets);
	struct buf text;
	struct json json = {.out = &text};
	const struct json_node *root;
	struct arena arena;

	buf_init(&text, 64 * 1024);
	config_json(config, &json);
	config_show(config, &text);
	assert_null(strstr(buf_text(&text), "hunter2"));
	assert_non_null(strstr(buf_text(&text), "visible"));
	buf_clear(&text);
	json = (struct json){.out = &text};
	config_json(config, &json);
	arena_init(&arena, 1 << 20);
	assert_int_equal(json_read(buf_as_span(&text), &arena, &root, NULL), 0);
	assert_non_null(json_get(root, "keys")->child);
	arena_done(&arena);
	buf_done(&text);
	config_free(config);
}

static const struct {
	const char *text;
	int family;
} addresses[] = {
	{"127.0.0.1:8470", AF_INET},
	{"[::1]:8470", AF_INET6},
	{":80", AF_INET6},
	{"localhost:1", AF_INET},
	{"unix:/run/x.sock", AF_UNIX},
	{"[::ffff:1.2.3.4]:5", AF_INET},
	{"0.0.0.0:0", AF_INET},
	{"127.0.0.1", 0},
	{"127.0.0.1:65536", 0},
	{"127.0.0.1:", 0},
	{"::1:80", 0},
	{"example.org:80", 0},
	{"unix:x", 0},
	{"", 0},
	{":", 0},
	{"[]:1", 0},
	{"1.2.3.4:+1", 0},
	{"1.2.3.4:080808", 0},
};

static void addresses_are_read_and_refused(void **state)
{
	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		struct sockaddr_storage address;
		socklen_t len;
		int error = config_address(addresses[i].text, &address, &len, NULL);

		if (error != (addresses[i].family ? 0 : -EINVAL) ||
		    (!error && address.ss_family != addresses[i].family))
			fail_msg("'%s' gave %d", addresses[i].text, error);
	}
}

static void a_path_that_is_too_long_for_a_socket_is_refused(void **state)
{
	struct sockaddr_storage address;
	char text[200] = "unix:/";
	struct err why = {};
	socklen_t len;

	memset(text + 6, 'a', 150);
	assert_int_equal(config_address(text, &address, &len, &why), -EINVAL);
	assert_non_null(strstr(why.text, "longer than the 107 bytes"));
}

static void a_file_is_read_whole_or_not(void **state)
{
	char path[] = "/tmp/sonde_config_XXXXXX";
	int fd = mkstemp(path);
	struct err why = {};
	struct buf text;

	assert_true(fd >= 0);
	buf_init(&text, CONFIG_FILE_BYTES);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(write(fd, "node: a\n", 8), 8);
	assert_int_equal(config_read_file(path, &text, &why), 0);
	assert_int_equal(text.len, 24000);
	buf_done(&text);
	buf_init(&text, 10000);
	assert_int_equal(config_read_file(path, &text, &why), -EFBIG);
	buf_done(&text);
	close(fd);
	unlink(path);
	assert_int_equal(config_read_file(path, &text, &why), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_is_a_value_its_key_can_have),
		cmocka_unit_test(the_later_source_wins),
		cmocka_unit_test(a_key_may_be_nested_or_dotted_and_a_list_may_be_one_word),
		cmocka_unit_test(mistakes_are_named_with_place_and_suggestion),
		cmocka_unit_test(mistakes_of_environment_and_sets_name_them),
		cmocka_unit_test(variables_of_others_only_warn),
		cmocka_unit_test(items_are_checked_once_they_are_known),
		cmocka_unit_test(what_items_do_not_know_is_a_mistake),
		cmocka_unit_test(a_reload_says_what_changed),
		cmocka_unit_test(what_is_shown_can_be_read_again),
		cmocka_unit_test(secrets_are_not_shown),
		cmocka_unit_test(addresses_are_read_and_refused),
		cmocka_unit_test(a_path_that_is_too_long_for_a_socket_is_refused),
		cmocka_unit_test(a_file_is_read_whole_or_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
