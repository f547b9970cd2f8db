/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CALLS_H
#define BENCH_CALLS_H

/*
 * How many system calls @work makes: all of them, or those of @number. It runs in a child that is
 * traced, which has the devices and mappings of this process. Return: their number, -1 it failed.
 */
#define CALLS_ALL (-1)
long calls_of(int (*work)(void *arg), void *arg, long number);

#endif
