/* SPDX-License-Identifier: MIT */
#ifndef CHECK_BOOT_H
#define CHECK_BOOT_H

#include <stdbool.h>
#include <stddef.h>

struct boot_owner;
struct host;

/*
 * The source of this host's kernel command line. The most frequent reason for an IOMMU that stays
 * off is an edit in a file that nothing on the way to the booted line reads. So usher finds out
 * what wrote that line (bootowner.h), and only then names a file or a command.
 */

/* A family of files with kernel command line options. */
enum boot_file {
	BOOT_FILE_GRUB, /* /etc/default/grub */
	BOOT_FILE_ENTRY, /* boot loader entries: /boot/loader/entries/NAME.conf */
	BOOT_FILE_CMDLINE, /* /etc/kernel/cmdline, /etc/cmdline.d/: for those that make entries */
	BOOT_FILE_DRACUT, /* kernel_cmdline= of dracut */
	BOOT_FILE_SDBOOT, /* /etc/sdboot-manage.conf: for the tool that writes entries */
	BOOT_FILE_LIMINE_DEFAULT, /* /etc/default/limine: for the tool that writes limine.conf */
	BOOT_FILE_LIMINE, /* limine.conf */
	BOOT_FILE_REFIND, /* refind_linux.conf */
	BOOT_FILE_SYSLINUX, /* syslinux.cfg */
	BOOT_FILE_UBOOT, /* /etc/default/u-boot: for the tool that writes extlinux.conf */
	BOOT_FILE_ALPINE, /* /etc/update-extlinux.conf: likewise, on Alpine */
	BOOT_FILE_EXTLINUX, /* extlinux.conf */
	BOOT_FILE_ARMBIAN, /* /boot/armbianEnv.txt: for a script of U-Boot */
	BOOT_FILE_FIRMWARE, /* of a single-board computer: cmdline.txt */
};

#define BOOT_LINES_MAX 24

/* A line of a configuration file with kernel command line options. */
struct boot_line {
	enum boot_file kind;
	char file[160];
	unsigned number; /* [1, …] */
	char key[40]; /* "GRUB_CMDLINE_LINUX_DEFAULT"; "" if the line has the options only */
	char *words; /* without quotes */
	bool is_replaced; /* a later line sets the variable again: this one has no effect */
};

struct boot {
	char *booted; /* /proc/cmdline; NULL when it cannot be read */
	const struct boot_owner *owner; /* that wrote it; never NULL, but it may be unknown */
	const char *tool; /* the command that applies an edit: "update-grub"; "" for none */
	size_t line_count;
	struct boot_line lines[BOOT_LINES_MAX];
};

/* Never fails: an unreadable file counts as missing. The caller calls boot_fini(). */
void boot_read(struct host *h, struct boot *ret);
void boot_fini(struct boot *b);

/* The line that sets the variable of a replaced line @l in the end; NULL for none. */
const struct boot_line *boot_line_instead(const struct boot *b, const struct boot_line *l);

#endif
