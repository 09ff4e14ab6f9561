// SPDX-License-Identifier: GPL-2.0-only
/* routes - the table of all paths. Dispatch, checks of parameters and GET /v1/openapi.json come from it. */
#include "serve/route.h"

#define SECOND 1000000000ull
#define JSON   "application/json"
#define FORM   "application/x-www-form-urlencoded"

static const struct param metrics_params[] = {
	{"format", PARAM_CHOICE,
	 "text (Prometheus 0.0.4) or openmetrics; if not given, the field Accept decides",
	 .choices = "text|openmetrics"},
	{},
};

static const struct param add_params[] = {
	{"name", PARAM_TEXT,
	 "file name of the item, where the body is the bare file: runqlat.bpf.o, count.bt"},
	{"check", PARAM_FLAG, "only say what the item would do"},
	{},
};

static const struct param upgrade_params[] = {
	{"name", PARAM_TEXT, "file name, where the body is the bare file"},
	{},
};

static const struct param record_params[] = {
	{"from", PARAM_TIME, "records at or after this time; if not given, all there are"},
	{"to", PARAM_TIME, "records before this time; if not given, up to now"},
	{"filter", PARAM_TEXT,
	 "only what matches, in the filter language: status >= 500 and service = shop"},
	{"by", PARAM_CHOICE, "how finely the rows of maps and tables are summed up",
	 .choices = "process|container|pod|service|host"},
	{"source", PARAM_CHOICE,
	 "rows: what maps and tables hold now; recent: records that were made; both if not given",
	 .choices = "rows|recent"},
	{"order", PARAM_CHOICE, "asc: oldest first (if not given); desc: newest first",
	 .choices = "asc|desc"},
	{"limit", PARAM_COUNT, "records at most; 1000 if not given", .least = 1, .most = 10000},
	{"cursor", PARAM_TEXT, "`next` of the answer before this one"},
	{},
};

static const struct param group_params[] = {
	{"from", PARAM_TIME, "records at or after this time; if not given, all there are"},
	{"to", PARAM_TIME, "records before this time; if not given, up to now"},
	{"filter", PARAM_TEXT, "only what matches, in the filter language"},
	{"by", PARAM_TEXT, "columns with commas, at most 12: one group for each combination of their values; if not given, "
			   "one of all"},
	{"step", PARAM_DURATION, "groups of their own for each step of time", .least = SECOND,
	 .most = 31 * 86400 * SECOND},
	{"against_from", PARAM_TIME,
	 "begin of a second range, to compare with: each group has its numbers of then in `before`"},
	{"against_to", PARAM_TIME, "its end; if not given, `from`"},
	{"order", PARAM_TEXT,
	 "a number of the answer, the greatest first: duration_ns_p99; count if not given"},
	{"limit", PARAM_COUNT, "groups at most, the first in that order; 1000 if not given",
	 .least = 1, .most = 20000},
	{},
};

static const struct param map_params[] = {
	{"from", PARAM_TIME, "what was seen at or after this time; if not given, five minutes before `to`"},
	{"to", PARAM_TIME, "what was seen before this time; if not given, up to now"},
	{"filter", PARAM_TEXT, "only records that match, in the filter language"},
	{"group", PARAM_CHOICE, "what a node is; if not given: its service, else container, else process",
	 .choices = "process|container|pod|service|namespace|host"},
	{"connections", PARAM_FLAG, "also who is only connected, without a protocol that was read; true if not given, and slower"},
	{},
};

static const struct param change_params[] = {
	{"from", PARAM_TIME, "changes at or after this time; if not given, all that are known"},
	{"to", PARAM_TIME, "changes before this time; if not given, up to now"},
	{"limit", PARAM_COUNT, "changes at most, the newest; 200 if not given", .least = 1,
	 .most = 1000},
	{},
};

static const struct param stream_params[] = {
	{"item", PARAM_TEXT, "name of an item, or several with commas", .must = true},
	{"filter", PARAM_TEXT, "only what matches, in the filter language"},
	{"by", PARAM_CHOICE, "how finely the rows of maps and tables are summed up",
	 .choices = "process|container|pod|service|host"},
	{"interval", PARAM_DURATION,
	 "how often the rows of maps and tables are sent; 1s if not given", .least = SECOND / 10,
	 .most = 3600 * SECOND},
	{"on", PARAM_FLAG,
	 "switch an item that is off on for as long as the stream lives (needs the right to "
	 "change)"},
	{},
};

static const char upload_types[] =
	"application/octet-stream|application/x-elf|application/x-object|text/plain|"
	"application/yaml|multipart/form-data";
static const char upload_help[] =
	"the file itself with ?name=, or multipart/form-data with one part per file "
	"(name.bpf.o, name.bt, or name.yaml beside name.bpf.o)";

