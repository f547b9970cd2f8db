/* SPDX-License-Identifier: MIT */
#include "check/boot.h"

#include "base/num.h"
#include "check/bootadvice.h"
#include "check/bootowner.h"
#include "replay.h"

#include <string.h>

/*
 * Hosts by what writes their kernel command line. Each has the files that another boot loader may
 * have left; the advice has to come from what booted this line.
 */

#define LINE(words) "file /proc/cmdline " words "\n"
#define KERNEL(release) "file /proc/sys/kernel/osrelease " release "\n"
#define TOOL(path) "file " path " x\n"
#define GRUB_FILE "file /etc/default/grub GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"
#define TEXT(path, text) "file " path " " text "\n"
#define ENTRY(name) "file /boot/loader/entries/" name " title x\\noptions root=1 quiet\n"

struct owner_row {
	const char *host; /* lines of a snapshot */
	const char *loader, *stub; /* what the loader says of itself; NULL without EFI */
	const char *name;
	const char *add, *drop; /* the advice for iommu=pt */
};

#define UNKNOWN_ADD                                                                         \
	"boot with 'iommu=pt' on the kernel command line; usher does not know what writes " \
	"that line on this host"
#define UNKNOWN_DROP                                                                           \
	"boot without 'iommu=pt' on the kernel command line; usher does not know what writes " \
	"that line on this host"

