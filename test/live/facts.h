/* SPDX-License-Identifier: MIT */
#ifndef TEST_LIVE_FACTS_H
#define TEST_LIVE_FACTS_H

#include <stdio.h>
#include <stdlib.h>
#include <usher/device.h>
#include <usher/err.h>

/* The output of programs in this folder: 'ok' or 'not ok' and the fact, one for each line. */
static int failed;
static struct usher_err e;

static inline void fact(int true_, const char *text)
{
	printf("%s %s%s%s\n", true_ ? "ok" : "not ok", text, true_ || !e.msg[0] ? "" : ": ",
		true_ ? "" : e.msg);
	(void)fflush(stdout);
	failed |= !true_;
	e.msg[0] = '\0';
}

/* Opens a device by its URI, or ends the program. */
static inline struct usher_device *open_uri(const char *uri, struct usher_space *s)
{
	struct usher_device *d = NULL;
	char text[160];

	(void)snprintf(text, sizeof(text), "%.120s opens", uri);
	int r = usher_device_open(uri, s, &d, &e);
	fact(r == 0, text);
	if (r < 0)
		exit(1);
	return d;
}

static inline struct usher_device *open_device(const char *address, struct usher_space *s)
{
	char uri[64];

	(void)snprintf(uri, sizeof(uri), "pci:%s", address);
	return open_uri(uri, s);
}

#endif
