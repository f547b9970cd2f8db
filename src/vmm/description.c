/* SPDX-License-Identifier: MIT */
#include "vmm/description.h"

#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fd_of(const struct wire_fds *fds, uint32_t index)
{
	return index == WIRE_FD_NONE ? -1 : fds->fds[index];
}

/* A user looks for the file behind the descriptor. Behind the walls no path leads to it. */
static struct boot_file file_of(const struct wire_fds *fds, uint32_t index, char *name, size_t size)
{
	const struct boot_file file = {.fd = fd_of(fds, index), .name = name};
	char link[32];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", file.fd);
	ssize_t len = file.fd < 0 ? 0 : readlink(link, name, size - 1);
	if (len > 0)
		name[len] = '\0';
	else
		(void)snprintf(name, size, "descriptor %d", file.fd);
	return file;
}

struct pass_spec description_passed(
	const struct wire_machine *m, const struct wire_device *w, const struct wire_fds *fds)
{
	static const enum pass_rom_source roms[] = {
		[WIRE_ROM_OWN] = PASS_ROM_DEVICE,
		[WIRE_ROM_OFF] = PASS_ROM_OFF,
		[WIRE_ROM_FILE] = PASS_ROM_FILE,
	};
	struct pass_spec d = {
		.ioas = fd_of(fds, w->ioas),
		.device = fd_of(fds, w->device),
		.group = w->group,
		.peers = m->flags & WIRE_PEERS,
		.rom = roms[w->rom],
		.rom_fd = fd_of(fds, w->rom_file),
		.trace = w->trace,
	};

	(void)wire_address_parse(&w->address, &d.address); /* it was checked with the message */
	return d;
}

static struct vhost_user_spec description_backend(const struct wire_virtio *w, uint32_t number)
{
	struct vhost_user_spec s = {.name = w->backend.name,
		.number = number,
		.present = w->backend.queues,
		.queues = w->backend.queues,
		.mtu = w->net.mtu};

	memcpy(s.tag, w->backend.tag, sizeof(s.tag));
	memcpy(s.mac, w->net.mac, sizeof(s.mac));
	return s;
}

static struct virtio_spec description_virtio(
	struct description *d, uint32_t number, const struct wire_fds *fds)
{
	const struct wire_virtio *w = &d->message.virtio[number];
	const struct boot_file file =
		file_of(fds, w->fd, d->disks[number], sizeof(d->disks[number]));
	struct virtio_spec s = {
		.type = (enum virtio_type)w->type,
		.fd = fd_of(fds, w->fd),
		.disk = {.name = file.name,
			.number = number,
			.size = w->disk.size,
			.logical = w->disk.logical,
			.physical = w->disk.physical,
			.readonly = w->disk.flags & WIRE_DISK_READONLY,
			.direct = w->disk.flags & WIRE_DISK_DIRECT,
			.poll_ns = w->disk.flags & WIRE_DISK_POLL ? BLK_POLL_NS : 0,
			.queues = w->disk.queues},
		.net = {.number = number,
			.vhost = w->type == WIRE_VIRTIO_NET ? fd_of(fds, w->net.vhost) : -1,
			.stream = w->net.line == WIRE_NET_STREAM,
			.no_offload = w->net.flags & WIRE_NET_NO_OFFLOAD,
			.reaches_host = w->net.flags & WIRE_NET_REACHES_HOST,
			.mtu = w->net.mtu},
	};

	s.cid = w->cid;
	s.listens = w->vsock_listens;
	memcpy(s.disk.serial, w->disk.serial, sizeof(s.disk.serial));
	s.net.more_count = w->net.more_count;
	for (uint32_t i = 0; i < w->net.more_count; i++)
		s.net.more[i] = (struct virtio_net_pair){
			fd_of(fds, w->net.more[i].tap), fd_of(fds, w->net.more[i].vhost)};
	memcpy(s.net.mac, w->net.mac, sizeof(s.net.mac));
	s.backend = description_backend(w, number);
	return s;
}

static struct virtio_port_spec description_port(
	const struct wire_port *w, const struct wire_fds *fds)
{
	static const enum console_peer_kind kinds[] = {
		[WIRE_PORT_NONE] = CONSOLE_PEER_NONE,
		[WIRE_PORT_SOCKET] = CONSOLE_PEER_SOCKET,
		[WIRE_PORT_PTY] = CONSOLE_PEER_PTY,
		[WIRE_PORT_FILE] = CONSOLE_PEER_FILE,
		[WIRE_PORT_STDIO] = CONSOLE_PEER_STDIO,
	};
	struct virtio_port_spec s = {
		.peer = {.kind = kinds[w->kind],
			.fd = fd_of(fds, w->fd),
			.door_fd = fd_of(fds, w->door),
			.limit = w->limit},
	};

	memcpy(s.name, w->name, sizeof(s.name));
	return s;
}