static const struct owner_row owner_rows[] = {
	{LINE("BOOT_IMAGE=/vmlinuz quiet") GRUB_FILE TOOL("/usr/sbin/update-grub"), NULL, NULL,
		"GRUB",
		"add 'iommu=pt' to line 1 of /etc/default/grub (GRUB_CMDLINE_LINUX_DEFAULT), run "
		"'update-grub' and reboot",
		"remove 'iommu=pt' from the kernel command line in the configuration of GRUB and "
		"reboot"},
	{LINE("BOOT_IMAGE=/vmlinuz quiet") GRUB_FILE TOOL("/usr/sbin/grub2-mkconfig"), NULL, NULL,
		"GRUB",
		"add 'iommu=pt' to line 1 of /etc/default/grub (GRUB_CMDLINE_LINUX_DEFAULT), run "
		"'grub2-mkconfig -o /boot/grub2/grub.cfg' and reboot",
		NULL},
	{LINE("BOOT_IMAGE=/vmlinuz quiet") GRUB_FILE TOOL("/usr/sbin/grub2-mkconfig")
			TOOL("/usr/sbin/transactional-update"),
		NULL, NULL, "GRUB",
		"add 'iommu=pt' to line 1 of /etc/default/grub (GRUB_CMDLINE_LINUX_DEFAULT), run "
		"'transactional-update grub.cfg' and reboot",
		NULL},
	{LINE("BOOT_IMAGE=/vmlinuz quiet") GRUB_FILE, "GRUB 2.12", NULL, "GRUB",
		"add 'iommu=pt' to line 1 of /etc/default/grub (GRUB_CMDLINE_LINUX_DEFAULT), run "
		"'grub-mkconfig -o /boot/grub/grub.cfg' and reboot",
		NULL},
	{LINE("BOOT_IMAGE=/vmlinuz quiet") GRUB_FILE TOOL("/usr/sbin/update-grub")
			TOOL("/etc/kernel/proxmox-boot-uuids"),
		NULL, NULL, "GRUB",
		"add 'iommu=pt' to line 1 of /etc/default/grub (GRUB_CMDLINE_LINUX_DEFAULT), run "
		"'proxmox-boot-tool refresh' and reboot",
		NULL},
	{LINE("BOOT_IMAGE=(hd0,gpt2)/vmlinuz-6.8 iommu=pt") KERNEL("6.8") ENTRY("1-6.8.conf")
			TOOL("/usr/sbin/grubby") "file /etc/default/grub "
						 "GRUB_CMDLINE_LINUX=\"quiet\"\\n"
						 "GRUB_ENABLE_BLSCFG=true\n",
		NULL, NULL, "GRUB",
		"run \"grubby --update-kernel=ALL --args='iommu=pt'\" and reboot",
		"run \"grubby --update-kernel=ALL --remove-args='iommu=pt'\" and reboot"},
	{LINE("BOOT_IMAGE=/vmlinuz ostree=/ostree/boot.1/x") GRUB_FILE ENTRY("ostree-1.conf")
			TOOL("/usr/bin/rpm-ostree"),
		NULL, NULL, "rpm-ostree",
		"run \"rpm-ostree kargs --append-if-missing='iommu=pt'\" and reboot",
		"run \"rpm-ostree kargs --delete-if-present='iommu=pt'\" and reboot"},
	{LINE("ostree=/ostree/boot.1/x") ENTRY("ostree-1.conf") TOOL("/usr/bin/ostree"), NULL, NULL,
		"ostree",
		"run \"ostree admin kargs edit-in-place --append-if-missing='iommu=pt'\" and "
		"reboot",
		NULL},
	/* Made from a flake that lies elsewhere. */
	{LINE("initrd=\\\\EFI\\\\nixos\\\\x init=/nix/store/x/init") ENTRY("nixos-1.conf"),
		"systemd-boot 255", NULL, "NixOS",
		"add 'iommu=pt' to boot.kernelParams in /etc/nixos/configuration.nix or in the "
		"flake of this system, run "
		"'nixos-rebuild boot' and reboot",
		NULL},
	{LINE("initrd=\\\\EFI\\\\nixos\\\\x init=/nix/store/x/init") ENTRY("nixos-1.conf")
			TOOL("/etc/nixos/configuration.nix"),
		"systemd-boot 255", NULL, "NixOS",
		"add 'iommu=pt' to boot.kernelParams in /etc/nixos/configuration.nix, run "
		"'nixos-rebuild boot' and reboot",
		"remove 'iommu=pt' from boot.kernelParams in /etc/nixos/configuration.nix, run "
		"'nixos-rebuild boot' and reboot"},
	{LINE("root=1 iommu=pt") ENTRY("Pop_OS-current.conf")
			GRUB_FILE TOOL("/etc/kernelstub/configuration"),
		"systemd-boot 245", NULL, "kernelstub",
		"run \"kernelstub --add-options 'iommu=pt'\" and reboot",
		"run \"kernelstub --delete-options 'iommu=pt'\" and reboot"},
	{LINE("root=1") "file /etc/kernel/cmdline root=1\n" TOOL("/etc/kernel/proxmox-boot-uuids")
			GRUB_FILE,
		"systemd-boot 252", NULL, "systemd-boot",
		"add 'iommu=pt' to line 1 of /etc/kernel/cmdline, run 'proxmox-boot-tool refresh' "
		"and reboot",
		NULL},
	{LINE("root=1 quiet") ENTRY("arch.conf") GRUB_FILE, "systemd-boot 256", NULL,
		"systemd-boot",
		"add 'iommu=pt' to line 2 of /boot/loader/entries/arch.conf (options) and reboot",
		NULL},
	{LINE("root=1 quiet") KERNEL("6.1") "file /etc/kernel/cmdline root=1\n" ENTRY("m-6.1.conf")
			TOOL("/usr/bin/kernel-install") TOOL("/boot/vmlinuz-6.1"),
		"systemd-boot 252", NULL, "kernel-install",
		"add 'iommu=pt' to line 1 of /etc/kernel/cmdline, run 'kernel-install add "
		"$(uname -r) /boot/vmlinuz-$(uname -r)' and reboot",
		NULL},
	{LINE("root=1 quiet") KERNEL("6.9") ENTRY("m-6.9.conf") TOOL("/usr/bin/kernel-install"),
		"systemd-boot 256", NULL, "kernel-install",
		"add 'iommu=pt' to /etc/kernel/cmdline, run 'kernel-install add $(uname -r) "
		"/usr/lib/modules/$(uname -r)/vmlinuz' and reboot",
		NULL},
	{LINE("root=1 quiet") ENTRY("x.conf") TOOL("/usr/bin/sdbootutil") "file "
									  "/etc/kernel/cmdline "
									  "root=1\n",
		"systemd-boot 256", NULL, "sdbootutil",
		"add 'iommu=pt' to line 1 of /etc/kernel/cmdline, run 'sdbootutil "
		"update-all-entries' and reboot",
		NULL},
	{LINE("root=1 quiet") "file /etc/kernel/cmdline root=1\n" GRUB_FILE
			      "file /etc/mkinitcpio.d/linux.preset "
			      "#x_uki=no\\ndefault_uki=\"/efi/EFI/Linux/x.efi\"\n",
		"systemd-boot 256", "systemd-stub 256", "mkinitcpio",
		"add 'iommu=pt' to line 1 of /etc/kernel/cmdline, run 'mkinitcpio -P' and reboot",
		NULL},
	{LINE("root=1 quiet") "file /etc/dracut.conf.d/uki.conf "
			      "uefi=\"yes\"\\nkernel_cmdline+=\" root=1 \"\n",
		"Limine 9", "systemd-stub 256", "dracut",
		"add 'iommu=pt' to line 2 of /etc/dracut.conf.d/uki.conf (kernel_cmdline), run "
		"'dracut --regenerate-all --force' and reboot",
		NULL},
	{LINE("root=1 quiet") KERNEL("6.9") "file /etc/kernel/install.conf layout=uki\n",
		"systemd-boot 256", "systemd-stub 256", "kernel-install",
		"add 'iommu=pt' to /etc/kernel/cmdline, run 'kernel-install add $(uname -r) "
		"/usr/lib/modules/$(uname -r)/vmlinuz' and reboot",
		NULL},
	{LINE("root=1 quiet") GRUB_FILE, "systemd-boot 256", "systemd-stub 256",
		"a unified kernel image", UNKNOWN_ADD, UNKNOWN_DROP},
	{LINE("quiet") "file /boot/limine.conf /x\\n cmdline: quiet\n"
		       "file /boot/syslinux/syslinux.cfg append x\n",
		"Limine 9.3", NULL, "Limine",
		"add 'iommu=pt' to line 2 of /boot/limine.conf (cmdline) and reboot", NULL},
	{LINE("quiet") "file /boot/limine.conf cmdline: quiet\n"
		       "file /etc/default/limine KERNEL_CMDLINE[default]+=\"quiet\"\n",
		"Limine 9.3", NULL, "Limine",
		"add 'iommu=pt' to line 1 of /etc/default/limine (KERNEL_CMDLINE), run "
		"'limine-update' and reboot",
		NULL},
	{LINE("ro iommu=pt") "file /boot/refind_linux.conf \"Boot normally\" \"ro iommu=pt\"\n",
		"rEFInd 0.14", NULL, "rEFInd",
		"add 'iommu=pt' to line 1 of /boot/refind_linux.conf and reboot",
		"remove 'iommu=pt' from line 1 of /boot/refind_linux.conf and reboot"},
	{LINE("BOOT_IMAGE=/bzimage initrd=/bzroot") TOOL("/etc/unraid-version")
			TEXT("/boot/limine.conf", "cmdline: x")
				TEXT("/boot/syslinux/syslinux.cfg", "label x\\n append x"),
		NULL, NULL, "syslinux",
		"add 'iommu=pt' to line 2 of /boot/syslinux/syslinux.cfg (append) and reboot",
		NULL},
	{LINE("root=1") "file /boot/extlinux/extlinux.conf append root=1\n"
			"file /etc/default/u-boot U_BOOT_PARAMETERS=\"ro\"\n" TOOL(
				"/usr/sbin/u-boot-update"),
		NULL, NULL, "extlinux",
		"add 'iommu=pt' to line 1 of /etc/default/u-boot (U_BOOT_PARAMETERS), run "
		"'u-boot-update' and reboot",
		NULL},
	{LINE("root=1") "file /boot/firmware/cmdline.txt root=1\n", NULL, NULL,
		"the board's firmware",
		"add 'iommu=pt' to line 1 of /boot/firmware/cmdline.txt and reboot", NULL},
	/* Nothing on this line is GRUB's, and two loaders have left files. */
	{LINE("root=1") GRUB_FILE ENTRY("arch.conf"), NULL, NULL, "", UNKNOWN_ADD, UNKNOWN_DROP},
	{LINE("root=1"), "Clover", NULL, "", UNKNOWN_ADD, UNKNOWN_DROP},
	{LINE("root=1") ENTRY("arch.conf"), "Clover", NULL, "", UNKNOWN_ADD, UNKNOWN_DROP},
	{LINE("ostree=/x") ENTRY("x.conf"), NULL, NULL, "ostree", UNKNOWN_ADD, UNKNOWN_DROP},
	{LINE("initrd=\\\\img quiet") ENTRY("linux-cachyos.conf") TOOL("/usr/bin/sdboot-manage")
			TOOL("/usr/bin/kernel-install") TEXT("/etc/sdboot-manage.conf",
				"#LINUX_OPTIONS=\"\"\\nLINUX_OPTIONS=\"quiet\""),
		"systemd-boot 257", NULL, "sdboot-manage",
		"add 'iommu=pt' to line 2 of /etc/sdboot-manage.conf (LINUX_OPTIONS), run "
		"'sdboot-manage gen' and reboot",
		NULL},
	{LINE("initrd=\\\\img quiet") ENTRY("Solus.conf") TOOL("/usr/bin/clr-boot-manager"),
		"systemd-boot 254", NULL, "clr-boot-manager",
		"add 'iommu=pt' to a file of /etc/kernel/cmdline.d/ whose name ends in .conf, run "
		"'clr-boot-manager update' and reboot",
		NULL},
	{LINE("BOOT_IMAGE=/gnu/store/a/bzImage gnu.system=/gnu/store/b quiet") GRUB_FILE, NULL,
		NULL, "Guix",
		"add 'iommu=pt' to kernel-arguments in the configuration of this system, a FILE, "
		"run "
		"'guix system reconfigure FILE' and reboot",
		NULL},
	{LINE("BOOT_IMAGE=/gnu/store/a/bzImage gnu.system=/gnu/store/b quiet")
			GRUB_FILE TOOL("/etc/config.scm"),
		NULL, NULL, "Guix",
		"add 'iommu=pt' to kernel-arguments in /etc/config.scm, run "
		"'guix system reconfigure /etc/config.scm' and reboot",
		NULL},
	{LINE("BOOT_IMAGE=/vmlinuz quiet") KERNEL("6.6.44-production+truenas")
			GRUB_FILE TOOL("/usr/sbin/update-grub"),
		NULL, NULL, "TrueNAS",
		"add 'iommu=pt' to kernel_extra_options: midclt call system.advanced.update "
		"'{\"kernel_extra_options\": \"ALL OPTIONS\"}' and reboot",
		NULL},
	{LINE("BOOT_IMAGE=(loop0)/boot/vmlinuz cos-img/filename=/cOS/active.img")
			GRUB_FILE TOOL("/usr/sbin/grub2-mkconfig"),
		NULL, NULL, "Elemental", UNKNOWN_ADD, UNKNOWN_DROP},
	/* bootc with composefs, by GRUB with entries and by systemd-boot. */
	{LINE("BOOT_IMAGE=(hd0)/vmlinuz composefs=8a1f root=UUID=1") ENTRY("bootc_fedora-44.conf")
			TEXT("/etc/default/grub", "GRUB_ENABLE_BLSCFG=true")
				TOOL("/usr/sbin/grubby"),
		NULL, NULL, "bootc", UNKNOWN_ADD, UNKNOWN_DROP},
	{LINE("initrd=\\\\x composefs=?8a1f") ENTRY("bootc_x.conf") TOOL("/usr/bin/kernel-install"),
		"systemd-boot 258", NULL, "bootc", UNKNOWN_ADD, UNKNOWN_DROP},
	{LINE("snapd_recovery_mode=run quiet") GRUB_FILE TOOL("/usr/sbin/update-grub"), NULL, NULL,
		"snapd", UNKNOWN_ADD, UNKNOWN_DROP},
	{LINE("BOOT_IMAGE=/vos-a/vmlinuz quiet") GRUB_FILE TOOL("/usr/sbin/update-grub")
			TOOL("/usr/bin/abroot"),
		NULL, NULL, "ABRoot",
		"add 'iommu=pt' to the line that 'abroot kargs edit' opens and reboot", NULL},
	{LINE("BOOT_IMAGE=/boot/vmlinuz-linux-neptune quiet")
			GRUB_FILE TOOL("/usr/bin/update-grub"),
		NULL, NULL, "GRUB",
		"add 'iommu=pt' to line 1 of /etc/default/grub (GRUB_CMDLINE_LINUX_DEFAULT), run "
		"'update-grub' and reboot",
		NULL},
	{LINE("BOOT_IMAGE=vmlinuz-lts quiet") TEXT("/etc/update-extlinux.conf",
		 "default_kernel_opts=\"quiet\"") TEXT("/boot/extlinux.conf", "APPEND quiet"),
		NULL, NULL, "extlinux",
		"add 'iommu=pt' to line 1 of /etc/update-extlinux.conf (default_kernel_opts), run "
		"'update-extlinux' and reboot",
		NULL},
	/* Alpine with GRUB, and the files of extlinux. */
	{LINE("BOOT_IMAGE=/boot/vmlinuz-lts quiet") GRUB_FILE TEXT(
		 "/etc/update-extlinux.conf", "default_kernel_opts=\"quiet\""),
		NULL, NULL, "GRUB", NULL, NULL},
	{LINE("root=UUID=1 rootwait") TEXT("/boot/armbianEnv.txt", "verbosity=1"), NULL, NULL,
		"U-Boot", "add 'iommu=pt' to extraargs= in /boot/armbianEnv.txt and reboot", NULL},
	{LINE("root=UUID=1 rootwait") TEXT("/boot/armbianEnv.txt", "a=1\\nextraargs=quiet"), NULL,
		NULL, "U-Boot",
		"add 'iommu=pt' to line 2 of /boot/armbianEnv.txt (extraargs) and reboot", NULL},
};

