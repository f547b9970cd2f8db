/* SPDX-License-Identifier: MIT */
#include "vmm/control.h"

#include "base/fd.h"
#include "base/num.h"
#include "vmm/machine.h"
#include "vmm/stats/stats.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/eventfd.h>

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

/* Context: the disk's worker. */
static void resize_tell(struct disk_resized *r, int result, uint64_t size)
{
	struct control *c = container_of(r, struct control, resize);

	c->resize_result = result;
	c->resize_size = size;
	(void)eventfd_write(c->resized.fd, 1);
}

/* An answer that finds the socket full is lost: the keeper does not read then. */
static void answer_send(struct control *c, uint32_t id, int result)
{
	c->done.header = (struct wire_header){.kind = WIRE_DONE, .id = id};
	c->done.result = result;
	(void)wire_send(c->source.fd, &c->done, sizeof(c->done), NULL);
}

WALL_CALL(main, eventfd2);

static void on_resized(struct loop_source *s, uint32_t events)
{
	struct control *c = container_of(s, struct control, resized);
	eventfd_t count;

	if (eventfd_read(s->fd, &count) < 0)
		return;
	c->resizing = false;
	c->done.length = (uint32_t)snprintf(
		c->done.text, sizeof(c->done.text), "{\"size\":%" PRIu64 "}", c->resize_size);
	answer_send(c, c->resize_id, c->resize_result);
}

static int resize_watch(struct control *c)
{
	if (c->resized.fd >= 0)
		return 0;
	c->resized.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->resized.fd < 0)
		return -errno;
	int r = loop_add(&c->machine->vm.loop, &c->resized, NULL);
	if (r < 0)
		fd_close(&c->resized.fd);
	return r;
}

/* Return: -EINPROGRESS: the answer comes later; -errno. */
static int disk_resize(struct control *c, const struct wire_order *o)
{
	if (c->resizing)
		return -EBUSY;
	int r = resize_watch(c);
	if (r < 0)
		return r;
	c->resize_id = o->header.id;
	r = virtio_disk_resize(&c->machine->vm, (unsigned)o->disk, o->size, &c->resize);
	c->resizing = r == 0;
	return r < 0 ? r : -EINPROGRESS;
}

/* Takes over the descriptors that it uses. Return: 0; -EINPROGRESS: no answer yet; -errno. */
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
		return o->port ? virtio_ports_show(m->ports, o->port - 1, fds->fds[0],
					 o->flags & WIRE_ORDER_READ_ONLY)
			       : console_show(
					 &m->console, fds->fds[0], o->flags & WIRE_ORDER_READ_ONLY);
	case WIRE_ORDER_RESIZE:
		return disk_resize(c, o);
	case WIRE_ORDER_LINK:
		return virtio_net_set_link(&m->vm, (unsigned)o->card, o->flags & WIRE_ORDER_UP);
	case WIRE_ORDER_PLUG:
	case WIRE_ORDER_UNPLUG:
	case WIRE_ORDER_LENT:
		return -EOPNOTSUPP;
	case WIRE_ORDER_BALLOON:
		return virtio_balloon_set(&m->vm, o->size);
	}
	return -EPROTO;
}

WALL_CALL(main, recvmsg);
WALL_CALL(main, sendmsg);
WALL_CALL(main, close);
WALL_CALL(main, pread64);

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
	c->done.length = 0;
	if (r == 0)
		r = order_obey(c, &order, &fds);
	wire_close(&fds);
	if (r != -EINPROGRESS)
		answer_send(c, order.header.id, r);
}

int control_init(struct control *c, struct machine *m, int fd, struct err *e)
{
	c->machine = m;
	c->source = (struct loop_source){.fd = fd, .ready = on_order};
	c->resized = (struct loop_source){.fd = -1, .ready = on_resized};
	c->resize.tell = resize_tell;
	return fd < 0 ? 0 : loop_add(&m->vm.loop, &c->source, e);
}

void control_fini(struct control *c)
{
	if (!c->machine)
		return;
	fd_close(&c->source.fd);
	fd_close(&c->resized.fd);
}
