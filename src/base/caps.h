/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * caps - every limit of the house in one list: what a table or buffer may grow to.
 *
 * A table is born with its cap and counts what it refused or evicted (`sonde self`). Whoever adds a table
 * adds its line here, with what one entry weighs, so that the sum can be read off.
 */
#pragma once

enum {
	/* world: what is true of the machine now */
	CAP_PROCESSES = 65536, /* living and lately dead; 112 bytes each */
	CAP_PROGRAM_BYTES = 8 << 20, /* command lines and paths of all processes together */
	CAP_PROGRAM_ARGS = 512, /* bytes of one command line; cut beyond */
	CAP_PROGRAM_PATH = 256, /* bytes of one executable's path; refused beyond */
	CAP_CGROUPS = 16384, /* control groups, living and lately dead; 80 bytes and the path */
	CAP_CGROUP_PATH = 1024, /* bytes of one path */
	CAP_CONTAINERS = 8192, /* 64 bytes and five texts */
	CAP_PODS = 8192, /* 96 bytes and three texts */
	CAP_SOCKETS = 262144, /* 80 bytes and 24 of index */
	CAP_NETWORKS = 4096, /* network namespaces */
	CAP_ADDRESSES = 32768, /* addresses of all network namespaces together; 24 bytes */
	CAP_PEER_NAMES = 16384, /* names learnt of remote addresses */
	CAP_STATE_FILE = 4 << 20, /* bytes of a runtime's state file, above which it is not read */
	CAP_POD_LIST = 16 << 20,	/* bytes of a kubelet's or API server's list, while it is read */
	CAP_POD_EVENT = 2 << 20,	/* bytes of one pod in a watch (etcd keeps at most 1.5 MiB) */

	CAP_CODE_FILES = 4096, /* programs and libraries that somebody asked for; 130 bytes and its key */
	CAP_CODE_MAPPINGS = 16384, /* where they were seen; 48 bytes */

	/* record: summaries of one interval */
	CAP_SUMMARY_ROWS = 8192, /* 440 bytes, its key, a sketch (0.3 to 16 KiB) and an example */
	CAP_SUMMARY_BYTES = 12 << 20, /* all keys, sketches and examples together */
	CAP_SUMMARY_EDGES = 4096, /* calls between two services; 90 bytes and its key */
	CAP_SUMMARY_SERVICES = 2048, /* 230 bytes, and 16 for each of its shapes; outlive the interval */
	CAP_SERVICE_SHAPES = 256, /* operations and resources of one service that get rows of their own */
	CAP_SERVICE_ROWS = 1024, /* of one service: shapes, times statuses, times peers */
	CAP_SUMMARY_EXAMPLE = 8192, /* bytes of one example */

	/* history: what is on its way into the store, and what it knows */
	CAP_HISTORY_QUEUE = 8 << 20, /* bytes that wait for the writer */
	CAP_HISTORY_RECORD = 64 * 1024, /* bytes of one record; refused beyond */
	CAP_HISTORY_TABLES = 240, /* items with records */
	CAP_SERIES = 30000, /* of metrics, living; 40 bytes */
	CAP_SERIES_STORED = 60000, /* and lately gone, as a journal tells at a start; 120 bytes and their labels */
};