/* Appends the EFI variable @name: attributes of four bytes, then UTF-16. */
static void put_variable(char *buf, size_t size, const char *name, const char *value)
{
	size_t n = strlen(buf);

	if (!value)
		return;
	n += (size_t)snprintf(buf + n, size - n,
		"bytes /sys/firmware/efi/efivars/%s-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f %zu "
		"0:06000000",
		name, 4 + 2 * strlen(value));
	for (; *value; value++)
		n += (size_t)snprintf(buf + n, size - n, "%02x00", (unsigned char)*value);
	(void)snprintf(buf + n, size - n, "\n");
}

static void advice_compare(const struct owner_row *row, const char *got, const char *want)
{
	ck_assert_msg(!want || strcmp(got, want) == 0, "on '%s'\ngot:  %s\nwant: %s", row->host,
		got, want);
}

START_TEST(knows_what_wrote_the_booted_line)
{
	char text[4096], advice[320];

	for (size_t i = 0; i < COUNT(owner_rows); i++) {
		const struct owner_row *row = &owner_rows[i];
		struct boot b;

		(void)snprintf(text, sizeof(text), "%s", row->host);
		put_variable(text, sizeof(text), "LoaderInfo", row->loader);
		put_variable(text, sizeof(text), "StubInfo", row->stub);
		struct host *h = replay_lines(text);
		boot_read(h, &b);
		advice_compare(row, b.owner->name, row->name);
		boot_how_to_add(&b, "iommu=pt", advice, sizeof(advice));
		advice_compare(row, advice, row->add);
		boot_how_to_drop(&b, "iommu=pt", advice, sizeof(advice));
		advice_compare(row, advice, row->drop);
		boot_fini(&b);
		host_close(h);
	}
}
END_TEST

