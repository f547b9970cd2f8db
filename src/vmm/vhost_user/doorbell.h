/* SPDX-License-Identifier: MIT */
#ifndef VMM_VHOST_USER_DOORBELL_H
#define VMM_VHOST_USER_DOORBELL_H

#include <stdbool.h>

/*
 * Rings a doorbell, an eventfd that a back end has, too. A back end can fill its counter, and clear
 * O_NONBLOCK, which both sides have in common: then a write waits for as long as the back end
 * likes. This one waits a second at most, and leaves a doorbell that is full: it rings already.
 * Context: a thread that may wait.
 */
void doorbell_ring(int eventfd);

/* Clears a doorbell, without a wait. Return: whether it rang. Context: main thread. */
bool doorbell_take(int eventfd);

#endif
