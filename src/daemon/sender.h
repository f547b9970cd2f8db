/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SENDER_H
#define DAEMON_SENDER_H

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

/*
 * Who has sent a message, as the bus knows. A bus never gives the name of a connection to another
 * one, so its first answer stays true.
 */
struct sender {
	uid_t uid;
	pid_t pid;
	uint64_t start; /* start time of that process, by which a later one with its id differs */
};

/* Return: 0, -errno. */
int sender_read(sd_bus_message *m, struct sender *ret);

/* The user alone. Return: 0, -errno. */
int sender_user(sd_bus_message *m, uid_t *ret);

#endif
