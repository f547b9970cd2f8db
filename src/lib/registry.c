/* SPDX-License-Identifier: MIT */
#include "lib/registry.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct usher_space *spaces; /* that have or had a container of another process */

void registry_lock(void)
{
	(void)pthread_mutex_lock(&lock);
}

void registry_unlock(void)
{
	(void)pthread_mutex_unlock(&lock);
}

struct usher_space *registry_find(int container)
{
	struct usher_space *s = spaces;
	bool has = false;

	for (; s; s = s->next_handed) {
		(void)pthread_mutex_lock(&s->lock);
		has = s->members && s->ioas.is_shared && s->ioas.fd == container;
		(void)pthread_mutex_unlock(&s->lock);
		if (has)
			return s;
	}
	return NULL;
}

void registry_remove(const struct usher_space *s)
{
	struct usher_space **at = &spaces;

	while (*at && *at != s)
		at = &(*at)->next_handed;
	if (*at)
		*at = s->next_handed;
}

void registry_add(struct usher_space *s)
{
	registry_remove(s);
	s->next_handed = spaces;
	spaces = s;
}

void registry_forget(const struct usher_space *s)
{
	registry_lock();
	registry_remove(s);
	registry_unlock();
}
