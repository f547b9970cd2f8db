/* SPDX-License-Identifier: MIT */
#include "desktop/change.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void desktop_say(const struct desktop_change *c, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (!c->say)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->say(c->arg, text);
}

void desktop_pause(int ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	(void)nanosleep(&t, NULL);
}

int desktop_change_begin(struct desktop_change *c, const struct bind_env *env, struct err *e)
{
	int none = 0;

	c->env = env;
	return bind_transaction_begin(&c->work, env, &none, 0, e);
}

void desktop_change_end(struct desktop_change *c)
{
	bind_transaction_end(&c->work);
}
