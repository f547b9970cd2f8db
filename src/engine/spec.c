/* SPDX-License-Identifier: MIT */
#include "engine/spec.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "program/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int parse_id(const char *text, struct guest_device *d)
{
	unsigned vendor, device;
	int end = -1;

	if (strlen(text) != 9 || sscanf(text, "%4x:%4x%n", &vendor, &device, &end) != 2 || end != 9)
		return -EINVAL;
	d->vendor = (uint16_t)vendor;
	d->device = (uint16_t)device;
	return 0;
}

static int parse_rom(const char *text, struct guest_device *d, struct err *e)
{
	d->rom_off = strcmp(text, "off") == 0;
	if (d->rom_off)
		return 0;
	if (!text[0] || strlen(text) >= sizeof(d->rom))
		return err_say(e, -EINVAL, "--device: rom=%.40s: not a file's path", text);
	(void)snprintf(d->rom, sizeof(d->rom), "%s", text);
	return 0;
}

/* A number, or a name that a service manager has given to one ($LISTEN_FDNAMES). */
static int parse_fd(const char *key, const char *text, int *ret, struct err *e)
{
	uint64_t n;

	*ret = -1;
	if (num_parse(text, 10, INT_MAX, &n) == 0)
		*ret = n > STDERR_FILENO ? (int)n : -1;
	else
		*ret = listen_find(text);
	if (*ret < 0) {
		(void)err_say(
			e, -EINVAL, "--device: %s=%.40s: not a descriptor above 2", key, text);
		err_hint(e, "a number, or a name of a descriptor that a service manager has opened "
			    "for this process (LISTEN_FDNAMES)");
		return -EINVAL;
	}
	if (fcntl(*ret, F_GETFD) < 0)
		return err_say(
			e, -EINVAL, "--device: %s=%.40s: no such descriptor is open", key, text);
	return 0;
}

static int parse_key(const char *key, struct guest_device *d, struct err *e)
{
	if (strncmp(key, "id=", 3) == 0) {
		if (parse_id(key + 3, d) < 0)
			return err_say(
				e, -EINVAL, "--device: '%s' is not vendor:device in hex", key + 3);
		return 0;
	}
	if (strncmp(key, "rom=", 4) == 0)
		return parse_rom(key + 4, d, e);
	if (strncmp(key, "fd=", 3) == 0)
		return parse_fd("fd", key + 3, &d->fd, e);
	if (strncmp(key, "container=", 10) == 0)
		return parse_fd("container", key + 10, &d->container, e);
	err_say(e, -EINVAL, "--device: unknown key '%s'", key);
	err_hint(e, "keys: id=VVVV:DDDD (refuse another device at that address), rom=FILE or "
		    "rom=off, fd=N and container=N (opened by the caller)");
	return -EINVAL;
}

int spec_check_device_keys(const char *text, struct err *e)
{
	struct guest_device d;
	char copy[128 + SPEC_ROM_MAX];
	char *rest = copy;
	int r = 0;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_say(e, -EINVAL, "--device: '%.40s…' is too long", text);
	(void)strsep(&rest, ",");
	while (r == 0 && rest)
		r = parse_key(strsep(&rest, ","), &d, e);
	return r;
}

int spec_add_device(struct guest_spec *s, const char *text, struct err *e)
{
	struct guest_device d = {.fd = -1, .container = -1};
	char copy[128 + SPEC_ROM_MAX];
	char *rest = copy;

	if (s->device_count == SPEC_DEVICES_MAX)
		return err_say(e, -E2BIG, "--device: more than %d devices", SPEC_DEVICES_MAX);
	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return err_say(e, -EINVAL, "--device: '%.40s…' is too long", text);
	const char *address = strsep(&rest, ",");
	if (pci_address_parse(address, &d.address) < 0) {
		err_say(e, -EINVAL, "--device: '%s' is not a PCI address", address);
		err_hint(e, "an address looks like 0000:01:00.0; 'usher list' shows them");
		return -EINVAL;
	}
	while (rest) {
		int r = parse_key(strsep(&rest, ","), &d, e);
		if (r < 0)
			return r;
	}
	d.handed = d.fd >= 0;
	if (d.handed != (d.container >= 0) || (d.handed && d.fd == d.container))
		return err_say(e, -EINVAL,
			"--device: %s: fd= and container= name two descriptors, or none", address);
	for (size_t i = 0; i < s->device_count; i++) {
		if (pci_address_equal(s->devices[i].address, d.address))
			return err_say(e, -EEXIST, "--device: %s is named twice", address);
	}
	s->devices[s->device_count++] = d;
	return 0;
}

const char *spec_virtio_name(enum guest_virtio_type type)
{
	static const char *const names[] = {[GUEST_VIRTIO_NET] = "net",
		[GUEST_VIRTIO_BLK] = "disk",
		[GUEST_VIRTIO_RNG] = "rng",
		[GUEST_VIRTIO_BALLOON] = "balloon",
		[GUEST_VIRTIO_VSOCK] = "vsock",
		[GUEST_VIRTIO_FS] = "share"};

	return names[type];
}

