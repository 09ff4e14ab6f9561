/* SPDX-License-Identifier: GPL-2.0-only */
/* pin - the broker's side of what outlives an agent (maps, programs, links): names in one folder of the bpf file system. */
#pragma once

/* The folder of this agent, by what tells it from others. */
void pin_folder(const char *agent, char ret_folder[64]);

/* 0 or a descriptor, else -errno. Names are letters, digits and _; only what bpf(2) made is taken. */
int pin_object(const char *folder, const char *name, int fd);
int pin_remove(const char *folder, const char *name);
int pin_open(const char *folder, const char *name);
