/* SPDX-License-Identifier: MIT */
#include "engine/libvirt/xml.h"

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/engine.h"
#include "engine/files.h"
#include "engine/libvirt/end.h"
#include "engine/net.h"
#include "engine/spec.h"
#include "libvirt/domain.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define SCHEMA "/usr/share/libvirt/schemas/domain.rng"
#define UUID "11111111-2222-4333-8444-555555555555"

static const struct libvirt_parts parts = {.run_dir = "/run/usher",
	.keeper = 812,
	.uuid = UUID,
	.firmware = {.code = "/usr/share/CODE.fd", .variables = "/usr/share/VARS.fd"}};

static char *write_guest(const struct guest_spec *s)
{
	struct libvirt_parts own = parts;
	char *text = NULL;
	struct err e = {0};

	if (s->firmware < GUEST_FIRMWARE_UEFI)
		own.firmware = (struct firmware_place){0};
	int n = libvirt_xml_write(s, &own, &text, &e);
	ck_assert_msg(n > 0, "%s", e.msg);
	ck_assert_uint_eq(strlen(text), (size_t)n);
	return text;
}

/* By libvirt's own schema, where it is installed. */
static void schema_accepts(const char *text)
{
	char path[] = "/tmp/usher-domain-XXXXXX", command[256];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
	(void)snprintf(command, sizeof(command),
		"xmllint --noout --relaxng " SCHEMA " %s 2>%s.said", path, path);
	int status = access(SCHEMA, R_OK) == 0 && system("command -v xmllint >/dev/null") == 0
			     ? system(command)
			     : 0;
	(void)snprintf(command, sizeof(command), "%s.said", path);
	(void)unlink(path);
	(void)unlink(command);
	ck_assert_msg(status == 0, "libvirt refuses: %s", text);
}

static struct guest_spec small_guest(void)
{
	return (struct guest_spec){
		.name = "web", .kernel = "/proc/self/exe", .memory = MIB(256), .cpus = 2};
}

START_TEST(describes_a_small_guest)
{
	const struct guest_spec s = small_guest();
	char *text = write_guest(&s);

	ck_assert_ptr_nonnull(strstr(text, "<uuid>" UUID "</uuid>"));
	ck_assert_ptr_nonnull(strstr(text, "<memory unit='KiB'>262144</memory>"));
	ck_assert_ptr_nonnull(strstr(text, "<cmdline>console=ttyS0 panic=-1</cmdline>"));
	ck_assert_ptr_nonnull(strstr(text, "path='/run/usher/vm/web/port-:console'"));
	ck_assert_ptr_nonnull(strstr(text, "<on_reboot>restart</on_reboot>"));
	schema_accepts(text);
	free(text);
}
END_TEST