int spec_add_virtio(struct guest_spec *s, const struct guest_virtio *v, struct err *e)
{
	if (s->virtio_count == SPEC_VIRTIO_MAX)
		return err_say(e, -E2BIG, "more than %d virtio devices", SPEC_VIRTIO_MAX);
	s->virtio[s->virtio_count++] = *v;
	return 0;
}

int spec_add_port(struct guest_spec *s, const char *text, struct err *e)
{
	struct guest_port p;

	int r = port_parse(text, &p, e);
	if (r < 0)
		return r;
	if (s->port_count == SPEC_PORTS_MAX)
		return err_say(e, -E2BIG, "--port: more than %d ports", SPEC_PORTS_MAX);
	for (size_t i = 0; i < s->port_count; i++) {
		if (strcmp(s->ports[i].name, p.name) == 0)
			return err_say(e, -EEXIST, "--port: '%s' is named twice", p.name);
		if (p.path[0] && strcmp(s->ports[i].path, p.path) == 0)
			return err_say(e, -EEXIST, "--port: '%s' is the path of two ports", p.path);
	}
	s->ports[s->port_count++] = p;
	return 0;
}

bool spec_has_backend(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++) {
		const struct guest_virtio *v = &s->virtio[i];
		if (v->type == GUEST_VIRTIO_FS ||
			(v->type == GUEST_VIRTIO_BLK && disk_has_format(&v->disk)) ||
			(v->type == GUEST_VIRTIO_NET && v->net.backend[0]))
			return true;
	}
	return false;
}

bool spec_has_share(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_FS)
			return true;
	return false;
}

int spec_add_share(struct guest_spec *s, const char *text, struct err *e)
{
	struct guest_virtio v = {.type = GUEST_VIRTIO_FS};

	int r = share_parse(text, &v.share, e);
	return r < 0 ? r : spec_add_virtio(s, &v, e);
}

size_t spec_virtio_count(const struct guest_spec *s)
{
	return s->virtio_count + (s->console == GUEST_CONSOLE_VIRTIO) + (s->port_count > 0);
}

/* One descriptor cannot be read by two. */
static int check_stdio(const struct guest_spec *s, struct err *e)
{
	const char *owner = s->console == GUEST_CONSOLE_NONE ? NULL : "the console";

	for (size_t i = 0; i < s->port_count; i++) {
		if (s->ports[i].kind != GUEST_PORT_STDIO)
			continue;
		if (owner) {
			err_say(e, -EINVAL, "--port: '%s': standard input and output are %s's",
				s->ports[i].name, owner);
			if (s->console != GUEST_CONSOLE_NONE)
				err_hint(e, "add --console none; 'usher console %s' shows it then",
					s->name);
			return -EINVAL;
		}
		owner = "another port";
	}
	return 0;
}

int spec_add_env(struct guest_spec *s, const char *text, struct err *e)
{
	if (!text[0] || text[0] == '=')
		return err_say(e, -EINVAL, "--env: '%s' is not NAME or NAME=VALUE", text);
	if (s->env_count == SPEC_ENV_MAX)
		return err_say(e, -E2BIG, "--env: more than %d variables", SPEC_ENV_MAX);
	s->env[s->env_count++] = text;
	return 0;
}

int spec_add_trace(struct guest_spec *s, const char *text, struct err *e)
{
	const char *colon = strrchr(text, ':');
	struct pci_address a;
	char address[32];
	uint64_t bar;

	if (!colon ||
		(size_t)snprintf(address, sizeof(address), "%.*s", (int)(colon - text), text) >=
			sizeof(address) ||
		pci_address_parse(address, &a) < 0 || num_parse(colon + 1, 10, 5, &bar) < 0) {
		err_say(e, -EINVAL, "--trace-bar: '%s' is not ADDRESS:N", text);
		err_hint(e, "the device's address and a BAR from 0 to 5: 0000:01:00.0:0");
		return -EINVAL;
	}
	for (size_t i = 0; i < s->device_count; i++) {
		if (!pci_address_equal(s->devices[i].address, a))
			continue;
		s->devices[i].trace |= 1U << bar;
		return 0;
	}
	return err_say(e, -EINVAL, "--trace-bar: %s is none of this guest's devices", address);
}

bool spec_is_name(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len = strlen(name);

	return len && len <= SPEC_NAME_MAX && name[0] != '.' && name[0] != '-' &&
	       strspn(name, allowed) == len;
}

static int check_name(const char *name, struct err *e)
{
	if (!spec_is_name(name)) {
		err_say(e, -EINVAL, "--name: '%s' cannot be a guest's name", name);
		err_hint(e, SPEC_NAME_HINT, SPEC_NAME_MAX);
		return -EINVAL;
	}
	return 0;
}

/* Without O_NONBLOCK, open() of a FIFO waits for a writer. */
int spec_open_file(const char *option, const char *path, struct err *e)
{
	struct stat st;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		(void)err_set(e, -errno, "%s: open '%s'", option, path);
	else if (fstat(fd, &st) < 0)
		(void)err_set(e, -errno, "%s: stat '%s'", option, path);
	else if (!S_ISREG(st.st_mode))
		(void)err_say(e, -EINVAL, "%s: '%s' is not a regular file", option, path);
	else
		return TAKE_FD(fd);
	return -EINVAL;
}

