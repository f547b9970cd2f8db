/* SPDX-License-Identifier: MIT */
/* What `usher exec` handed over, and whose it is. */
#include "lib/handed.h"

#include "base/fault.h"
#include "base/fd.h"
#include "pci/address.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usher/err.h>

#define ENVIRONMENT "USHER_DEVICE"

/* Taken before a space's own lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct usher_space *spaces; /* that have, or had, a container which was handed over */

static struct usher_space *find(int container)
{
	struct usher_space *s = spaces;
	bool has = false;

	for (; s; s = s->next_handed) {
		(void)pthread_mutex_lock(&s->lock);
		has = s->is_handed && s->container.fd == container;
		(void)pthread_mutex_unlock(&s->lock);
		if (has)
			return s;
	}
	return NULL;
}

static void unlist(const struct usher_space *s)
{
	struct usher_space **at = &spaces;

	while (*at && *at != s)
		at = &(*at)->next_handed;
	if (*at)
		*at = s->next_handed;
}

static void list(struct usher_space *s)
{
	unlist(s);
	s->next_handed = spaces;
	spaces = s;
}

static int choose(struct usher_device *d, struct usher_space *s, int container, struct usher_err *e)
{
	struct usher_space *has = find(container);

	if (s && has && s != has) {
		(void)err_say(fault(e), -EBUSY,
			"the container of descriptor %d is another IOVA space's", container);
		err_hint(fault(e), "open both devices into one space");
		return -EBUSY;
	}
	d->space = s ? s : has;
	if (!d->space) {
		int r = usher_space_new(NULL, &d->space, e);
		if (r < 0)
			return r;
		d->space->owners = 1;
		d->own_space = true;
	} else if (!s && has->owners) {
		has->owners++;
		d->own_space = true;
	}
	return 0;
}

static bool is_open(struct usher_space *s, int fd)
{
	bool found = false;

	(void)pthread_mutex_lock(&s->lock);
	for (const struct usher_device *o = s->devices; o && !found; o = o->next)
		found = o->vfio.fd == fd;
	(void)pthread_mutex_unlock(&s->lock);
	return found;
}

static int enter(struct usher_device *d, struct usher_space *s, const struct device_uri *u,
	struct usher_err *e)
{
	int r = choose(d, s, u->container, e);

	if (r < 0)
		return r;
	if (is_open(d->space, u->device))
		return err_say(
			fault(e), -EBUSY, "the device of descriptor %d is open already", u->device);
	r = space_adopt(d->space, u->container, u->group, &d->group, e);
	if (r < 0)
		return r;
	list(d->space);
	/* What this program executes shall not have them. */
	(void)fd_set_cloexec(u->container, 1);
	(void)fd_set_cloexec(u->device, 1);
	if (u->group >= 0)
		(void)fd_set_cloexec(u->group, 1);
	return 0;
}

int handed_enter(struct usher_device *d, struct usher_space *s, const struct device_uri *u,
	struct usher_err *e)
{
	(void)pthread_mutex_lock(&lock);
	int r = enter(d, s, u, e);
	(void)pthread_mutex_unlock(&lock);
	return r;
}

void handed_put(struct usher_space *s)
{
	(void)pthread_mutex_lock(&lock);
	bool last = --s->owners == 0;
	if (last)
		unlist(s);
	(void)pthread_mutex_unlock(&lock);
	if (last)
		usher_space_free(s);
}

void handed_forget(struct usher_space *s)
{
	(void)pthread_mutex_lock(&lock);
	unlist(s);
	(void)pthread_mutex_unlock(&lock);
}

/* The word of the environment whose left side is @name, or the first: "ADDRESS=URI". */
static int find_inherited(const char *name, char *ret_uri, size_t size, char *ret_name)
{
	const char *at = getenv(ENVIRONMENT);

	while (at && *at) {
		size_t len = strcspn(at, " "), left = strcspn(at, "=");
		const bool fits = left < len && len - left <= size && left < PCI_ADDRESS_TEXT;
		if (fits && (!name || (strlen(name) == left && !strncmp(at, name, left)))) {
			(void)snprintf(ret_name, PCI_ADDRESS_TEXT, "%.*s", (int)left, at);
			(void)snprintf(ret_uri, size, "%.*s", (int)(len - left - 1), at + left + 1);
			return 0;
		}
		at += len;
		at += strspn(at, " ");
	}
	return -ENOENT;
}

int usher_device_inherit(
	const char *name, struct usher_space *s, struct usher_device **ret, struct usher_err *e)
{
	char uri[64], address[PCI_ADDRESS_TEXT];
	int r = find_inherited(name, uri, sizeof(uri), address);

	if (r < 0) {
		(void)err_say(fault(e), r, "no device%s%.40s was handed to this program",
			name ? " " : "", name ? name : "");
		err_hint(fault(e), "start it by: usher exec --device ADDRESS -- PROGRAM");
		return r;
	}
	r = usher_device_open(uri, s, ret, e);
	if (r < 0)
		return err_in(fault(e), r, "%s", address);
	(void)snprintf((*ret)->info.name, sizeof((*ret)->info.name), "%s", address);
	return 0;
}
