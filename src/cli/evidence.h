/* SPDX-License-Identifier: GPL-2.0-only */
/* evidence - `sonde evidence`: what armed items collected while they were awake. */
#pragma once

int evidence_command(int argc, char **argv);