/* Everything that a domain can have. */
START_TEST(describes_all_of_a_guest)
{
	struct guest_spec s = small_guest();
	struct guest_virtio disk = {.type = GUEST_VIRTIO_BLK,
		.disk = {.path = "/proc/self/exe",
			.serial = "disk-1",
			.readonly = true,
			.queues = 4}};
	const struct guest_virtio rng = {.type = GUEST_VIRTIO_RNG},
				  net = {.type = GUEST_VIRTIO_NET,
					  .net = {.mac = {2},
						  .mtu = 1400,
						  .queues = 1,
						  .no_offload = true}},
				  tap = {.type = GUEST_VIRTIO_NET,
					  .net = {.tap = "tap0", .mac = {2, 1}, .queues = 2}};
	struct libvirt_domain d = LIBVIRT_DOMAIN_NONE;
	struct err e = {0};

	s.cmdline = "a='<x>' \"&\"\n";
	s.initrd = "/proc/self/exe";
	s.limit = (struct limit){.cpu = 150, .kind = LIMIT_MEMORY_GIVEN, .memory = MIB(512)};
	s.hugepages = s.no_reboot = true;
	ck_assert_int_eq(spec_add_virtio(&s, &disk, &e), 0);
	disk.disk = (struct guest_disk){.path = "/dev/null", .direct = DISK_DIRECT_ON};
	ck_assert_int_eq(spec_add_virtio(&s, &disk, &e), 0);
	ck_assert_int_eq(spec_add_virtio(&s, &rng, &e), 0);
	ck_assert_int_eq(spec_add_virtio(&s, &net, &e), 0);
	ck_assert_int_eq(spec_add_virtio(&s, &tap, &e), 0);
	ck_assert_int_eq(spec_add_port(&s, "log,file=/tmp/x", &e), 0);
	ck_assert_int_eq(spec_add_port(&s, "org.agent.0,socket", &e), 0);
	ck_assert_int_eq(spec_add_device(&s, "0000:01:00.0,rom=off", &e), 0);
	ck_assert_int_eq(spec_add_device(&s, "0001:02:1f.7,rom=/proc/self/exe", &e), 0);
	s.console = GUEST_CONSOLE_VIRTIO;
	char *text = write_guest(&s);
	schema_accepts(text);
	ck_assert_ptr_nonnull(strstr(text, "a=&#39;&#60;x&#62;&#39; &#34;&#38;&#34;&#10;"));
	ck_assert_ptr_nonnull(strstr(text, "<serial>disk-1</serial>"));
	ck_assert_ptr_nonnull(strstr(text, "<target dev='vdb' bus='virtio'/>"));
	ck_assert_ptr_nonnull(strstr(text, "<rom enabled='no'/>"));
	ck_assert_ptr_nonnull(strstr(text, "<global_quota>150000</global_quota>"));
	ck_assert_msg(libvirt_domain_parse(text, strlen(text), &d, &e) == 0, "%s", e.msg);
	ck_assert_str_eq(d.name, "web");
	ck_assert_int_eq(d.keeper, 812);
	ck_assert_uint_eq(d.count, 2);
	ck_assert(!d.devices[0].managed);
	ck_assert_uint_eq(d.devices[1].address.domain, 1);
	libvirt_domain_fini(&d);
	free(text);
}
END_TEST

START_TEST(describes_virtio_devices)
{
	struct guest_spec s = small_guest();
	const struct guest_virtio devices[] = {{.type = GUEST_VIRTIO_VSOCK, .cid = 7},
		{.type = GUEST_VIRTIO_FS, .share = {.path = "/usr", .tag = "a&b"}},
		{.type = GUEST_VIRTIO_BLK, .disk = {.path = "/proc/self/exe"}},
		{.type = GUEST_VIRTIO_NET, .net = {.mac = {2}, .queues = 1}},
		{.type = GUEST_VIRTIO_RNG}, {.type = GUEST_VIRTIO_BALLOON}};
	struct err e = {0};

	s.rings = GUEST_RINGS_PACKED;
	s.balloon = true;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		ck_assert_int_eq(spec_add_virtio(&s, &devices[i], &e), 0);
	char *text = write_guest(&s);
	schema_accepts(text);
	ck_assert_ptr_nonnull(strstr(text, "<cid auto='no' address='7'/>"));
	ck_assert_ptr_nonnull(strstr(text, "<source dir='/usr'/>\n<target dir='a&#38;b'/>"));
	ck_assert_ptr_nonnull(strstr(text, "<source type='memfd'/><access mode='shared'/>"));
	ck_assert_ptr_nonnull(strstr(text, "model='virtio' freePageReporting='on'><driver packed"));
	ck_assert_ptr_nonnull(strstr(text, "</backend><driver packed='on'/></rng>"));
	ck_assert_ptr_nonnull(strstr(text, "cache='writeback' packed='on'/>"));
	free(text);
}
END_TEST

/* The keeper unpacks it into the guest's folder. */
START_TEST(boots_the_kernel_of_a_disk)
{
	struct guest_files files = FILES_NONE;
	struct guest_spec s = {.name = "web",
		.kernel_from = "/proc/self/exe",
		.files = &files,
		.memory = MIB(256),
		.cpus = 1};
	const struct guest_virtio disk = {
		.type = GUEST_VIRTIO_BLK, .disk = {.path = "/proc/self/exe"}};
	struct err e = {0};

	ck_assert_int_eq(spec_add_virtio(&s, &disk, &e), 0);
	(void)snprintf(files.boot.found.options, sizeof(files.boot.found.options), "quiet");
	char *text = write_guest(&s);
	ck_assert_ptr_nonnull(strstr(text, "<kernel>/run/usher/vm/web/port-:kernel</kernel>"));
	ck_assert_ptr_null(strstr(text, "<initrd>"));
	ck_assert_ptr_nonnull(strstr(text, "<cmdline>root=/dev/vda rw quiet console=ttyS0 panic"));
	schema_accepts(text);
	free(text);
	(void)snprintf(files.boot.found.initrd, sizeof(files.boot.found.initrd), "/initrd.img");
	text = write_guest(&s);
	ck_assert_ptr_nonnull(strstr(text, "<initrd>/run/usher/vm/web/port-:initrd</initrd>"));
	schema_accepts(text);
	free(text);
}
END_TEST