/* The entries of older kernels say nothing about the booted line. */
START_TEST(reads_only_the_booted_entry)
{
	static const char two[] =
		LINE("root=1 quiet") KERNEL("6.8") ENTRY("m-6.8.conf") ENTRY("m-6.7.conf");
	char text[4096];
	struct boot b;

	struct host *h = replay_lines(two);
	boot_read(h, &b);
	ck_assert_uint_eq(b.line_count, 1);
	ck_assert_ptr_nonnull(strstr(b.lines[0].file, "m-6.8.conf"));
	boot_fini(&b);
	host_close(h);

	(void)snprintf(text, sizeof(text), "%s", two);
	put_variable(text, sizeof(text), "LoaderEntrySelected", "m-6.7.conf");
	h = replay_lines(text);
	boot_read(h, &b);
	ck_assert_uint_eq(b.line_count, 1);
	ck_assert_ptr_nonnull(strstr(b.lines[0].file, "m-6.7.conf"));
	boot_fini(&b);
	host_close(h);
}
END_TEST

START_TEST(counts_lines_as_an_editor_does)
{
	struct host *h = replay_lines("file /proc/cmdline BOOT_IMAGE=/x quiet\n"
				      "file /etc/default/grub \\n\\n# GRUB_CMDLINE_LINUX=\"no\"\\n"
				      "  GRUB_CMDLINE_LINUX='iommu=off a'\\n\n");
	char text[256];
	struct boot b;

	boot_read(h, &b);
	ck_assert_uint_eq(b.line_count, 1);
	ck_assert_uint_eq(b.lines[0].number, 4);
	ck_assert_str_eq(b.lines[0].words, "iommu=off a");
	boot_how_to_drop(&b, "iommu=off", text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "line 4 of /etc/default/grub"));
	boot_how_to_drop(&b, "other", text, sizeof(text));
	ck_assert_ptr_null(strstr(text, "/etc/default/grub"));
	boot_fini(&b);
	host_close(h);
}
END_TEST

