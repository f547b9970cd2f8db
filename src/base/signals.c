/* SPDX-License-Identifier: MIT */
#include "base/signals.h"

#include <stdbool.h>

void signals_survive_writes(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
}

void signals_keep_status(void)
{
	(void)signal(SIGCHLD, SIG_DFL);
}

/* As nohup(1) does with SIGHUP. The kernel keeps a signal that is blocked, ignored or not. */
static bool is_ignored(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void signals_that_end(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGINT);
	(void)sigaddset(ret, SIGTERM);
	(void)sigaddset(ret, SIGQUIT);
	if (!is_ignored(SIGHUP))
		(void)sigaddset(ret, SIGHUP);
}

void signals_that_stop(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGTSTP);
	(void)sigaddset(ret, SIGTTIN);
	(void)sigaddset(ret, SIGTTOU);
}

void signals_of_writes(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGPIPE);
	(void)sigaddset(ret, SIGXFSZ);
}