static void description_fill(struct description *d, const struct wire_fds *fds, int keeper)
{
	static const enum memory_backing backings[] = {
		[WIRE_BACKING_PRIVATE] = MEMORY_PRIVATE,
		[WIRE_BACKING_SHARED] = MEMORY_SHARED,
		[WIRE_BACKING_POOL] = MEMORY_POOL,
	};
	static const enum console_kind consoles[] = {
		[WIRE_CONSOLE_SERIAL] = CONSOLE_SERIAL,
		[WIRE_CONSOLE_VIRTIO] = CONSOLE_VIRTIO,
		[WIRE_CONSOLE_NONE] = CONSOLE_NONE,
	};
	const struct wire_machine *m = &d->message;

	d->timing = m->flags & WIRE_TIMING;
	d->stats = m->flags & WIRE_STATS;
	d->stats_fd = fd_of(fds, m->stats);
	d->refused_fd = fd_of(fds, m->refused);
	d->spec = (struct machine_spec){
		.name = m->name,
		.memory = m->memory,
		.backing = backings[m->backing],
		.cpus = m->cpus,
		.kernel = file_of(fds, m->kernel, d->kernel, sizeof(d->kernel)),
		.initrd = file_of(fds, m->initrd, d->initrd, sizeof(d->initrd)),
		.cmdline = m->cmdline,
		.kvm_fd = fd_of(fds, m->kvm),
		.keeper_fd = keeper,
		.calls_fd = fd_of(fds, m->calls),
		.orders_fd = fd_of(fds, m->orders),
		.interrupts_fd = fd_of(fds, m->interrupts),
		.ioas_fd = fd_of(fds, m->lent_ioas),
		.no_reboot = m->flags & WIRE_NO_REBOOT,
		.packed_rings = m->flags & WIRE_PACKED_RINGS,
		.slots = m->slots,
		.console = consoles[m->console],
		.port_count = m->port_count,
		.virtio_count = m->virtio_count,
	};
	for (uint32_t i = 0; i < m->port_count; i++)
		d->spec.ports[i] = description_port(&m->ports[i], fds);
	for (uint32_t i = 0; i < m->virtio_count; i++)
		d->spec.virtio[i] = description_virtio(d, i, fds);
}

/* Return: 0 with the checked message; the caller has no descriptor of it if this fails. */
static int message_receive(int keeper, enum wire_kind kind, struct wire_machine *ret,
	struct wire_fds *ret_fds, struct err *e)
{
	int r = wire_receive(keeper, ret, sizeof(*ret), ret_fds);

	if (r == -EPROTO)
		return err_say(e, r, "the keeper's message is not of this version of usher");
	if (r < 0)
		return err_set(e, r, "read the keeper's description of the guest");
	r = wire_machine_check(ret, ret_fds->count, e);
	if (r == 0 && ret->header.kind != kind)
		r = err_say(e, -EPROTO, "the keeper's message is of another kind");
	if (r < 0)
		wire_close(ret_fds);
	return r;
}

int description_receive(int keeper, struct description *ret, struct err *e)
{
	struct wire_fds fds;

	int r = message_receive(keeper, WIRE_MACHINE, &ret->message, &fds, e);
	if (r < 0)
		return r;
	description_fill(ret, &fds, keeper);
	return 0;
}

int description_receive_devices(struct description *d, uint64_t *ret_ready_ns, struct err *e)
{
	static struct wire_machine more; /* large */
	struct wire_fds fds;

	int r = message_receive(d->spec.keeper_fd, WIRE_DEVICES, &more, &fds, e);
	if (r < 0)
		return r;
	if (more.device_count != d->message.lent_count) {
		wire_close(&fds);
		return err_say(e, -EPROTO, "the keeper lends %u devices instead of %u",
			more.device_count, d->message.lent_count);
	}
	for (uint32_t i = 0; i < more.device_count; i++)
		d->spec.devices[i] = (struct machine_device){.kind = MACHINE_PASSED,
			.passed = description_passed(&d->message, &more.devices[i], &fds)};
	d->spec.device_count = more.device_count;
	*ret_ready_ns = more.ready_ns;
	return 0;
}