/* GRUB's files are shell scripts: the last assignment counts, and only files named *.cfg do. */
START_TEST(edits_the_line_that_counts)
{
	static const char host[] = LINE("BOOT_IMAGE=/x quiet")
		TEXT("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"a\"") TEXT(
			"/etc/default/grub.d/20-own.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=\"b\"\\n"
							  "GRUB_CMDLINE_LINUX_DEFAULT="
							  "\"$GRUB_CMDLINE_LINUX_DEFAULT c\"")
			TEXT("/etc/default/grub.d/readme", "GRUB_CMDLINE_LINUX_DEFAULT=\"d\"");
	struct host *h = replay_lines(host);
	struct boot b;

	boot_read(h, &b);
	ck_assert_uint_eq(b.line_count, 3);
	ck_assert_str_eq(b.lines[0].words, "a");
	ck_assert(b.lines[0].is_replaced);
	ck_assert(!b.lines[1].is_replaced);
	ck_assert(!b.lines[2].is_replaced);
	ck_assert_ptr_eq(boot_line_instead(&b, &b.lines[0]), &b.lines[1]);
	ck_assert_ptr_null(boot_line_instead(&b, &b.lines[1]));
	ck_assert_ptr_null(boot_line_with(&b, "a"));
	ck_assert_ptr_eq(boot_line_with(&b, "b"), &b.lines[1]);
	boot_fini(&b);
	host_close(h);
}
END_TEST

SUITE("boot", knows_what_wrote_the_booted_line, reads_only_the_booted_entry,
	counts_lines_as_an_editor_does, edits_the_line_that_counts)