START_TEST(boots_by_bios)
{
	struct guest_spec s = small_guest();

	s.firmware = GUEST_FIRMWARE_BIOS;
	s.kernel = NULL;
	char *text = write_guest(&s);
	ck_assert_ptr_null(strstr(text, "<kernel>"));
	ck_assert_ptr_null(strstr(text, "<loader"));
	schema_accepts(text);
	free(text);
}
END_TEST

/* Its variables are at a place where QEMU's user may go; each kind of firmware has its own. */
START_TEST(boots_by_uefi)
{
	struct guest_spec s = small_guest();

	s.kernel = NULL;
	s.firmware = GUEST_FIRMWARE_UEFI;
	char *text = write_guest(&s);
	ck_assert_ptr_nonnull(strstr(text,
		"<loader readonly='yes' secure='no' type='pflash'>/usr/share/CODE.fd</loader>"));
	ck_assert_ptr_nonnull(strstr(text, "<nvram template='/usr/share/VARS.fd'>"
					   "/var/lib/libvirt/qemu/nvram/web_uefi.vars</nvram>"));
	ck_assert_ptr_nonnull(strstr(text, "<smm state='off'/>"));
	ck_assert_ptr_null(strstr(text, "<pm>"));
	schema_accepts(text);
	free(text);
	s.firmware = GUEST_FIRMWARE_UEFI_SECURE;
	text = write_guest(&s);
	ck_assert_ptr_nonnull(strstr(text, "secure='yes'"));
	ck_assert_ptr_nonnull(strstr(text, "/web_uefi-secure.vars</nvram>"));
	ck_assert_ptr_nonnull(strstr(text, "<smm state='on'/>"));
	ck_assert_ptr_nonnull(strstr(text, "<suspend-to-mem enabled='no'/>"));
	schema_accepts(text);
	free(text);
}
END_TEST

/* Without a kernel: first the disks, in the order of the options, then the lent devices. */
START_TEST(boots_in_the_order_of_the_options)
{
	const struct guest_virtio disk = {.type = GUEST_VIRTIO_BLK, .disk = {.path = "/dev/null"}};
	struct guest_spec s = small_guest();
	struct err e = {0};

	ck_assert_int_eq(spec_add_virtio(&s, &disk, &e), 0);
	ck_assert_int_eq(spec_add_virtio(&s, &disk, &e), 0);
	ck_assert_int_eq(spec_add_device(&s, "0000:01:00.0", &e), 0);
	char *text = write_guest(&s);
	ck_assert_ptr_null(strstr(text, "<boot order"));
	free(text);
	s.kernel = NULL;
	text = write_guest(&s);
	const char *first = strstr(text, "<boot order='1'/>"),
		   *second = strstr(text, "<boot order='2'/>"),
		   *third = strstr(text, "<boot order='3'/>"), *lent = strstr(text, "type='pci'");
	ck_assert(first && second && third && lent);
	ck_assert(first < second && second < lent && lent < third);
	schema_accepts(text);
	free(text);
}
END_TEST

START_TEST(has_a_screen_and_a_tpm)
{
	struct guest_spec s = small_guest();
	char *text = write_guest(&s);

	ck_assert_ptr_nonnull(strstr(text, "<controller type='usb' model='none'/>"));
	ck_assert_ptr_null(strstr(text, "<graphics"));
	ck_assert_ptr_null(strstr(text, "<tpm"));
	free(text);
	s.display.kind = GUEST_DISPLAY_VNC;
	text = write_guest(&s);
	ck_assert_ptr_nonnull(
		strstr(text, "<graphics type='vnc'><listen type='socket'/></graphics>"));
	ck_assert_ptr_nonnull(strstr(text, "<controller type='usb' model='qemu-xhci'/>"));
	schema_accepts(text);
	free(text);
	s.display.kind = GUEST_DISPLAY_SPICE;
	s.tpm = true;
	text = write_guest(&s);
	ck_assert_ptr_nonnull(strstr(text, "<graphics type='spice'>"));
	ck_assert_ptr_nonnull(strstr(text, "persistent_state='yes'"));
	schema_accepts(text);
	free(text);
}
END_TEST

