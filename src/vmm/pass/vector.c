/* SPDX-License-Identifier: MIT */
#include "vmm/pass/vector.h"

#include "base/err.h"
#include "base/fd.h"
#include "vmm/pass/device.h"
#include "vmm/vm.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

static int make(struct pass_dev *d, struct pass_vector *v)
{
	if (v->gsi < 0) {
		int gsi = irq_alloc(&d->vm->irq);
		if (gsi < 0)
			return gsi;
		v->gsi = gsi;
	}
	if (v->eventfd < 0) {
		v->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->eventfd < 0)
			return -errno;
	}
	return 0;
}

int pass_vector_route(struct pass_dev *d, struct pass_vector *v, uint64_t address, uint32_t data)
{
	int r = make(d, v);

	if (r < 0)
		return r;
	irq_route(&d->vm->irq, v->gsi, address, data);
	return 0;
}

int pass_vector_attach(struct pass_dev *d, struct pass_vector *v)
{
	if (v->attached)
		return 0;
	int r = irq_attach(&d->vm->irq, v->gsi, v->eventfd, -1, NULL);
	if (r < 0)
		return r;
	v->attached = true;
	return 0;
}

void pass_vector_detach(struct pass_dev *d, struct pass_vector *v)
{
	if (!v->attached)
		return;
	(void)irq_detach(&d->vm->irq, v->gsi, v->eventfd);
	v->attached = false;
}

bool pass_vector_pending(const struct pass_vector *v)
{
	struct pollfd p = {.fd = v->eventfd, .events = POLLIN};

	/* While KVM has it, KVM has delivered it, whatever the count says. */
	return v->eventfd >= 0 && !v->attached && poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

void pass_vector_quiet(struct pass_dev *d, struct pass_vector *v)
{
	eventfd_t count;

	pass_vector_detach(d, v);
	v->armed = false;
	if (v->eventfd >= 0)
		(void)eventfd_read(v->eventfd, &count);
}

void pass_vector_fini(struct pass_dev *d, struct pass_vector *v)
{
	pass_vector_detach(d, v);
	if (v->gsi >= 0)
		irq_free(&d->vm->irq, v->gsi);
	fd_close(&v->eventfd);
	const uint64_t signals = v->signals;
	*v = PASS_VECTOR_NONE;
	v->signals = signals;
}
