/* SPDX-License-Identifier: MIT */
#ifndef VMM_ATTACH_H
#define VMM_ATTACH_H

#include "vmm/worker.h"
#include "wire/machine.h"

struct vm;

/*
 * Devices that the keeper attaches while the guest runs (WIRE_ATTACH). The main loop receives the
 * message; a worker opens the devices, has guest memory mapped for them and plugs the card, because
 * each of that may block. Then it answers on the same socket.
 */
struct attach {
	struct vm *vm;
	int fd; /* socket to the keeper; not owned */
	struct worker worker;
	struct worker_job job;
	bool busy; /* atomic: a job has @message and @fds */
	struct wire_machine message;
	struct wire_fds fds;
};

void attach_init(struct attach *a, struct vm *vm, int fd);

/*
 * Receives one message of the keeper. What is wrong with it is answered.
 * Context: main thread. Return: 0; -EPIPE the keeper has ended; -errno.
 */
int attach_receive(struct attach *a);

/*
 * Waits until no attachment is under way, @ms at most: a reboot makes anew what it uses. A struct
 * of zeros is fine. Return: 0, -ETIMEDOUT.
 */
int attach_wait(struct attach *a, unsigned ms);

/* Waits for an attachment, however long it takes. A struct of zeros is fine. */
void attach_fini(struct attach *a);

#endif
