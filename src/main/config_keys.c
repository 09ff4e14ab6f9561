// SPDX-License-Identifier: GPL-2.0-only
/* config_keys - every key of the configuration, once. Help is one line; a default is YAML as a person would write it. */
#include "main/config.h"

#define KIB (1ull << 10)
#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* clang-format off */
const struct config_key config_keys[] = {
	{"listen", CONFIG_ADDRESSES, "[unix:/run/sonde/sonde.sock, 127.0.0.1:8470]",
	 "addresses of API and page; those that are neither a unix socket nor loopback need the token", .needs_restart = true},
	{"token_file", CONFIG_PATH, "/etc/sonde/token",
	 "file with the token that lets a client change things over TCP; made at the first start where only this machine listens, and printed then as the address of the page",
	 .needs_restart = true},
	{"tls.certificate", CONFIG_PATH, "",
	 "certificate (PEM, behind it those that lead to an authority): addresses that other machines reach speak TLS, unix sockets and loopback don't",
	 .needs_restart = true},
	{"tls.key", CONFIG_PATH, "", "its key (PEM without a pass phrase)", .needs_restart = true},
	{"hosts", CONFIG_TEXTS, "[]",
	 "further host names by which a browser or a proxy may call this agent over loopback"},
	{"node", CONFIG_TEXT, "", "name of this machine in records; its host name if not set", .needs_restart = true},
	{"user", CONFIG_TEXT, "nobody", "user that the worker process becomes", .needs_restart = true},
	{"items_dir", CONFIG_PATH, "/etc/sonde/items.d", "folder of items that were brought in", .needs_restart = true},
	{"btf", CONFIG_PATH, "", "BTF of the running kernel, where the kernel has none itself", .needs_restart = true},

	{"limits.memory", CONFIG_SIZE, "64MiB", "memory that both processes together should stay below: what they have is in `sonde status`; caps of tables hold them there, no hard limit",
	 .least = 16 * MIB, .needs_restart = true},
	{"limits.connections", CONFIG_COUNT, "256", "connections of API clients, per address", .least = 4, .most = 65536,
	 .needs_restart = true},
	{"limits.streams", CONFIG_COUNT, "64", "live streams of API clients, together", .most = 4096,
	 .needs_restart = true},
	{"limits.queued", CONFIG_SIZE, "16MiB", "bytes waiting for API clients that read slowly, together",
	 .least = 256 * KIB, .most = 4 * GIB, .needs_restart = true},
	{"limits.upload", CONFIG_SIZE, "16MiB", "an item that is brought in", .least = 4 * KIB, .most = 256 * MIB,
	 .needs_restart = true},
	{"limits.recent", CONFIG_SIZE, "4MiB", "last records kept in memory for /v1/records where there is no history; 0 = none",
	 .most = 1 * GIB, .needs_restart = true},

	{"kubernetes.api", CONFIG_TEXT, "auto",
	 "where pods are asked for: auto (inside a cluster), off, or the address of the API server", .needs_restart = true},

	{"items.*.on", CONFIG_BOOL, "", "switch the item on or off; if not set, the item's own default"},
	{"items.*.by", CONFIG_CHOICE, "", "how finely the item's metrics are split", "process|container|pod|service|host"},
	{"items.*.where", CONFIG_TEXT, "", "filter: only what matches is seen"},
	{"items.*.ring", CONFIG_SIZE, "", "size of the item's ring buffer", .least = 4 * KIB, .most = 1 * GIB},
	{"items.*.cap", CONFIG_COUNT, "", "label sets of one metric; what is above goes into one series overflow=\"true\"",
	 .least = 1, .most = 1000000},
	{"items.*.pin", CONFIG_BOOL, "", "keep the item's maps over a restart of the agent"},
	{"items.*.when", CONFIG_TEXT, "", "asleep until a sign comes that this filter lets through (docs/armed.md)"},
	{"items.*.awake", CONFIG_DURATION, "", "how long such an item collects then (30s)", .least = 1000000000, .most = 86400000000000},
	{"items.*.cooldown", CONFIG_DURATION, "", "and sleeps at least before it may wake again (5m)", .least = 1000000000,
	 .most = 86400000000000},
	{"items.*.hook.*", CONFIG_TEXT, "", "take this alternative of a hook (a section, e.g. tp/sched/sched_switch) and no other"},
	{"items.*.*", CONFIG_ANY, "", "a parameter of the item: see `sonde items show NAME`"},

	{"store.on", CONFIG_BOOL, "true", "keep a history: records and metrics, in files of the agent's own", .needs_restart = true},
	{"store.path", CONFIG_PATH, "/var/lib/sonde", "folder of the history", .needs_restart = true},
	{"store.size", CONFIG_SIZE, "2GiB", "disk space of the history; what is oldest is deleted; 0 = none is kept",
	 .needs_restart = true},
	{"store.interval", CONFIG_DURATION, "15s", "how often all metrics go into the history", .least = 1000000000,
	 .most = 300000000000, .needs_restart = true},
	{"store.machine_interval", CONFIG_DURATION, "1s", "how often those go into it that tell of the machine as a whole: CPU, memory, disks, interfaces, pressure",
	 .least = 1000000000, .most = 300000000000, .needs_restart = true},
	{"store.keep.records", CONFIG_DURATION, "30d", "age of records; 0s = as long as there is room", .needs_restart = true},
	{"store.keep.samples", CONFIG_DURATION, "1h", "age of metrics as they came; 0s = as long as there is room",
	 .needs_restart = true},
	{"store.keep.samples_15s", CONFIG_DURATION, "14d", "age of metrics by 15 seconds; 0s = as long as there is room",
	 .needs_restart = true},
	{"store.keep.samples_5m", CONFIG_DURATION, "365d", "age of metrics by 5 minutes; 0s = as long as there is room",
	 .needs_restart = true},

	{"alerts.on", CONFIG_BOOL, "true", "ask rules of the history and tell when something is wrong; needs store.on"},
	{"alerts.defaults", CONFIG_BOOL, "true", "use the rules that come with the agent"},
	{"alerts.rules", CONFIG_TEXTS, "[/etc/sonde/rules.d]", "further files of rules, or folders of *.yml, in Prometheus' format"},
	{"alerts.interval", CONFIG_DURATION, "1m", "how often groups are asked that name no interval", .least = 1000000000,
	 .most = 86400000000000},
	{"alerts.webhook", CONFIG_TEXTS, "", "addresses that are told of alerts: http://host:port/path", .is_secret = true,
	 .needs_restart = true},
	{"alerts.alertmanager", CONFIG_TEXTS, "", "Alertmanagers that are told of alerts: http://host:9093", .is_secret = true,
	 .needs_restart = true},
	{"alerts.url", CONFIG_TEXT, "", "address by which people reach this agent's page, for links in alerts", .needs_restart = true},

	{"outlets.prometheus.by", CONFIG_CHOICE, "process", "how finely the items' metrics are split in /metrics; coarser ones are sums",
	 "process|container|pod|service|host"},
	{},
};
/* clang-format on */
