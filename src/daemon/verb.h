/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_VERB_H
#define DAEMON_VERB_H

#include "daemon/daemon.h"

/* The methods of the manager that run a verb of `usher` as a job. Return: 0, -errno. */
int verbs_add_vtable(struct daemon *d);

#endif
