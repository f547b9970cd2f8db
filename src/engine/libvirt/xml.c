/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * Each part of the description becomes the element that libvirt's schema has for it. What a domain
 * cannot have, the engine has refused before (engine/libvirt/libvirt.c). libvirt chooses QEMU, the
 * places on the bus, and the rest.
 *
 * QEMU runs as another user and elsewhere in the file system, so paths become absolute, and links
 * are followed here.
 */
#include "engine/libvirt/xml.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/num.h"
#include "base/text.h"
#include "base/utf8.h"
#include "engine/defaults.h"
#include "engine/display.h"
#include "engine/files.h"
#include "engine/libvirt/boot.h"
#include "engine/net.h"
#include "engine/spec.h"
#include "libvirt/domain.h"
#include "libvirt/hostdev.h"
#include "libvirt/places.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CPU_PERIOD_US 100000
#define VARIABLES_DIR "/var/lib/libvirt/qemu/nvram" /* where QEMU's user may go; libvirt's own */

/* A domain under way. */
struct writer {
	const struct guest_spec *spec;
	const struct libvirt_parts *parts;
	struct text text;
	struct err *e;
	int error; /* the first one */
};

/* XML 1.0 has no way to write the others. Ref: its section 2.2 */
static bool character_fits(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' ||
	       (c >= 0x20 && c != 0xfffe && c != 0xffff && !(c >= 0xd800 && c < 0xe000));
}

static bool text_fits(const char *text)
{
	uint32_t c;

	while (*text) {
		size_t len = utf8_decode(text, &c);
		if (!len || !character_fits(c))
			return false;
		text += len;
	}
	return true;
}

/* @what: names it in an error. */
static void put_text(struct writer *w, const char *what, const char *text)
{
	if (!text_fits(text)) {
		if (!w->error)
			w->error = err_say(w->e, -EINVAL,
				"%s: libvirt cannot have '%s': it is not UTF-8, or has control "
				"characters",
				what, text);
		return;
	}
	for (const char *c = text; *c; c++)
		if (strchr("&<>'\"\t\n\r", *c))
			(void)fprintf(w->text.out, "&#%d;", *c);
		else
			(void)fputc(*c, w->text.out);
}

__attribute__((format(printf, 2, 3))) static void xml_put(struct writer *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(w->text.out, fmt, ap);
	va_end(ap);
}

static void put_path(struct writer *w, const char *what, const char *path)
{
	cleanup_free char *whole = realpath(path, NULL);

	if (whole)
		put_text(w, what, whole);
	else if (!w->error)
		w->error = err_set(w->e, -errno, "%s: open '%s'", what, path);
}

static void put_path_element(struct writer *w, const char *name, const char *what, const char *path)
{
	xml_put(w, "<%s>", name);
	put_path(w, what, path);
	xml_put(w, "</%s>\n", name);
}

/* The files of engine/libvirt/boot.h, which are there when the domain starts. */
static void put_image(struct writer *w)
{
	const struct guest_spec *s = w->spec;

	const char *run_dir = w->parts->run_dir;

	xml_put(w, "<kernel>%s/vm/%s/%s</kernel>\n", run_dir, s->name, LIBVIRT_KERNEL);
	if (s->files && s->files->boot.found.initrd[0])
		xml_put(w, "<initrd>%s/vm/%s/%s</initrd>\n", run_dir, s->name, LIBVIRT_INITRD);
}

static void put_cmdline(struct writer *w)
{
	char cmdline[SPEC_CMDLINE_MAX + 1];

	int r = defaults_cmdline(w->spec, w->spec->files, cmdline, sizeof(cmdline), w->e);
	w->error = w->error ? w->error : r;
	xml_put(w, "<cmdline>");
	put_text(w, "--cmdline", r < 0 ? "" : cmdline);
	xml_put(w, "</cmdline>\n");
}

static bool is_secure(const struct writer *w)
{
	return w->spec->firmware == GUEST_FIRMWARE_UEFI_SECURE;
}

/* libvirt makes the variables from the host's at the first start, and keeps them. */
static void put_firmware(struct writer *w)
{
	const struct firmware_place *f = &w->parts->firmware;

	if (!f->code)
		return;
	xml_put(w, "<loader readonly='yes' secure='%s' type='pflash'>%s</loader>\n",
		is_secure(w) ? "yes" : "no", f->code);
	xml_put(w, "<nvram template='%s'>" VARIABLES_DIR "/", f->variables);
	put_text(w, "--name", w->spec->name);
	xml_put(w, "_%s.vars</nvram>\n", firmware_name(w->spec->firmware));
}

