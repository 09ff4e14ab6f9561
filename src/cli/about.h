/* SPDX-License-Identifier: GPL-2.0-only */
/* about - commands that ask the agent (or this kernel) about itself: status, self, config, caps, features,
 * version. */
#pragma once

int about_status(int argc, char **argv);
int about_self(int argc, char **argv);
int about_config(int argc, char **argv);
int about_caps(int argc, char **argv);
int about_features(int argc, char **argv);
int about_version(int argc, char **argv);
