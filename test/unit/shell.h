/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_SHELL_H
#define TEST_UNIT_SHELL_H

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The shell runs a script in @folder, and finds the programs that make file systems. What they
 * print goes to standard error: standard output has the results of the tests. Return: as system(3).
 */
__attribute__((format(printf, 2, 3))) static inline int shell_run(
	const char *folder, const char *fmt, ...)
{
	char script[2048], command[4096];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(script, sizeof(script), fmt, ap);
	va_end(ap);
	(void)snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin; cd %s && { %s; } >&2",
		folder, script);
	return system(command);
}

/* In the test's own folder, which it calls `home`: the script has to end with 0. */
#define sh(...) ck_assert_int_eq(shell_run(home, __VA_ARGS__), 0)

#endif