static void put_boot(struct writer *w)
{
	const struct guest_spec *s = w->spec;

	xml_put(w, "<os>\n<type arch='x86_64' machine='q35'>hvm</type>\n");
	put_firmware(w);
	if (s->kernel)
		put_path_element(w, "kernel", "--kernel", s->kernel);
	if (s->initrd)
		put_path_element(w, "initrd", "--initrd", s->initrd);
	if (s->kernel_from)
		put_image(w);
	if (s->kernel || s->kernel_from)
		put_cmdline(w);
	xml_put(w, "</os>\n");
}

static void put_limits(struct writer *w)
{
	const struct limit *l = &w->spec->limit;

	if (l->cpu)
		xml_put(w,
			"<cputune><global_period>%d</global_period><global_quota>%u</global_quota>"
			"</cputune>\n",
			CPU_PERIOD_US, l->cpu * (CPU_PERIOD_US / 100));
	if (l->kind == LIMIT_MEMORY_GIVEN)
		xml_put(w, "<memtune><hard_limit unit='KiB'>%" PRIu64 "</hard_limit></memtune>\n",
			l->memory / 1024);
}

/* Servers of folders map it, too. */
static void put_memory(struct writer *w)
{
	const bool is_shared = spec_has_share(w->spec);

	if (!w->spec->hugepages && !is_shared)
		return;
	xml_put(w, "<memoryBacking>%s%s</memoryBacking>\n",
		w->spec->hugepages ? "<hugepages/>" : "",
		is_shared ? "<source type='memfd'/><access mode='shared'/>" : "");
}

/*
 * As with the QEMU engine: with Secure Boot, only the firmware's system management mode may write
 * variables, and that firmware does not resume a guest from suspend to RAM.
 */
static void put_features(struct writer *w)
{
	xml_put(w, "<features><acpi/><apic/><smm state='%s'/></features>\n",
		is_secure(w) ? "on" : "off");
	if (is_secure(w))
		xml_put(w, "<pm><suspend-to-mem enabled='no'/></pm>\n");
}

static void put_head(struct writer *w)
{
	const struct guest_spec *s = w->spec;

	xml_put(w, "<domain type='kvm'>\n<name>");
	put_text(w, "--name", s->name);
	xml_put(w, "</name>\n<uuid>%s</uuid>\n", w->parts->uuid);
	xml_put(w, "<metadata><usher:guest xmlns:usher='%s' keeper='%d'/></metadata>\n",
		LIBVIRT_METADATA, (int)w->parts->keeper);
	xml_put(w, "<memory unit='KiB'>%" PRIu64 "</memory>\n", s->memory / 1024);
	put_memory(w);
	xml_put(w, "<vcpu>%u</vcpu>\n", s->cpus);
	put_limits(w);
	put_boot(w);
	put_features(w);
	xml_put(w, "<cpu mode='host-passthrough'/>\n");
	xml_put(w,
		"<on_poweroff>destroy</on_poweroff><on_reboot>%s</on_reboot>"
		"<on_crash>destroy</on_crash>\n",
		s->no_reboot ? "destroy" : "restart");
}

static const char *rings_text(const struct writer *w)
{
	return w->spec->rings == GUEST_RINGS_PACKED ? " packed='on'" : "";
}

/* Of a device that has this element for nothing else. */
static const char *driver_text(const struct writer *w)
{
	return w->spec->rings == GUEST_RINGS_PACKED ? "<driver packed='on'/>" : "";
}

/* Without a kernel: the disks in the order of the options, and then the lent devices. */
static void put_order(struct writer *w, size_t place)
{
	if (!w->spec->kernel && !w->spec->kernel_from)
		xml_put(w, "<boot order='%zu'/>\n", place + 1);
}

static bool disk_is_block(const struct guest_disk *d)
{
	struct stat st;

	return stat(d->path, &st) == 0 && S_ISBLK(st.st_mode);
}

static void put_disk(struct writer *w, size_t place, unsigned number)
{
	const struct guest_disk *d = &w->spec->virtio[place].disk;
	bool is_block = disk_is_block(d);

	xml_put(w, "<disk type='%s' device='disk'>\n", is_block ? "block" : "file");
	xml_put(w, "<driver name='qemu' type='raw' discard='unmap' cache='%s'",
		d->direct == DISK_DIRECT_ON ? "none" : "writeback");
	if (d->queues > 1)
		xml_put(w, " queues='%u'", d->queues);
	xml_put(w, "%s/>\n<source %s='", rings_text(w), is_block ? "dev" : "file");
	put_path(w, "--disk", d->path);
	xml_put(w, "'/>\n<target dev='vd%c' bus='virtio'/>\n", 'a' + (int)number);
	put_order(w, place);
	if (d->readonly)
		xml_put(w, "<readonly/>\n");
	if (d->serial[0]) {
		xml_put(w, "<serial>");
		put_text(w, "--disk: serial=", d->serial);
		xml_put(w, "</serial>\n");
	}
	xml_put(w, "</disk>\n");
}

