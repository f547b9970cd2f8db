/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_SHORTAGE_H
#define TEST_UNIT_VMM_SHORTAGE_H

/* A kernel that starts no thread. For a test that is linked with --wrap=pthread_create. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>

#define SHORTAGE_LASTS INT_MAX

static int shortage; /* how many attempts to start a thread fail from now on */

int __real_pthread_create(
	pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg);
int __wrap_pthread_create(
	pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg);

int __wrap_pthread_create(
	pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg)
{
	const int left = __atomic_load_n(&shortage, __ATOMIC_RELAXED);

	if (!left)
		return __real_pthread_create(ret, attr, run, arg);
	if (left != SHORTAGE_LASTS)
		__atomic_store_n(&shortage, left - 1, __ATOMIC_RELAXED);
	return EAGAIN;
}

#endif
