/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/console.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/num.h"
#include "vmm/console.h"
#include "vmm/virtio/console_port.h"
#include "vmm/virtio/pci.h"
#include "vmm/vm.h"
#include "vmm/walls/mark.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define CLASS_SERIAL 0x070000 /* a simple communication controller */
#define QUEUES 2 /* of port 0: it receives, it transmits */
#define EMERGENCY 64 /* [bytes] written by the emergency register, and not yet shown */

struct virtio_console {
	struct virtio_device device;
	struct virtio_pci pci;
	struct console *console;
	struct console_line line;
	struct console_end end;
	struct console_port port;
	struct console_bell bells[QUEUES];
	/* Under the lock: */
	uint16_t columns, rows;
	uint8_t emergency[EMERGENCY];
	unsigned emergency_count;
};

static struct virtio_console *of_device(struct virtio_device *d)
{
	return container_of(d, struct virtio_console, device);
}

/* The terminal's reader may be stuck: the console keeps what it can, and takes all. */
static size_t end_send(struct console_end *e, const uint8_t *bytes, size_t len)
{
	console_say(container_of(e, struct virtio_console, end)->console, bytes, len);
	return len;
}

static size_t end_receive(struct console_end *e, uint8_t *bytes, size_t size)
{
	return console_hear(container_of(e, struct virtio_console, end)->console, bytes, size);
}

static void emergency_say(struct virtio_console *v)
{
	uint8_t bytes[EMERGENCY];

	lock_take(v->device.lock);
	const unsigned count = v->emergency_count;
	memcpy(bytes, v->emergency, count);
	v->emergency_count = 0;
	lock_drop(v->device.lock);
	if (count)
		console_say(v->console, bytes, count);
}

static void bell_take(const struct loop_source *s)
{
	eventfd_t count;

	(void)eventfd_read(s->fd, &count);
}

/* Context: main thread. The driver rang, or began, or ended; or keys were typed. */
static void console_serve(struct virtio_console *v)
{
	lock_take(v->device.lock);
	const bool going = virtio_is_going(&v->device);
	v->port.reads = going;
	lock_drop(v->device.lock);
	console_divert(v->console, going);
	emergency_say(v);
	if (console_port_serve(&v->port))
		console_bell_ring(&v->bells[0]);
}

static void on_input_bell(struct loop_source *s, uint32_t events)
{
	bell_take(s);
	console_serve(container_of(s, struct virtio_console, bells[0].source));
}

static void on_output_bell(struct loop_source *s, uint32_t events)
{
	bell_take(s);
	console_serve(container_of(s, struct virtio_console, bells[1].source));
}

static void line_typed(struct console_line *l)
{
	console_bell_ring(&container_of(l, struct virtio_console, line)->bells[0]);
}

/* Ref: virtio 1.2, 5.3.4. */
static void line_resized(struct console_line *l)
{
	struct virtio_console *v = container_of(l, struct virtio_console, line);
	uint16_t columns, rows;

	console_size(v->console, &columns, &rows);
	lock_take(v->device.lock);
	if (columns != v->columns || rows != v->rows) {
		v->columns = columns;
		v->rows = rows;
		virtio_config_changed(&v->device);
	}
	lock_drop(v->device.lock);
}

/* Context: under the lock, any thread; and so are the next four. */
static void console_rang(struct virtio_device *d, unsigned n)
{
	console_bell_ring(&of_device(d)->bells[n]);
}

/* The keys are the serial port's again. */
static void console_lost(struct virtio_device *d)
{
	console_bell_ring(&of_device(d)->bells[0]);
}

static bool console_watches(struct virtio_device *d, unsigned n, int eventfd)
{
	struct virtio_console *v = of_device(d);

	return console_bell_watch(&v->bells[n], &v->pci.endpoint.vm->loop, eventfd,
		n ? on_output_bell : on_input_bell);
}

static void console_config_read(struct virtio_device *d, uint32_t off, void *to, uint32_t len)
{
	const struct virtio_console *v = of_device(d);
	const struct virtio_console_config c = {
		.cols = htole16(v->columns), .rows = htole16(v->rows), .max_nr_ports = htole32(1)};

	memcpy(to, (const char *)&c + off, len);
}

/* Ref: virtio 1.2, 5.3.4: one character, of a driver that may not even have begun. */
static void console_config_write(
	struct virtio_device *d, uint32_t off, const void *from, uint32_t len)
{
	struct virtio_console *v = of_device(d);

	if (off != offsetof(struct virtio_console_config, emerg_wr) ||
		v->emergency_count == EMERGENCY)
		return;
	memcpy(&v->emergency[v->emergency_count++], from, 1);
	console_bell_ring(&v->bells[1]);
}

static void console_free(struct virtio_device *d)
{
	struct virtio_console *v = of_device(d);

	for (unsigned i = 0; i < QUEUES; i++)
		console_bell_close(&v->bells[i]);
	console_join(v->console, NULL);
	free(v);
}

static const struct virtio_ops console_ops = {
	.name = "virtio-console",
	.type = VIRTIO_TYPE_CONSOLE,
	.queue_count = QUEUES,
	.in_order = true,
	.features = BIT64(VIRTIO_CONSOLE_F_SIZE) | BIT64(VIRTIO_CONSOLE_F_EMERG_WRITE),
	.config_size = sizeof(struct virtio_console_config),
	.config_read = console_config_read,
	.config_write = console_config_write,
	.rang = console_rang,
	.watches = console_watches,
	.reset = console_lost,
	.fini = console_free,
};

int virtio_console_add(struct vm *vm, struct console *c, struct err *e)
{
	struct virtio_console *v = calloc(1, sizeof(*v));

	if (!v)
		return err_set(e, -ENOMEM, "make a virtio-console");
	v->console = c;
	v->line = (struct console_line){.typed = line_typed, .resized = line_resized};
	v->end = (struct console_end){.send = end_send, .receive = end_receive};
	v->port = (struct console_port){.device = &v->device, .in = 0, .out = 1, .end = &v->end};
	for (unsigned i = 0; i < QUEUES; i++)
		v->bells[i].source.fd = -1;
	console_size(c, &v->columns, &v->rows);
	virtio_init(&v->device, &console_ops, vm->name, &vm->memory);
	console_join(c, &v->line);
	int r = virtio_pci_init(&v->pci, vm, &v->device, CLASS_SERIAL, e);
	if (r >= 0)
		r = pci_plug(vm, &v->pci.endpoint.func, "virtio-console", e);
	if (r < 0)
		virtio_pci_fini(&v->pci);
	return r;
}