static void put_net(struct writer *w, const struct guest_net *n)
{
	static const char off[] = "<host csum='off' gso='off' tso4='off' tso6='off' ecn='off' "
				  "ufo='off'/><guest csum='off' tso4='off' tso6='off' ecn='off' "
				  "ufo='off'/>";
	char mac[NET_MAC_TEXT];

	xml_put(w, "<interface type='%s'>\n<mac address='%s'/>\n", n->tap[0] ? "ethernet" : "user",
		net_mac_text(n->mac, mac));
	if (n->tap[0]) {
		xml_put(w, "<target dev='");
		put_text(w, "--net: tap=", n->tap);
		xml_put(w, "' managed='no'/>\n");
	}
	xml_put(w, "<model type='virtio'/>\n<driver name='%s'",
		n->tap[0] && net_wants_vhost(n) ? "vhost" : "qemu");
	if (n->queues > 1)
		xml_put(w, " queues='%u'", n->queues);
	xml_put(w, "%s>%s</driver>\n", rings_text(w), n->no_offload ? off : "");
	/* QEMU's boot ROM of the card is another package, and would only boot by network. */
	xml_put(w, "<rom enabled='no'/>\n");
	if (n->mtu)
		xml_put(w, "<mtu size='%u'/>\n", n->mtu);
	xml_put(w, "</interface>\n");
}

/* libvirt starts virtiofsd. */
static void put_share(struct writer *w, const struct guest_share *s)
{
	xml_put(w, "<filesystem type='mount' accessmode='passthrough'>\n"
		   "<driver type='virtiofs'/>\n<source dir='");
	put_path(w, "--share", s->path);
	xml_put(w, "'/>\n<target dir='");
	put_text(w, "--share: tag=", s->tag);
	xml_put(w, "'/>\n</filesystem>\n");
}

/* Without this element, libvirt gives the domain a balloon. */
static void put_balloon(struct writer *w)
{
	if (w->spec->balloon)
		xml_put(w, "<memballoon model='virtio' freePageReporting='on'>%s</memballoon>\n",
			driver_text(w));
	else
		xml_put(w, "<memballoon model='none'/>\n");
}

static void put_virtio(struct writer *w)
{
	unsigned disk_count = 0;

	for (size_t i = 0; i < w->spec->virtio_count; i++) {
		const struct guest_virtio *v = &w->spec->virtio[i];
		if (v->type == GUEST_VIRTIO_BLK)
			put_disk(w, i, disk_count++);
		else if (v->type == GUEST_VIRTIO_NET)
			put_net(w, &v->net);
		else if (v->type == GUEST_VIRTIO_RNG)
			xml_put(w,
				"<rng model='virtio'><backend model='random'>/dev/urandom"
				"</backend>%s</rng>\n",
				driver_text(w));
		else if (v->type == GUEST_VIRTIO_VSOCK)
			xml_put(w,
				"<vsock model='virtio'><cid auto='no' address='%" PRIu64
				"'/></vsock>\n",
				v->cid);
		else if (v->type == GUEST_VIRTIO_FS)
			put_share(w, &v->share);
	}
}

static void put_port(struct writer *w, const struct guest_port *p)
{
	static const char *const types[] = {
		[GUEST_PORT_SOCKET] = "unix", [GUEST_PORT_PTY] = "pty", [GUEST_PORT_FILE] = "file"};
	char path[PORT_PATH_MAX];

	(void)port_path(p, w->parts->run_dir, w->spec->name, path, sizeof(path));
	xml_put(w, "<channel type='%s'>\n", types[p->kind]);
	if (p->kind != GUEST_PORT_PTY) {
		xml_put(w, "<source %spath='", p->kind == GUEST_PORT_SOCKET ? "mode='bind' " : "");
		put_text(w, "--port", path);
		xml_put(w, "'/>\n");
	}
	xml_put(w, "<target type='virtio' name='");
	put_text(w, "--port", p->name);
	xml_put(w, "'/>\n</channel>\n");
}

/*
 * A socket, not libvirt's pseudoterminal: what the guest writes last would be lost with that, when
 * QEMU closes it. The keeper removes what begins with "port-".
 */
