/* SPDX-License-Identifier: GPL-2.0-only */
/* alerts - `sonde alerts`: what is wrong now, by which rules, and whether files of rules are right. */
#pragma once

int alerts_command(int argc, char **argv);
