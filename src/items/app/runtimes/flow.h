/* SPDX-License-Identifier: GPL-2.0-only */
/* flow - where a record of a call has what its line is made of: both halves say it the same way. */
#pragma once

enum { FLOW_ENTERS = 1, FLOW_RETURNS };
enum { FLOW_EVENT = 1, QUERY_EVENT };
enum { FLOW_TEXT = 64, FLOW_DEPTH_MAX = 32 };

/* What an event of a call has behind its head and owner. */
struct flow_facts {
	unsigned int tid, cpu;
	unsigned int language, direction;
	unsigned int depth, line;
	char class_name[FLOW_TEXT]; /* file, where calls have no class */
	char method[FLOW_TEXT];
};
