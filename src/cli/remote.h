/* SPDX-License-Identifier: MIT */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include "cli/verb.h"

/*
 * Verbs of an ordinary user that usherd runs (control/remote.h), so that they need no root. The
 * output and the exit status are those of the command that usherd has run.
 * Return: exit status; -1: the verb is to run here, because it needs no usherd, or none runs.
 */
int remote_run(const struct verb *v, int argc, char **argv);

#endif