static void put_console(struct writer *w)
{
	bool is_virtio = w->spec->console == GUEST_CONSOLE_VIRTIO;
	const char *name = is_virtio ? "console" : "serial";

	if (w->spec->console == GUEST_CONSOLE_NONE)
		return;
	xml_put(w, "<%s type='unix'><source mode='bind' path='%s/vm/%s/%s'/>%s</%s>\n", name,
		w->parts->run_dir, w->spec->name, LIBVIRT_CONSOLE,
		is_virtio ? "<target type='virtio'/>" : "", name);
}

static void put_consoles(struct writer *w)
{
	put_console(w);
	for (size_t i = 0; i < w->spec->port_count; i++)
		put_port(w, &w->spec->ports[i]);
}

/* As with the QEMU engine. libvirt makes the socket of the screen, and lets viewers find it. */
static void put_display(struct writer *w)
{
	const enum guest_display_kind kind = w->spec->display.kind;

	if (kind == GUEST_DISPLAY_NONE)
		return;
	xml_put(w, "<graphics type='%s'><listen type='socket'/></graphics>\n", display_name(kind));
	xml_put(w, "<video><model type='vga'/></video>\n<input type='tablet' bus='usb'/>\n");
}

/* Without persistent_state, libvirt forgets the keys of a transient domain. */
static void put_tpm(struct writer *w)
{
	if (w->spec->tpm)
		xml_put(w, "<tpm model='tpm-crb'><backend type='emulator' version='2.0' "
			   "persistent_state='yes'/></tpm>\n");
}

/* By the number that a device has now: of two with the same ids, libvirt would refuse both. */
static void put_usb(struct writer *w)
{
	const struct guest_spec *s = w->spec;

	xml_put(w, "<controller type='usb' model='%s'/>\n",
		s->usb_count || s->display.kind != GUEST_DISPLAY_NONE ? "qemu-xhci" : "none");
	for (size_t i = 0; i < s->usb_count; i++)
		xml_put(w,
			"<hostdev mode='subsystem' type='usb'><source><address bus='%u' "
			"device='%u'/></source></hostdev>\n",
			w->parts->usb[i].bus, w->parts->usb[i].device);
}

static void put_hostdev(struct writer *w, size_t place)
{
	const struct guest_device *d = &w->spec->devices[place];
	char text[LIBVIRT_HOSTDEV_TEXT];
	static const char end[] = "</hostdev>\n";

	libvirt_hostdev_format(d->address, false, text);
	xml_put(w, "%.*s", (int)(strlen(text) - strlen(end)), text);
	put_order(w, w->spec->virtio_count + place);
	if (d->rom_off) {
		xml_put(w, "<rom bar='off'/>\n");
	} else if (d->rom[0]) {
		xml_put(w, "<rom file='");
		put_path(w, "--device: rom=", d->rom);
		xml_put(w, "'/>\n");
	}
	xml_put(w, "%s", end);
}

int libvirt_xml_write(
	const struct guest_spec *s, const struct libvirt_parts *p, char **ret, struct err *e)
{
	struct writer w = {.spec = s, .parts = p, .e = e};
	char *text = NULL;

	if (text_begin(&w.text) < 0)
		return err_set(e, -ENOMEM, "describe the guest to libvirt");
	put_head(&w);
	xml_put(&w, "<devices>\n<panic model='isa'/>\n");
	put_usb(&w);
	put_balloon(&w);
	put_virtio(&w);
	put_consoles(&w);
	for (size_t i = 0; i < s->device_count; i++)
		put_hostdev(&w, i);
	put_tpm(&w);
	put_display(&w);
	xml_put(&w, "</devices>\n</domain>\n");
	int len = text_end(&w.text, &text);
	if (len < 0)
		return err_set(e, len, "describe the guest to libvirt");
	if (w.error) {
		free(text);
		return w.error;
	}
	*ret = text;
	return len;
}

void libvirt_xml_places(const struct guest_spec *s, char ret[SPEC_VIRTIO_MAX + 1])
{
	for (size_t i = 0; i < s->virtio_count; i++) {
		const struct guest_virtio *v = &s->virtio[i];
		ret[i] = PLACE_OTHER;
		if (v->type == GUEST_VIRTIO_NET)
			ret[i] = PLACE_CARD;
		else if (v->type == GUEST_VIRTIO_BLK)
			ret[i] = v->disk.readonly || disk_is_block(&v->disk) ? PLACE_FIXED_DISK
									     : PLACE_DISK;
	}
	ret[s->virtio_count] = '\0';
}
