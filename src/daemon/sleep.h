/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SLEEP_H
#define DAEMON_SLEEP_H

#include "daemon/daemon.h"

/*
 * No device that is lent survives the sleep of the host: vfio-pci saves nothing of it. So logind is
 * asked to refuse sleep ("block") while a lease or guest wants that, with the reason, or to wait
 * ("delay") until guests that rather end have ended. Without logind nothing is asked.
 */
struct sleep;

/* Return: 0, -errno. */
int sleep_new(struct daemon *d, struct sleep **ret);
void sleep_free(struct sleep *s); /* NULL is fine */

/* Leases and guests have changed. */
void sleep_update(struct sleep *s);

#endif
