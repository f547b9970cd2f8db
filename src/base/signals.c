/* SPDX-License-Identifier: MIT */
#include "base/signals.h"

void signals_survive_writes(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
}

void signals_that_end(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGINT);
	(void)sigaddset(ret, SIGTERM);
	(void)sigaddset(ret, SIGHUP);
}

void signals_of_writes(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGPIPE);
	(void)sigaddset(ret, SIGXFSZ);
}
