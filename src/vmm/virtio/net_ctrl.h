/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_NET_CTRL_H
#define VMM_VIRTIO_NET_CTRL_H

#include "vmm/virtio/queue.h"

#include <stdint.h>

/*
 * The control queue of a network card: by it the driver says how many pairs of queues it uses.
 * Ref: virtio 1.2, 5.1.6.5.
 */

/*
 * Reads a command. @most: pairs that there are. Return: the number of pairs that the driver uses
 * from now on; 0: it is no command that the device can do.
 */
unsigned net_ctrl_parse(const struct virtq *q, const struct virtq_chain *c, unsigned most);

/* Answers the command, and returns its chain. */
void net_ctrl_answer(struct virtq *q, const struct virtq_chain *c, bool done);

#endif