/* clang-format off */
const struct route routes[] = {
	{HTTP_GET, "/healthz", handle_health, "Does the agent's process live?", .is_lenient = true,
	 .answer_type = "text/plain", .answer_help = "ok", .status = 200},
	{HTTP_GET, "/readyz", handle_ready, "Does data flow? 503 until it does.", .is_lenient = true,
	 .answer_type = "text/plain", .answer_help = "ok", .status = 200},
	{HTTP_GET, "/metrics", handle_metrics, "All metrics, for Prometheus; with exemplars in OpenMetrics.",
	 .is_lenient = true, .params = metrics_params, .answer_type = "text/plain|application/openmetrics-text",
	 .answer_help = "the metrics", .status = 200},
	{HTTP_GET, "/", handle_page, "The page, for people.", .is_page = true, .is_lenient = true, .answer_type = "text/html",
	 .answer_help = "the page", .status = 200},
	{HTTP_GET, "/page.js", handle_page_script, "The page's script.", .is_page = true, .is_lenient = true,
	 .answer_type = "text/javascript", .answer_help = "the script", .status = 200},
	{HTTP_GET, "/page.css", handle_page_style, "The page's look.", .is_page = true, .is_lenient = true,
	 .answer_type = "text/css", .answer_help = "the style sheet", .status = 200},
	{HTTP_GET, "/worker.js", handle_page_worker, "The page's live stream, one for all tabs.", .is_page = true,
	 .is_lenient = true, .answer_type = "text/javascript", .answer_help = "the script", .status = 200},
	{HTTP_GET, "/notices.txt", handle_page_notices, "Licences of what others made of the page.", .is_page = true,
	 .is_lenient = true, .answer_type = "text/plain", .answer_help = "the licences", .status = 200},

	{HTTP_GET, "/v1/status", handle_status, "Version, uptime, items, losses, memory, store and outlets of the agent.",
	 .answer_type = JSON, .answer_help = "one object", .status = 200},
	{HTTP_GET, "/v1/self", handle_self, "The agent's own cost and loss per program, map, item and room.",
	 .answer_type = JSON, .answer_help = "one object", .status = 200},
	{HTTP_GET, "/v1/features", handle_features, "What this kernel can do.",
	 .answer_type = JSON, .answer_help = "one object", .status = 200},
	{HTTP_GET, "/v1/caps", handle_caps, "The capabilities each item needs.",
	 .answer_type = JSON, .answer_help = "one object", .status = 200},
	{HTTP_GET, "/v1/processes", handle_processes, "The processes that live now, with their parents.",
	 .answer_type = JSON, .answer_help = "{\"processes\":[{\"pid\":..,\"ppid\":..}]}", .status = 200},
	{HTTP_GET, "/v1/config", handle_config, "Every configuration key with its value and where it came from.",
	 .answer_type = JSON, .answer_help = "{\"file\":..,\"keys\":[..]}; secrets are masked", .status = 200},
	{HTTP_GET, "/v1/config/history", handle_changes, "What was set otherwise when: configuration, items, version; the newest first.",
	 .params = change_params, .answer_type = JSON,
	 .answer_help = "{\"changes\":[{\"time\":..,\"key\":..,\"was\":..,\"is\":..,\"by\":..}]}", .status = 200},
	{HTTP_POST, "/v1/config/reload", handle_reload, "Reads the configuration again and applies what changed.",
	 .changes = true, .answer_type = JSON, .answer_help = "{\"changes\":[..]}", .status = 200},
	{HTTP_GET, "/v1/views", handle_views, "Views of the page that somebody saved.",
	 .answer_type = JSON, .answer_help = "{\"views\":[{\"name\":..,\"address\":..,\"changed\":..}]}", .status = 200},
	{HTTP_PUT, "/v1/views/{name}", handle_view_put, "Saves a view of the page under a name, in the place of one that has it.",
	 .changes = true, .body = BODY_JSON, .body_types = JSON, .body_help = "{\"address\":\"#/overview?range=3600s\"}",
	 .answer_type = JSON, .answer_help = "all views", .status = 200},
	{HTTP_DELETE, "/v1/views/{name}", handle_view_remove, "Forgets a view.", .changes = true,
	 .answer_type = JSON, .answer_help = "all views", .status = 200},
	{HTTP_GET, "/v1/openapi.json", handle_openapi, "This description.",
	 .answer_type = JSON, .answer_help = "OpenAPI 3.1", .status = 200},

	{HTTP_GET, "/v1/items", handle_items, "All items: on or off, hooks chosen, events, cost, loss.",
	 .answer_type = JSON, .answer_help = "{\"items\":[..]}", .status = 200},
	{HTTP_POST, "/v1/items", handle_item_add, "Brings an item in.", .changes = true, .params = add_params,
	 .body = BODY_UPLOAD, .body_types = upload_types, .body_help = upload_help,
	 .answer_type = JSON, .answer_help = "the item's description", .status = 201},
	{HTTP_GET, "/v1/items/{name}", handle_item, "One item and its description.",
	 .answer_type = JSON, .answer_help = "one object", .status = 200},
	{HTTP_PATCH, "/v1/items/{name}", handle_item_change, "Switches an item on or off, or sets its parameters.",
	 .changes = true, .body = BODY_JSON, .body_types = JSON "|application/merge-patch+json",
	 .body_help = "{\"on\":true,\"params\":{\"min_us\":100}}; what is not given stays, null goes back to the configuration",
	 .answer_type = JSON, .answer_help = "the item as it is now", .status = 200},
	{HTTP_PUT, "/v1/items/{name}", handle_item_upgrade, "Replaces an item while it runs; without a body, its file is read again.",
	 .changes = true, .params = upgrade_params, .body = BODY_UPLOAD, .body_types = upload_types,
	 .body_help = upload_help, .answer_type = JSON, .answer_help = "the item as it is now", .status = 200},
	{HTTP_DELETE, "/v1/items/{name}", handle_item_remove, "Takes an item out that was brought in.", .changes = true,
	 .answer_help = "nothing", .status = 204},
	{HTTP_POST, "/v1/items/{name}/{verb}", handle_item_verb, "A command of the item itself, such as `accel preflight`.",
	 .changes = true, .body = BODY_JSON, .body_types = JSON, .body_help = "{\"args\":[\"--json\"]}, or nothing",
	 .answer_type = "text/plain|application/x-ndjson", .answer_help = "what the command prints", .status = 200},

	{HTTP_GET, "/v1/records/{item}", handle_records, "Records of an item: what its maps and tables hold now, and the last that were made.",
	 .params = record_params, .answer_type = JSON, .answer_help = "{\"records\":[..],\"next\":cursor}", .status = 200},
	{HTTP_GET, "/v1/groups/{item}", handle_groups, "Records of the history summed up: counts, sums and percentiles by any columns and step of time.",
	 .params = group_params, .answer_type = JSON, .answer_help = "{\"groups\":[..]}", .status = 200},
	{HTTP_GET, "/v1/stream", handle_stream, "Live records as server-sent events: `event:` the item, `data:` one record.",
	 .params = stream_params, .answer_type = "text/event-stream",
	 .answer_help = "records; `event: lost` with a count when the client was too slow; comments as heartbeat", .status = 200},

	{HTTP_GET, "/v1/map", handle_map, "The service map: who speaks with whom, how often, how well, how fast.", .params = map_params,
	 .answer_type = JSON, .answer_help = "{\"nodes\":[..],\"edges\":[..]}", .status = 200},
	{HTTP_POST, "/v1/trace", handle_trace, "Runs a program of the tracing language until it ends, a limit is reached, or you go.",
	 .changes = true, .body = BODY_JSON, .body_types = JSON,
	 .body_help = "{\"program\":\"...\",\"params\":[\"1\"],\"named\":{\"n\":\"5\"},\"limits\":{\"duration\":\"10s\",\"events\":1000,\"overhead\":0.05}}; "
		      "all but the program may be left out; overhead is a share of one CPU (0.05 unless said; 0 = any)",
	 .answer_type = "text/event-stream", .answer_help = "its output as of `sonde trace -f json`: `event:` the line's type, `data:` the line; `event: end` with its code",
	 .status = 200},
	{HTTP_GET, "/api/v1/query", handle_prom_query, "PromQL at one time, as Prometheus does: query, time.", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_POST, "/api/v1/query", handle_prom_query, "PromQL at one time, as Prometheus does: query, time.", .is_lenient = true, .body = BODY_FORM, .body_types = FORM,
	 .body_help = "the parameters as a form",
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/query_range", handle_prom_range, "PromQL over a range of time: query, start, end, step.", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_POST, "/api/v1/query_range", handle_prom_range, "PromQL over a range of time: query, start, end, step.", .is_lenient = true, .body = BODY_FORM, .body_types = FORM,
	 .body_help = "the parameters as a form",
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/series", handle_prom_series, "Series that match: match[], start, end.", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_POST, "/api/v1/series", handle_prom_series, "Series that match: match[], start, end.", .is_lenient = true, .body = BODY_FORM, .body_types = FORM,
	 .body_help = "the parameters as a form",
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/labels", handle_prom_labels, "Names of labels: match[], start, end.", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_POST, "/api/v1/labels", handle_prom_labels, "Names of labels: match[], start, end.", .is_lenient = true, .body = BODY_FORM, .body_types = FORM,
	 .body_help = "the parameters as a form",
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/label/{name}/values", handle_prom_values, "Values of a label: match[], start, end.", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/metadata", handle_prom_metadata, "Type and help of metrics: metric, limit.", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/status/buildinfo", handle_prom_buildinfo, "Which version of Prometheus' API this is.", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/rules", handle_prom_rules, "Rules by group, with their alerts, as Prometheus does: type (alert, record).", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/alerts", handle_prom_alerts, "Alerts that are pending or firing, as Prometheus does.", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/alertmanagers", handle_prom_alertmanagers, "Alertmanagers that are told, as Prometheus does.", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 200},
	{HTTP_GET, "/api/v1/{path}", handle_prom_other, "What is not in this list is not there (404).", .is_lenient = true,
	 .answer_type = JSON, .answer_help = "as Prometheus answers", .status = 404},
	{},
};
/* clang-format on */
