/* SPDX-License-Identifier: MIT */
#include "vmm/pci/vector.h"

#include "base/fd.h"
#include "vmm/irq.h"
#include "vmm/walls/mark.h"
#include "vmm/walls/starter.h"

#include <sys/eventfd.h>

WALL_CALL(main | worker, close);
WALL_CALL(main | vcpu | worker, read);
WALL_CALL(main | vcpu | worker | disk, write);

int func_vector_make(struct irq *q, struct func_vector *v)
{
	if (v->gsi < 0) {
		int gsi = irq_alloc(q);
		if (gsi < 0)
			return gsi;
		v->gsi = gsi;
	}
	if (v->eventfd < 0) {
		/* A processor makes no descriptor itself. */
		int fd = starter_eventfd();
		if (fd < 0)
			return fd;
		v->eventfd = fd;
	}
	return 0;
}

int func_vector_route(struct irq *q, struct func_vector *v, uint64_t address, uint32_t data)
{
	int r = func_vector_make(q, v);

	if (r < 0)
		return r;
	irq_route(q, v->gsi, address, data);
	return 0;
}

int func_vector_attach(struct irq *q, struct func_vector *v)
{
	if (v->attached)
		return 0;
	int r = irq_attach(q, v->gsi, v->eventfd, -1, NULL);
	if (r < 0)
		return r;
	v->attached = true;
	return 0;
}

void func_vector_detach(struct irq *q, struct func_vector *v)
{
	if (!v->attached)
		return;
	(void)irq_detach(q, v->gsi, v->eventfd);
	v->attached = false;
}

bool func_vector_pending(const struct func_vector *v)
{
	eventfd_t count;

	/* While KVM has it, KVM has delivered it, whatever the count says. */
	if (v->foreign)
		return v->waits;
	if (v->eventfd < 0 || v->attached || eventfd_read(v->eventfd, &count) < 0)
		return false;
	/* What the device has added meanwhile stays. */
	(void)eventfd_write(v->eventfd, count);
	return true;
}

void func_vector_quiet(struct irq *q, struct func_vector *v)
{
	eventfd_t count;

	func_vector_detach(q, v);
	v->armed = v->waits = false;
	/* The other program may have cleared O_NONBLOCK, which both have in common. */
	if (v->eventfd >= 0 && !v->foreign)
		(void)eventfd_read(v->eventfd, &count);
}

void func_vector_fini(struct irq *q, struct func_vector *v)
{
	func_vector_detach(q, v);
	if (v->gsi >= 0)
		irq_free(q, v->gsi);
	fd_close(&v->eventfd);
	const uint64_t signals = v->signals;
	const bool foreign = v->foreign;
	*v = FUNC_VECTOR_NONE;
	v->signals = signals;
	v->foreign = foreign;
}
