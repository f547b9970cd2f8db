/* SPDX-License-Identifier: MIT */
#include "pci/redact.h"

#include "base/endian.h"
#include "pci/capability.h"
#include "pci/cmdline.h"
#include "suite.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t key[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Vectors of the SipHash paper and of its reference implementation. */
START_TEST(hashes_as_siphash)
{
	uint8_t data[15];

	for (uint8_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	ck_assert_uint_eq(alias_hash(key, data, 0), UINT64_C(0x726fdb47dd0e0e31));
	ck_assert_uint_eq(alias_hash(key, data, 1), UINT64_C(0x74f839c593dc67fd));
	ck_assert_uint_eq(alias_hash(key, data, 8), UINT64_C(0x93f5f5799a932462));
	ck_assert_uint_eq(alias_hash(key, data, 15), UINT64_C(0xa129ca6149be45e5));
}
END_TEST

START_TEST(scrubs_in_place)
{
	char text[] = "52:54:00:12:34:56 enx525400123456 00:00:00:00:00:00 12:34:56 "
		      "0123abcd-0123-4567-89ab-0123456789ab 0000:01:00.0 a52:54:00:12:34:56 "
		      "fe800000000000005054 fe80000000000000505400fffe123456";
	char again[sizeof(text)], old[sizeof(text)];

	memcpy(old, text, sizeof(text));
	memcpy(again, text, sizeof(text));
	alias_scrub(key, text, strlen(text));
	alias_scrub(key, again, strlen(again));
	ck_assert_str_eq(text, again);
	ck_assert_uint_eq(strlen(text), strlen(old));
	ck_assert_int_eq(strncmp(text, "52:54:00:", 9), 0); /* the vendor stays */
	ck_assert_ptr_null(strstr(text, "123456 "));
	ck_assert_ptr_null(strstr(text, "0123abcd-"));
	ck_assert_ptr_nonnull(strstr(text, " 00:00:00:00:00:00 12:34:56 "));
	ck_assert_ptr_nonnull(strstr(text, " 0000:01:00.0 a52:54:00:12:34:56 fe8000000000000050"));
	/* One card has one pseudonym, in all three forms. */
	char mac[7] = {text[9], text[10], text[12], text[13], text[15], text[16], 0};
	ck_assert_int_eq(strncmp(text + 27, mac, 6), 0);
	ck_assert_str_eq(text + strlen(text) - 6, mac);
}
END_TEST

static char *expect_words(const char *line)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	cmdline_redact(key, line, strlen(line), f);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

START_TEST(keeps_known_words_of_a_command_line)
{
	char *one = expect_words(
		"BOOT_IMAGE=/vmlinuz root=UUID=1 ro  intel_iommu=on vfio-pci.ids=10de:1 "
		"password=hunter2 secret\n");
	char *two = expect_words("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet secret root=UUID=1\"");

	ck_assert_int_eq(strncmp(one, "BOOT_IMAGE=word-", 16), 0);
	ck_assert_ptr_nonnull(strstr(one, " root=word-"));
	ck_assert_ptr_nonnull(strstr(one, " ro  intel_iommu=on vfio-pci.ids=10de:1 word-"));
	ck_assert_ptr_null(strstr(one, "hunter2"));
	ck_assert_ptr_null(strstr(one, "password"));
	ck_assert_ptr_null(strstr(one, "UUID"));
	ck_assert_int_eq(strncmp(two, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet word-", 39), 0);
	ck_assert_int_eq(two[strlen(two) - 1], '"');
	/* The configured and the booted command line can still be compared. */
	char *secret = strrchr(one, ' ') + 1;
	secret[strcspn(secret, "\n")] = '\0';
	ck_assert_ptr_nonnull(strstr(two, secret));
	free(one);
	free(two);
	ck_assert(cmdline_is_option("options root=/dev/sda1"));
	ck_assert(cmdline_is_option("\tlinux /vmlinuz ro"));
	ck_assert(cmdline_is_option("GRUB_CMDLINE_LINUX=\"\""));
	ck_assert(!cmdline_is_option("GRUB_TIMEOUT=5"));
	ck_assert(!cmdline_is_option("title Debian"));
}
END_TEST

static void add_file(
	struct manifest *m, const char *path, enum manifest_kind kind, const void *data, size_t len)
{
	struct manifest_entry *x = &m->entries[m->entry_count++];
	char *copy = calloc(1, len + 1);

	memcpy(copy, data, len);
	*x = (struct manifest_entry){strdup(path), copy, len, kind, 0};
}

static const char *content_of(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->entry_count; i++)
		if (strcmp(m->entries[i].path, path) == 0)
			return m->entries[i].data;
	return "absent";
}

static struct manifest make_household(void)
{
	struct manifest m = {.entries = calloc(32, sizeof(struct manifest_entry))};
	struct pci_config c = {.size = PCI_CONFIG_BYTES};
	static const char environ[] =
		"TOKEN=hunter2\0SSH_CONNECTION=198.51.100.9 50022 192.0.2.7 22";

	le32_put(c.bytes + 0x100, PCI_EXT_CAP_ID_DSN | 1u << 16);
	le64_put(c.bytes + 0x104, UINT64_C(0x1122334455667788));
#define FILE_ADD(path, text) add_file(&m, path, MANIFEST_FILE, text, strlen(text))
	FILE_ADD("/sys/class/nvme/nvme0/serial", "S5GXNX0R12345       \n");
	FILE_ADD("/sys/block/loop0/loop/backing_file", "/home/anna/taxes.img\n");
	FILE_ADD("/sys/block/loop1/loop/backing_file", "/dev/nvme0n1\n");
	FILE_ADD("/sys/class/net/enx525400123456/address", "52:54:00:12:34:56\n");
	FILE_ADD("/proc/cmdline", "quiet secret\n");
	FILE_ADD("/etc/passwd", "root:x:0:0:R:/root:/bin/sh\nalice:x:1000:1000:A. Liddell:/h:/b\n");
	FILE_ADD("/proc/9/stat",
		"9 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 999 7 8 9\n");
	FILE_ADD("/lib/modules/6.1/modules.alias", "alias pci:v1 nvme\nalias vfio_pci:v2 x\n");
	FILE_ADD("/dev/kmsg",
		"<6>[1] DMAR: ok\n<6>[2] Command line: secret vfio\n<6>[3] usb serial 7\n");
	FILE_ADD(
		"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "x\n");
	FILE_ADD("/etc/modprobe.d/vfio.conf", "# alice's\n\noptions vfio-pci ids=1:2\n");
	FILE_ADD("/etc/nixos/configuration.nix",
		"{ users.users.alice = 1;\n boot.initrd.kernelModules = [\n \"vfio_pci\"\n ];\n"
		" x = \"secret\";\n}\n");
	FILE_ADD("/etc/initramfs-tools/scripts/init-top/v",
		"# alice's\necho secret\nmodprobe vfio-pci\n");
	FILE_ADD("/etc/mkinitcpio.conf", "# secret\nMODULES=(vfio_pci)\n");
	FILE_ADD("/proc/stat", "cpu 12345 6\nbtime 1700000000\n");
	FILE_ADD("/etc/default/grub",
		"# secret\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX=\"secret ro\"\n");
	FILE_ADD("/etc/usher/claims.d/x.claim",
		"usher-claim 1\n \tserial  1122334455667788\nuser alice \n user 1000\n");
	FILE_ADD("/etc/libvirt/qemu/web.xml",
		"<!-- secret -->\n<domain type='kvm' xmlns:q='secret'>\n  <name>web</name>secret\n"
		"  <description>secret</description>\n  <devices>\n"
		"    <disk type='file' device='disk'>\n      <source file='/secret'/>\n"
		"    </disk>\n    <hostdev mode='subsystem' type='pci' managed='yes'>\n"
		"      <driver name='vfio'/>\n"
		"      <source>\n        <address domain='0x0000' bus='0x01'/>\n      </source>\n"
		"      <rom file='/secret'/>\n    </hostdev>\n"
		"    <graphics type='vnc' passwd='secret'>\n      <listen type='address'/>\n"
		"    </graphics>\n    <source secret=''/>\n  </devices>\n"
		"<qemu:arg value='secret'/></domain>\n</domain>\n");
	add_file(&m, "/proc/9/environ", MANIFEST_FILE, environ, sizeof(environ));
	add_file(&m, "/sys/devices/pci0000:00/0000:00:01.0/config", MANIFEST_FILE, c.bytes, c.size);
	add_file(&m, "/sys/class/net/eth1", MANIFEST_LINK, "../../x/enx525400123456", 23);
	FILE_ADD("/sys/kernel/config/nvmet/subsystems/s/namespaces/1/device_path",
		"/dev/disk/by-id/nvme-secret\n");
	FILE_ADD("/sys/kernel/config/target/core/fileio_0/a/info",
		"TCM FILEIO ID: 0        File: /dev/disk/by-id/nvme-secret  Size: 1\n");
	FILE_ADD("/sys/kernel/config/target/core/iblock_0/b/info",
		"iBlock device: sda  UDEV PATH: /dev/disk/by-id/secret\n"
		"        Major: 8 Minor: 0  CLAIMED: IBLOCK\n");
	ck_assert_int_eq(manifest_number_add(&m.paths, "/dev/disk/by-id/nvme-secret",
				 (struct host_number){HOST_NUMBER_BLOCK, 1}),
		0);
	ck_assert_int_eq(manifest_number_add(
				 &m.paths, "/dev/sda", (struct host_number){HOST_NUMBER_BLOCK, 2}),
		0);
	m.addresses = calloc(1, sizeof(*m.addresses));
	m.address_count = 1;
	m.addresses[0] =
		(struct host_net_address){.interface = "enx525400123456", .family = AF_INET6};
	ck_assert_int_eq(inet_pton(AF_INET6, "fe80::5054:ff:fe12:3456", m.addresses[0].bytes), 1);
	return m;
}

START_TEST(takes_out_what_is_private)
{
	struct manifest m = make_household();
	struct pci_config c = {.size = PCI_CONFIG_BYTES};
	uint64_t dsn;

	ck_assert_int_eq(manifest_redact(&m, key), 0);
	for (size_t i = 0; i < m.entry_count; i++) {
		const struct manifest_entry *x = &m.entries[i];

		ck_assert_ptr_null(memmem(x->data, x->len, "12345", 5));
		ck_assert_ptr_null(memmem(x->data, x->len, "1122334455", 10));
		ck_assert_ptr_null(memmem(x->data, x->len, "secret", 6));
		ck_assert_ptr_null(memmem(x->data, x->len, "hunter2", 7));
		ck_assert_ptr_null(memmem(x->data, x->len, "lice", 4));
		ck_assert_ptr_null(memmem(x->data, x->len, "Liddell", 7));
		ck_assert_ptr_null(strstr(x->path, "123456"));
		if (i)
			ck_assert_int_lt(manifest_compare(x[-1].path, x->path), 0);
	}
	ck_assert_int_eq(strncmp(content_of(&m, "/sys/class/nvme/nvme0/serial"), "serial-", 7), 0);
	ck_assert_int_eq(
		strncmp(content_of(&m, "/sys/block/loop0/loop/backing_file"), "/file-", 6), 0);
	ck_assert_str_eq(content_of(&m, "/sys/block/loop1/loop/backing_file"), "/dev/nvme0n1\n");
	/* The number of a path is stored under the redacted path. */
	char link[64];
	const char *name =
		content_of(&m, "/sys/kernel/config/nvmet/subsystems/s/namespaces/1/device_path");
	(void)snprintf(link, sizeof(link), "%.*s", (int)strcspn(name, "\n"), name);
	ck_assert_str_eq(m.paths.list[0].name, link);
	ck_assert_str_eq(m.paths.list[1].name, "/dev/sda");
	ck_assert_ptr_nonnull(
		strstr(content_of(&m, "/sys/kernel/config/target/core/fileio_0/a/info"), link));
	ck_assert_ptr_nonnull(
		strstr(content_of(&m, "/sys/kernel/config/target/core/iblock_0/b/info"),
			"Major: 8 Minor: 0"));
	ck_assert_ptr_nonnull(strstr(content_of(&m, "/etc/passwd"), "root:x:0:0::/:\nuser-"));
	ck_assert_str_eq(content_of(&m, "/proc/9/stat"),
		"9 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 999\n");
	ck_assert_str_eq(content_of(&m, "/lib/modules/6.1/modules.alias"), "alias vfio_pci:v2 x\n");
	ck_assert_str_eq(content_of(&m, "/dev/kmsg"), "<6>[1] DMAR: ok\n");
	ck_assert_str_eq(
		content_of(&m, "/proc/9/environ"), "SSH_CONNECTION=0.0.0.0 0 192.0.2.7 22");
	ck_assert_str_eq(content_of(&m, "/sys/firmware/efi/efivars/"
					"SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"),
		"x\n");
	memcpy(c.bytes, content_of(&m, "/sys/devices/pci0000:00/0000:00:01.0/config"), c.size);
	ck_assert_int_eq(pci_serial_read(&c, &dsn), 0);
	ck_assert_uint_ne(dsn, UINT64_C(0x1122334455667788));
	/* The claim still matches its device. */
	char claim[64];
	int len =
		snprintf(claim, sizeof(claim), "usher-claim 1\nserial %016" PRIx64 "\nuser ", dsn);
	const char *shared = content_of(&m, "/etc/usher/claims.d/x.claim");
	ck_assert_int_eq(strncmp(shared, claim, (size_t)len), 0);
	/* The claim has the same user, by the pseudonym in /etc/passwd. */
	const char *alias = strchr(content_of(&m, "/etc/passwd"), '\n') + 1;
	size_t n = strcspn(alias, ":");
	ck_assert_int_eq(strncmp(shared + len, alias, n), 0);
	ck_assert_str_eq(shared + len + n, "\n user 1000\n");
	/* Lines keep their numbers, because findings quote them. */
	ck_assert_str_eq(
		content_of(&m, "/etc/modprobe.d/vfio.conf"), "#\n\noptions vfio-pci ids=1:2\n");
	ck_assert_str_eq(content_of(&m, "/etc/nixos/configuration.nix"),
		"\n boot.initrd.kernelModules = [\n \"vfio_pci\"\n ];\n\n\n");
	ck_assert_str_eq(content_of(&m, "/etc/initramfs-tools/scripts/init-top/v"),
		"\n\nmodprobe vfio-pci\n");
	ck_assert_str_eq(content_of(&m, "/etc/mkinitcpio.conf"), "#\nMODULES=(vfio_pci)\n");
	ck_assert_str_eq(content_of(&m, "/proc/stat"), "btime 1700000000\n");
	ck_assert_str_eq(content_of(&m, "/etc/libvirt/qemu/web.xml"),
		"<domain>\n<name>web</name>\n<devices>\n"
		"<hostdev mode='subsystem' type='pci' managed='yes'>\n<driver name='vfio'/>\n"
		"<source>\n<address domain='0x0000' bus='0x01'/>\n</source>\n</hostdev>\n"
		"</devices>\n</domain>\n");
	ck_assert_int_eq(strncmp(content_of(&m, "/etc/default/grub"),
				 "#\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX=\"word-", 42),
		0);
	ck_assert_int_eq(strncmp(m.addresses[0].interface, "enx525400", 9), 0);
	ck_assert_str_ne(m.addresses[0].interface, "enx525400123456");
	ck_assert_uint_ne(m.addresses[0].bytes[15], 0x56);
	manifest_fini(&m);
}
END_TEST

START_TEST(takes_the_environment_out_always)
{
	struct manifest m = make_household();

	ck_assert_int_eq(manifest_redact(&m, NULL), 0);
	ck_assert_str_eq(
		content_of(&m, "/proc/9/environ"), "SSH_CONNECTION=0.0.0.0 0 192.0.2.7 22");
	ck_assert_str_eq(content_of(&m, "/proc/cmdline"), "quiet secret\n");
	ck_assert_str_eq(m.addresses[0].interface, "enx525400123456");
	manifest_fini(&m);
}
END_TEST

SUITE("redact", hashes_as_siphash, scrubs_in_place, keeps_known_words_of_a_command_line,
	takes_out_what_is_private, takes_the_environment_out_always)
