/* SPDX-License-Identifier: MIT */
/* The plugged devices of this process, and the lock of what all of them share. */
#include "model/host.h"

#include <string.h>

#define FIRST_GROUP 1000 /* apart from the kernel's in a message */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct usher_model_device *plugged;
static int last_group = FIRST_GROUP;

void model_lock(void)
{
	(void)pthread_mutex_lock(&lock);
}

void model_unlock(void)
{
	(void)pthread_mutex_unlock(&lock);
}

struct usher_model_device *model_plugged(void)
{
	return plugged;
}

void model_plugged_add(struct usher_model_device *d)
{
	model_lock();
	d->group = last_group++;
	d->next = plugged;
	plugged = d;
	model_unlock();
}

void model_plugged_remove(struct usher_model_device *d)
{
	struct usher_model_device **at = &plugged;

	model_lock();
	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
	model_unlock();
}

struct usher_model_device *model_find_plugged(int group)
{
	model_lock();
	struct usher_model_device *d = plugged;
	while (d && d->group != group)
		d = d->next;
	model_unlock();
	return d;
}

struct usher_model_device *model_find_inside(const struct model_container *c)
{
	model_lock();
	struct usher_model_device *d = plugged;
	while (d && !(d->group_open && d->container == c))
		d = d->next;
	model_unlock();
	return d;
}
