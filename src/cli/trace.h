/* SPDX-License-Identifier: MIT */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

struct loan_words;

/*
 * Adds the BAR "DEVICE:N" of --trace-bar, with an address in place of any other name. Return: 0, or
 * an exit status with the reason told.
 */
int trace_add(struct loan_words *l, const char *text);

#endif
