/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SENDER_H
#define DAEMON_SENDER_H

#include <sys/types.h>
#include <systemd/sd-bus.h>

/* The user who has sent @m, as the bus knows. Return: 0, -errno. */
int sender_user(sd_bus_message *m, uid_t *ret);

#endif
