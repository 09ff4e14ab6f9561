/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mark - a function that is called once a configuration's programs are attached.
 *
 * A program in a section uprobe//proc/self/exe:post_attach_mark runs then: configurations of ebpf_exporter use it to put
 * first values into maps. So the name is theirs; where the function lies is told by itself (kernel_own_function), also when the binary has no symbols.
 */
#pragma once

void post_attach_mark(void);