/* By their numbers, and with a controller of their own. */
START_TEST(has_devices_of_the_hosts_usb)
{
	struct guest_spec s = small_guest();
	struct libvirt_parts own = parts;
	struct err e = {0};
	char *text = NULL;

	own.firmware = (struct firmware_place){0};
	s.usb_count = 2;
	own.usb[0] = (struct usb_address){.bus = 1, .device = 2};
	own.usb[1] = (struct usb_address){.bus = 12, .device = 127};
	ck_assert_int_gt(libvirt_xml_write(&s, &own, &text, &e), 0);
	ck_assert_ptr_nonnull(strstr(text, "<controller type='usb' model='qemu-xhci'/>"));
	ck_assert_ptr_nonnull(strstr(text, "<address bus='1' device='2'/>"));
	ck_assert_ptr_nonnull(strstr(text, "<address bus='12' device='127'/>"));
	schema_accepts(text);
	free(text);
}
END_TEST

/* usher-libvirt finds a disk and a card by these. */
START_TEST(gives_each_virtio_device_a_letter)
{
	char places[SPEC_VIRTIO_MAX + 1];
	const struct guest_spec s = {.virtio_count = 5,
		.virtio = {{.type = GUEST_VIRTIO_BLK, .disk = {.path = "/proc/self/exe"}},
			{.type = GUEST_VIRTIO_RNG},
			{.type = GUEST_VIRTIO_BLK,
				.disk = {.path = "/proc/self/exe", .readonly = true}},
			{.type = GUEST_VIRTIO_NET}, {.type = GUEST_VIRTIO_BLK}}};

	libvirt_xml_places(&s, places);
	ck_assert_str_eq(places, "d-fcd");
}
END_TEST

START_TEST(refuses_what_xml_cannot_have)
{
	static const char *const bad[] = {"a\x01", "\xff", "\x1b[2J", "\xed\xa0\x80"};
	struct guest_spec s = small_guest();
	char *text = NULL;
	struct err e;

	for (size_t i = 0; i < COUNT(bad); i++) {
		e = (struct err){0};
		s.cmdline = bad[i];
		ck_assert_int_eq(libvirt_xml_write(&s, &parts, &text, &e), -EINVAL);
		ck_assert_ptr_nonnull(strstr(e.msg, "--cmdline: libvirt cannot have"));
	}
	s = small_guest();
	s.kernel = "/nowhere/vmlinuz";
	ck_assert_int_eq(libvirt_xml_write(&s, &parts, &text, &e), -ENOENT);
	ck_assert_ptr_null(text);
}
END_TEST

START_TEST(names_each_domain_anew)
{
	char a[LIBVIRT_UUID_TEXT], b[LIBVIRT_UUID_TEXT];
	struct guest_spec s = small_guest();

	libvirt_end_name(&s, a);
	libvirt_end_name(&s, b);
	ck_assert_uint_eq(strlen(a), LIBVIRT_UUID_TEXT - 1);
	ck_assert_str_ne(a, b);
	ck_assert_int_eq(a[14], '4');
	/* By it libvirt finds the state of a TPM. */
	s.tpm = true;
	libvirt_end_name(&s, a);
	libvirt_end_name(&s, b);
	ck_assert_str_eq(a, b);
	ck_assert_int_eq(a[14], '8');
	s.name = "wec";
	libvirt_end_name(&s, b);
	ck_assert_str_ne(a, b);
}
END_TEST

SUITE("libvirt_xml", boots_the_kernel_of_a_disk, boots_by_bios, boots_by_uefi,
	boots_in_the_order_of_the_options, has_a_screen_and_a_tpm, has_devices_of_the_hosts_usb,
	gives_each_virtio_device_a_letter, describes_a_small_guest, describes_all_of_a_guest,
	describes_virtio_devices, refuses_what_xml_cannot_have, names_each_domain_anew)
