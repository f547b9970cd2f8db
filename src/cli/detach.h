/* SPDX-License-Identifier: MIT */
#ifndef CLI_DETACH_H
#define CLI_DETACH_H

struct keeper;

/*
 * Runs @k's guest by a keeper in a session of its own, whose messages go into a log, and prints
 * what happens until the guest has started. @leave: as the caller of keeper_run() would end.
 * Return: exit status: 0 it runs; else that of the keeper, which has given up.
 */
int detach_run(struct keeper *k, int (*leave)(const struct keeper *k));

#endif
