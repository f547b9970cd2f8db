/* SPDX-License-Identifier: MIT */
#include "vmm/control.h"

#include "base/fd.h"
#include "base/num.h"
#include "vmm/machine.h"
#include "vmm/stats/stats.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <stddef.h>

static int guest_pause(struct vm *vm, bool pause)
{
	if (vm->paused == pause)
		return -EALREADY;
	if (pause)
		cpus_pause(vm);
	else
		cpus_resume(vm);
	return 0;
}

static int guest_reset(struct vm *vm)
{
	vm->commanded = true;
	vm_stop(vm, VM_REBOOT, "reset by command");
	return 0;
}

static int figures_tell(struct control *c, int interrupts_fd)
{
	struct machine *m = c->machine;

	if (attach_wait(&m->attach, 0) < 0)
		return -EBUSY;
	return stats_tell(m, interrupts_fd, c->done.text, sizeof(c->done.text), &c->done.length);
}

/* Takes over the descriptors that it uses. Return: 0, -errno. */
static int order_obey(struct control *c, const struct wire_order *o, struct wire_fds *fds)
{
	struct machine *m = c->machine;

	switch ((enum wire_order_kind)o->order) {
	case WIRE_ORDER_BUTTON:
		return m->vm.paused ? -EAGAIN : power_press(&m->power);
	case WIRE_ORDER_RESET:
		return guest_reset(&m->vm);
	case WIRE_ORDER_PAUSE:
		return guest_pause(&m->vm, true);
	case WIRE_ORDER_RESUME:
		return guest_pause(&m->vm, false);
	case WIRE_ORDER_FIGURES:
		return figures_tell(c, fds->fds[0]);
	case WIRE_ORDER_CONSOLE:
		fds->count = 0;
		return console_show(&m->console, fds->fds[0], o->flags & WIRE_ORDER_READ_ONLY);
	}
	return -EPROTO;
}

WALL_CALL(main, recvmsg);
WALL_CALL(main, sendmsg);
WALL_CALL(main, close);
WALL_CALL(main, pread64);

/* An answer that finds the socket full is lost: the keeper does not read then. */
static void on_order(struct loop_source *s, uint32_t events)
{
	struct control *c = container_of(s, struct control, source);
	struct wire_order order = {0};
	struct wire_fds fds = {0};

	int r = wire_receive(s->fd, &order, sizeof(order), &fds);
	if (r == 0)
		r = wire_order_check(&order, fds.count);
	if (r < 0 && r != -EPROTO) {
		loop_remove(&c->machine->vm.loop, s);
		return;
	}
	c->done.header = (struct wire_header){.kind = WIRE_DONE, .id = order.header.id};
	c->done.length = 0;
	c->done.result = r < 0 ? r : order_obey(c, &order, &fds);
	wire_close(&fds);
	(void)wire_send(s->fd, &c->done, sizeof(c->done), NULL);
}

int control_init(struct control *c, struct machine *m, int fd, struct err *e)
{
	c->machine = m;
	c->source = (struct loop_source){.fd = fd, .ready = on_order};
	return fd < 0 ? 0 : loop_add(&m->vm.loop, &c->source, e);
}

void control_fini(struct control *c)
{
	if (c->machine)
		fd_close(&c->source.fd);
}