/* The functions of one card share a slot of the guest. */
static size_t card_count(const struct guest_spec *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->device_count; i++) {
		size_t first = 0;
		while (!pci_address_same_slot(s->devices[first].address, s->devices[i].address))
			first++;
		count += first == i;
	}
	return count;
}

bool spec_slots_left(const struct guest_spec *s)
{
	return s->virtio_count < SPEC_VIRTIO_MAX &&
	       card_count(s) + spec_virtio_count(s) < SPEC_DEVICES_MAX;
}

static int check_slots(const struct guest_spec *s, struct err *e)
{
	size_t cards = card_count(s);

	if (cards + spec_virtio_count(s) <= SPEC_DEVICES_MAX)
		return 0;
	err_say(e, -EINVAL, "%zu lent cards and %zu virtio devices: a guest has %d slots", cards,
		spec_virtio_count(s), SPEC_DEVICES_MAX);
	err_hint(e, "give the guest fewer");
	return -EINVAL;
}

static int check_balloon(const struct guest_spec *s, struct err *e)
{
	if (s->balloon && s->device_count)
		return err_say(e, -EINVAL,
			"--balloon: lent devices have the guest's memory pinned for their DMA, and "
			"the host gets nothing back of it");
	if (s->balloon && s->hugepages)
		return err_say(e, -EINVAL,
			"--balloon: memory of --hugepages is taken for as long as the guest runs");
	return 0;
}

static int check_file(const char *option, const char *path, struct err *e)
{
	cleanup_fd int fd = path ? spec_open_file(option, path, e) : -1;

	return path && fd < 0 ? fd : 0;
}

/* An x86 kernel cuts off the rest, and may then panic without its root or console. */
static int check_cmdline(const char *cmdline, struct err *e)
{
	size_t len = cmdline ? strlen(cmdline) : 0;

	if (len <= SPEC_CMDLINE_MAX)
		return 0;
	return err_say(e, -EINVAL, "--cmdline: %zu bytes; a kernel takes at most %d", len,
		SPEC_CMDLINE_MAX);
}

bool spec_has_disk(const struct guest_spec *s)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_BLK)
			return true;
	return false;
}

bool spec_is_handed(const struct guest_spec *s)
{
	return s->device_count && s->devices[0].handed;
}

void spec_close_handed(const struct guest_spec *s)
{
	for (size_t i = 0; spec_is_handed(s) && i < s->device_count; i++) {
		(void)close(s->devices[i].fd);
		(void)close(s->devices[i].container);
	}
}

/* One guest has one I/O address space. */
static int check_handed(const struct guest_spec *s, struct err *e)
{
	for (size_t i = 1; i < s->device_count; i++) {
		if (s->devices[i].handed != s->devices[0].handed)
			return err_say(e, -EINVAL,
				"--device: fd= is for all devices of a guest, or for none");
		if (s->devices[i].handed && s->devices[i].container != s->devices[0].container)
			return err_say(e, -EINVAL,
				"--device: all devices of a guest share one container: %d or %d",
				s->devices[0].container, s->devices[i].container);
	}
	return 0;
}

int spec_check(const struct guest_spec *s, struct err *e)
{
	int r = check_name(s->name, e);

	if (r < 0)
		return r;
	if (s->memory < MIB(32) || s->memory % MIB(1)) {
		err_say(e, -EINVAL, "--memory: %" PRIu64 " bytes is not a guest's memory",
			s->memory);
		err_hint(e, "whole MiB, at least 32M: --memory 512M");
		return -EINVAL;
	}
	if (s->cpus < 1 || s->cpus > SPEC_CPUS_MAX) {
		err_say(e, -EINVAL, "--cpus: %u is not in 1..%d", s->cpus, SPEC_CPUS_MAX);
		err_hint(e, "more processors need x2APIC, which a guest of usher does not have");
		return -EINVAL;
	}
	r = check_balloon(s, e);
	if (r < 0)
		return r;
	r = check_slots(s, e);
	if (r < 0)
		return r;
	r = check_handed(s, e);
	if (r < 0)
		return r;
	r = check_stdio(s, e);
	if (r < 0)
		return r;
	r = check_cmdline(s->cmdline, e);
	if (r < 0)
		return r;
	if (s->kernel_from && (s->kernel || s->initrd))
		return err_say(e, -EINVAL,
			"--kernel-from brings kernel and initial ramdisk: not with %s",
			s->kernel ? "--kernel" : "--initrd");
	r = check_file("--kernel", s->kernel, e);
	if (r < 0)
		return r;
	r = check_file("--initrd", s->initrd, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->device_count; i++) {
		const char *rom = s->devices[i].rom;
		if (rom[0] && (r = check_file("--device: rom", rom, e)) < 0)
			return r;
	}
	for (size_t i = 0; r >= 0 && i < s->port_count; i++)
		r = port_check(&s->ports[i], e);
	return r;
}
