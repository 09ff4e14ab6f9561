// SPDX-License-Identifier: GPL-2.0-only
/* config_value - whether a value is one that its key can have, and what number it stands for. */
#include "main/config_value.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stddef.h>
#include <sys/un.h>

#include "base/addr.h"
#include "base/suggest.h"
#include "base/units.h"

/* What the person wrote, short enough for a message. */
static const char *shown(const struct json_node *node, char text[64])
{
	struct buf buf;
	struct json json = {.out = &buf};

	switch (node->type) {
	case JSON_NULL: return "nothing";
	case JSON_ARRAY: return "a list";
	case JSON_OBJECT: return "a map";
	default: break;
	}
	buf_init(&buf, 512);
	json_span(&json, span_first(node->text, 48)); /* quotes and control bytes made harmless */
	snprintf(text, 64, "'%.*s%s'", buf.len > 2 ? (int)buf.len - 2 : 0,
		 buf.len ? buf_text(&buf) + 1 : "", node->text.len > 48 ? "..." : "");
	buf_done(&buf);
	return text;
}

static int wants(const struct json_node *node, const char *what, struct err *why)
{
	char text[64];

	return err_set(why, -EINVAL, "wants %s, not %s", what, shown(node, text));
}

static bool is_scalar(const struct json_node *node)
{
	return node->type == JSON_TEXT || node->type == JSON_NUMBER || node->type == JSON_BOOL;
}

static int check_bool(const struct json_node *node, uint64_t *ret_number, struct err *why)
{
	if (node->type != JSON_BOOL &&
	    !(node->type == JSON_TEXT && (span_is(node->text, "on") || span_is(node->text, "off") ||
					  span_is(node->text, "yes") || span_is(node->text, "no"))))
		return wants(node, "true or false", why);
	*ret_number = node->type == JSON_BOOL
			      ? node->truth
			      : span_is(node->text, "on") || span_is(node->text, "yes");
	return 0;
}

static int check_limits(const struct config_key *row, const struct json_node *node, uint64_t number,
			struct err *why)
{
	struct buf text;
	uint64_t limit = number < row->least ? row->least : row->most;
	char given[64];

	if (number >= row->least && (!row->most || number <= row->most))
		return 0;
	buf_init(&text, 64);
	if (row->type == CONFIG_SIZE)
		print_bytes(&text, (double)limit);
	else if (row->type == CONFIG_DURATION)
		print_duration(&text, (double)limit);
	else
		buf_u64(&text, limit);
	err_set(why, -EINVAL, "is at %s %s, not %s", number < row->least ? "least" : "most",
		buf_text(&text), shown(node, given));
	buf_done(&text);
	return -EINVAL;
}

static int check_number(const struct config_key *row, const struct json_node *node,
			uint64_t *ret_number, struct err *why)
{
	static const char *const examples[] = {
		[CONFIG_COUNT] = "a whole number",
		[CONFIG_SIZE] = "a size such as 64MiB",
		[CONFIG_DURATION] = "a duration with its unit, such as 10s",
	};
	struct quantity quantity = {};
	bool fits;

	if (!is_scalar(node) || !quantity_parse(node->text, &quantity) || quantity.is_negative)
		return wants(node, examples[row->type], why);
	if (!quantity.is_whole && quantity.value < 0x1p53) /* 1.5GiB is whole all the same */
		quantity.whole = (uint64_t)quantity.value;
	if (!quantity.is_whole && (double)quantity.whole != quantity.value)
		return wants(node, examples[row->type], why);
	fits = quantity.kind == QUANTITY_PLAIN
		       ? row->type != CONFIG_DURATION || quantity.whole == 0
		       : quantity.kind == (row->type == CONFIG_SIZE       ? QUANTITY_BYTES
					   : row->type == CONFIG_DURATION ? QUANTITY_NS
									  : QUANTITY_PLAIN);
	if (!fits)
		return wants(node, examples[row->type], why);
	*ret_number = quantity.whole;
	return check_limits(row, node, quantity.whole, why);
}

static int check_choice(const struct config_key *row, const struct json_node *node, struct err *why)
{
	struct suggestion near = {};
	char text[64];

	if (!is_scalar(node))
		return wants(node, "a word", why);
	for (const char *at = row->choices; *at;) {
		struct span word = {(const uint8_t *)at, strcspn(at, "|")};

		if (span_same(word, node->text))
			return 0;
		suggest(&near, node->text, word);
		at += word.len + (at[word.len] == '|');
	}
	if (near.best[0])
		return err_set(why, -EINVAL, "is one of %s, not %s; did you mean '%s'?",
			       row->choices, shown(node, text), near.best);
	return err_set(why, -EINVAL, "is one of %s, not %s", row->choices, shown(node, text));
}

static int check_address(const struct json_node *node, struct err *why)
{
	struct sockaddr_storage address;
	socklen_t len;

	if (node->type != JSON_TEXT)
		return wants(node, "an address such as 127.0.0.1:8470 or unix:/run/sonde.sock",
			     why);
	return config_address((const char *)node->text.at, &address, &len, why);
}

static int check_list(const struct config_key *row, const struct json_node *node, struct err *why)
{
	const struct json_node *item = node->type == JSON_ARRAY ? node->child : node;

	for (; item; item = node->type == JSON_ARRAY ? item->next : NULL) {
		int error = row->type == CONFIG_ADDRESSES ? check_address(item, why)
			    : is_scalar(item)             ? 0
							  : wants(item, "a list of words", why);

		if (error)
			return error;
	}
	return 0;
}

int config_value_check(const struct config_key *row, const struct json_node *node,
		       uint64_t *ret_number, struct err *why)
{
	switch (row->type) {
	case CONFIG_BOOL: return check_bool(node, ret_number, why);
	case CONFIG_COUNT:
	case CONFIG_SIZE:
	case CONFIG_DURATION: return check_number(row, node, ret_number, why);
	case CONFIG_TEXT: return is_scalar(node) ? 0 : wants(node, "a text", why);
	case CONFIG_PATH:
		if (!is_scalar(node) || (node->text.len && node->text.at[0] != '/'))
			return wants(node, "a path that begins with /", why);
		return 0;
	case CONFIG_CHOICE: return check_choice(row, node, why);
	case CONFIG_ADDRESSES:
	case CONFIG_TEXTS: return check_list(row, node, why);
	case CONFIG_ANY: return 0;
	}
	return -EINVAL;
}

static int unix_address(const char *path, struct sockaddr_storage *ret_address, socklen_t *ret_len,
			struct err *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (path[0] != '/')
		return err_set(why, -EINVAL, "'unix:%.100s' is no address: the path begins with /",
			       path);
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(why, -EINVAL,
			       "'unix:%.120s' is longer than the %zu bytes the kernel allows", path,
			       sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	*ret_address = (struct sockaddr_storage){};
	memcpy(ret_address, &address, sizeof(address));
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	return 0;
}

static bool parse_port(struct span text, uint16_t *ret_port)
{
	uint32_t port = 0;

	if (!text.len || text.len > 5)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		port = port * 10 + (text.at[i] - '0');
	}
	*ret_port = (uint16_t)port;
	return port < 65536;
}

static bool parse_host(struct span host, uint8_t ret_addr[ADDR_BYTES])
{
	bool in_brackets = host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';

	if (!host.len) {
		memset(ret_addr, 0, ADDR_BYTES);
		return true;
	}
	if (span_is(host, "localhost"))
		host = span_of("127.0.0.1");
	if (in_brackets)
		host = (struct span){host.at + 1, host.len - 2};
	else if (memchr(host.at, ':', host.len)) /* where would the port begin? */
		return false;
	return addr_parse(host, ret_addr);
}

int config_address(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len,
		   struct err *why)
{
	struct span all = span_of(text), host = all, port = {};
	struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6};
	struct sockaddr_in ip4 = {.sin_family = AF_INET};
	uint8_t addr[ADDR_BYTES];
	uint16_t number;

	if (span_starts(all, "unix:"))
		return unix_address(text + 5, ret_address, ret_len, why);
	for (size_t i = all.len; i-- && !port.at;)
		if (all.at[i] == ':') {
			host = span_first(all, i);
			port = span_from(all, i + 1);
		}
	if (!port.at || !parse_port(port, &number) || !parse_host(host, addr))
		return err_set(why, -EINVAL,
			       "'%.100s' is no address; write 127.0.0.1:8470, [::1]:8470, :8470 "
			       "or unix:/path (names are not looked up)",
			       text);
	*ret_address = (struct sockaddr_storage){};
	if (addr_is_ip4(addr)) {
		ip4.sin_port = htons(number);
		memcpy(&ip4.sin_addr, addr + 12, 4);
		memcpy(ret_address, &ip4, sizeof(ip4));
		*ret_len = sizeof(ip4);
		return 0;
	}
	ip6.sin6_port = htons(number);
	memcpy(&ip6.sin6_addr, addr, sizeof(addr));
	memcpy(ret_address, &ip6, sizeof(ip6));
	*ret_len = sizeof(ip6);
	return 0;
}
