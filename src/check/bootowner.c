/* SPDX-License-Identifier: MIT */
#include "check/bootowner.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/bootwords.h"
#include "check/efi.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

/*
 * How it works: the invariant is that usher advises a command only if the host shows evidence that
 * this command changes the line that was booted.
 *
 * owners[] is a table: owner, evidence, where its options stand, command. The first row whose
 * evidence holds wins, so a row that writes for another one comes first: NixOS writes the entries
 * of systemd-boot, kernelstub does so on Pop!_OS, and a unified kernel image brings its own
 * options, whatever started it. Evidence is what the boot left behind (variables of the loader,
 * words on the booted line) together with the tool that a person would run. Files alone are
 * evidence only if they all belong to one owner: after a change of the boot loader, the files of
 * the old one stay.
 */

#define FILE_BIT(kind) (1u << (BOOT_FILE_##kind))
#define ENTRIES FILE_BIT(ENTRY)
#define CMDLINES FILE_BIT(CMDLINE)
#define ALL_FILES (~0u)

struct evidence {
	struct host *host;
	const struct boot *boot;
	const char *booted; /* "" if it cannot be read */
	char loader[64]; /* LoaderInfo: what loaded the kernel or its image */
	char stub[64]; /* StubInfo: the kernel is part of a unified kernel image */
	char release[128];
};

static bool file_exists(const struct evidence *e, const char *path)
{
	char c;

	return e->host->ops->read(e->host, path, &c, 1) >= 0;
}

static bool is_booted_with(const struct evidence *e, const char *word)
{
	return boot_has(e->booted, word, NULL, 0);
}

static bool is_loaded_by(const struct evidence *e, const char *loader)
{
	return strncasecmp(e->loader, loader, strlen(loader)) == 0;
}

static bool has_lines(const struct evidence *e, enum boot_file kind)
{
	for (size_t i = 0; i < e->boot->line_count; i++)
		if (e->boot->lines[i].kind == kind)
			return true;
	return false;
}

struct line_search {
	struct host *host;
	const char *folder, *key, *value;
	bool found;
};

/* True if a line that is no comment has @key and, after it, @value. */
static bool file_has_line(struct host *h, const char *path, const char *key, const char *value)
{
	cleanup_free char *text = NULL;
	char *save = NULL;

	if (host_read_all(h, path, &text) < 0)
		return false;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		const char *at = strstr(l, key);

		if (l[strspn(l, " \t")] != '#' && at && strstr(at, value))
			return true;
	}
	return false;
}

static int search_file(void *arg, const char *name)
{
	struct line_search *s = arg;
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "%s/%s", s->folder, name) == 0)
		s->found |= file_has_line(s->host, path, s->key, s->value);
	return 0;
}

static bool folder_has_line(
	const struct evidence *e, const char *folder, const char *key, const char *value)
{
	struct line_search s = {.host = e->host, .folder = folder, .key = key, .value = value};

	(void)e->host->ops->list(e->host, folder, search_file, &s);
	return s.found;
}

/* init= in the store is on the line of every NixOS; other systems have no such path. */
static bool nixos_owns(const struct evidence *e)
{
	return strstr(e->booted, "init=/nix/store/") ||
	       (!*e->booted && file_exists(e, "/etc/NIXOS"));
}

/* A flake or another file may make the system as well, and only its owner knows where that is. */
static bool nixos_file_owns(const struct evidence *e)
{
	return nixos_owns(e) && file_exists(e, "/etc/nixos/configuration.nix");
}

/* An ostree system names its deployment on the line. */
static bool rpm_ostree_owns(const struct evidence *e)
{
	return is_booted_with(e, "ostree=") && file_exists(e, "/usr/bin/rpm-ostree");
}

static bool ostree_owns(const struct evidence *e)
{
	return is_booted_with(e, "ostree=") && file_exists(e, "/usr/bin/ostree");
}

static bool is_ostree(const struct evidence *e)
{
	return is_booted_with(e, "ostree=");
}

/* The kernel and its options are one EFI program; the stub in front of it leaves its name. */
static bool is_unified(const struct evidence *e)
{
	return e->stub[0] != '\0';
}

static bool mkinitcpio_owns(const struct evidence *e)
{
	return is_unified(e) && folder_has_line(e, "/etc/mkinitcpio.d", "_uki=", "");
}

static bool dracut_owns(const struct evidence *e)
{
	return is_unified(e) && (file_has_line(e->host, "/etc/dracut.conf", "uefi=", "yes") ||
					folder_has_line(e, "/etc/dracut.conf.d", "uefi=", "yes"));
}

static bool ukify_owns(const struct evidence *e)
{
	return is_unified(e) &&
	       file_has_line(e->host, "/etc/kernel/install.conf", "layout=", "uki");
}

/* SYSLINUX passes its initrd= on to the kernel, and the name of the image. */
static bool unraid_syslinux_owns(const struct evidence *e)
{
	return file_exists(e, "/etc/unraid-version") && is_booted_with(e, "BOOT_IMAGE=/bzimage");
}

/* Guix names its system in the store on the line. */
static bool guix_owns(const struct evidence *e)
{
	return is_booted_with(e, "gnu.system=") || is_booted_with(e, "gnu.load=");
}

static bool guix_file_owns(const struct evidence *e)
{
	return guix_owns(e) && file_exists(e, "/etc/config.scm");
}

/* Images of a system whose root is read-only: what they ship in /etc/default writes no line. */
static bool is_elemental(const struct evidence *e)
{
	return is_booted_with(e, "cos-img/filename=") || is_booted_with(e, "elemental.image=");
}

/* bootc without ostree: the digest of the image is on the line, which the image brings. */
static bool is_composefs(const struct evidence *e)
{
	return is_booted_with(e, "composefs=");
}

static bool is_of_snapd(const struct evidence *e)
{
	return is_booted_with(e, "snapd_recovery_mode=");
}

/* Its middleware writes the files of GRUB from a database. */
static bool truenas_owns(const struct evidence *e)
{
	return strstr(e->release, "+truenas") || file_exists(e, "/usr/bin/midclt");
}

static bool abroot_owns(const struct evidence *e)
{
	return file_exists(e, "/usr/bin/abroot");
}

static bool is_systemd_boot(const struct evidence *e)
{
	/* Without the variable: the kernel's EFI stub loads initrd=, a path with backslashes. */
	return is_loaded_by(e, "systemd-boot") || (!e->loader[0] && is_booted_with(e, "initrd=\\"));
}

static bool kernelstub_owns(const struct evidence *e)
{
	return is_systemd_boot(e) && file_exists(e, "/etc/kernelstub/configuration");
}

static bool is_proxmox(const struct evidence *e)
{
	return file_exists(e, "/etc/kernel/proxmox-boot-uuids");
}

static bool proxmox_entries_own(const struct evidence *e)
{
	return is_systemd_boot(e) && is_proxmox(e);
}

static bool sdboot_manage_owns(const struct evidence *e)
{
	return is_systemd_boot(e) && file_exists(e, "/usr/bin/sdboot-manage") &&
	       file_exists(e, "/etc/sdboot-manage.conf");
}

static bool clr_boot_manager_owns(const struct evidence *e)
{
	return is_systemd_boot(e) && file_exists(e, "/usr/bin/clr-boot-manager");
}

static bool sdbootutil_owns(const struct evidence *e)
{
	return file_exists(e, "/usr/bin/sdbootutil") && has_lines(e, BOOT_FILE_ENTRY);
}

static bool entry_is_named_after_kernel(const struct evidence *e)
{
	for (size_t i = 0; e->release[0] && i < e->boot->line_count; i++)
		if (e->boot->lines[i].kind == BOOT_FILE_ENTRY &&
			strstr(e->boot->lines[i].file, e->release))
			return true;
	return false;
}

/* kernel-install names an entry after its kernel; by hand, an entry has a name of its own. */
static bool kernel_install_owns(const struct evidence *e)
{
	return is_systemd_boot(e) && file_exists(e, "/usr/bin/kernel-install") &&
	       entry_is_named_after_kernel(e);
}

static bool systemd_boot_owns(const struct evidence *e)
{
	return is_systemd_boot(e) && has_lines(e, BOOT_FILE_ENTRY);
}

static bool limine_tool_owns(const struct evidence *e)
{
	return is_loaded_by(e, "limine") && has_lines(e, BOOT_FILE_LIMINE_DEFAULT);
}

static bool limine_owns(const struct evidence *e)
{
	return is_loaded_by(e, "limine");
}

static bool refind_owns(const struct evidence *e)
{
	return is_loaded_by(e, "refind") && has_lines(e, BOOT_FILE_REFIND);
}

/* GRUB puts BOOT_IMAGE= on the line, as SYSLINUX and extlinux do. */
static bool is_grub(const struct evidence *e)
{
	bool image = is_booted_with(e, "BOOT_IMAGE=") || !*e->booted;

	return is_loaded_by(e, "grub") || (!e->loader[0] && image && has_lines(e, BOOT_FILE_GRUB));
}

/* With this setting GRUB reads entries; /etc/default/grub then serves new kernels at most. */
static bool grub_reads_entries(const struct evidence *e)
{
	return is_grub(e) && has_lines(e, BOOT_FILE_ENTRY) &&
	       file_has_line(e->host, "/etc/default/grub", "GRUB_ENABLE_BLSCFG=", "true");
}

static bool grubby_owns(const struct evidence *e)
{
	return grub_reads_entries(e) &&
	       (file_exists(e, "/usr/sbin/grubby") || file_exists(e, "/usr/bin/grubby"));
}

static bool grub_owns(const struct evidence *e)
{
	return is_grub(e) && has_lines(e, BOOT_FILE_GRUB);
}

static bool uboot_owns(const struct evidence *e)
{
	return has_lines(e, BOOT_FILE_EXTLINUX) && file_exists(e, "/usr/sbin/u-boot-update");
}

/* extlinux names the image by the path in its configuration; GRUB's begins with '/' or '('. */
static bool alpine_owns(const struct evidence *e)
{
	char word[160];

	return !e->loader[0] && has_lines(e, BOOT_FILE_ALPINE) &&
	       boot_has(e->booted, "BOOT_IMAGE=", word, sizeof(word)) && !strchr("/(", word[11]);
}

/* U-Boot runs a script of the distribution, which reads this file. */
static bool armbian_owns(const struct evidence *e)
{
	return !e->loader[0] && !is_booted_with(e, "BOOT_IMAGE=") &&
	       file_exists(e, "/boot/armbianEnv.txt");
}

static bool nobody_else_owns(const struct evidence *e)
{
	(void)e;
	return true;
}

static const char *dracut_tool(const struct evidence *e)
{
	return file_exists(e, "/usr/bin/dracut-rebuild") ? "dracut-rebuild"
							 : "dracut --regenerate-all --force";
}

/* Debian keeps the image in /boot; others keep it beside the modules. */
static const char *kernel_install_tool(const struct evidence *e)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/boot/vmlinuz-%s", e->release) == 0 &&
		file_exists(e, path))
		return "kernel-install add $(uname -r) /boot/vmlinuz-$(uname -r)";
	return "kernel-install add $(uname -r) /usr/lib/modules/$(uname -r)/vmlinuz";
}

static const char *limine_tool(const struct evidence *e)
{
	return file_exists(e, "/usr/bin/limine-mkinitcpio") &&
			       !file_exists(e, "/usr/bin/limine-update")
		       ? "limine-mkinitcpio"
		       : "limine-update";
}

static const char *grub_tool(const struct evidence *e)
{
	if (is_proxmox(e))
		return "proxmox-boot-tool refresh";
	/* /boot is a part of the snapshot that the next boot uses. */
	if (file_exists(e, "/usr/sbin/transactional-update"))
		return "transactional-update grub.cfg";
	if (file_exists(e, "/usr/sbin/update-grub") || file_exists(e, "/usr/bin/update-grub"))
		return "update-grub";
	if (file_exists(e, "/usr/sbin/grub2-mkconfig"))
		return "grub2-mkconfig -o /boot/grub2/grub.cfg";
	return "grub-mkconfig -o /boot/grub/grub.cfg";
}

#define KERNEL_CMDLINE "/etc/kernel/cmdline"

static const struct boot_owner owners[] = {
	{.name = "NixOS",
		.owns = nixos_file_owns,
		.makes = ALL_FILES,
		.place = "boot.kernelParams in /etc/nixos/configuration.nix",
		.applied_by = "nixos-rebuild boot"},
	{.name = "NixOS",
		.owns = nixos_owns,
		.makes = ALL_FILES,
		.place = "boot.kernelParams in /etc/nixos/configuration.nix or in the flake of "
			 "this system",
		.applied_by = "nixos-rebuild boot"},
	{.name = "Guix",
		.owns = guix_file_owns,
		.makes = ALL_FILES,
		.place = "kernel-arguments in /etc/config.scm",
		.applied_by = "guix system reconfigure /etc/config.scm"},
	{.name = "Guix",
		.owns = guix_owns,
		.makes = ALL_FILES,
		.place = "kernel-arguments in the configuration of this system, a FILE",
		.applied_by = "guix system reconfigure FILE"},
	{.name = "TrueNAS",
		.owns = truenas_owns,
		.makes = ALL_FILES,
		.place = "kernel_extra_options: midclt call system.advanced.update "
			 "'{\"kernel_extra_options\": \"ALL OPTIONS\"}'"},
	{.name = "Elemental", .owns = is_elemental, .makes = ALL_FILES},
	{.name = "bootc", .owns = is_composefs, .makes = ALL_FILES},
	{.name = "snapd", .owns = is_of_snapd, .makes = ENTRIES},
	{.name = "ABRoot",
		.owns = abroot_owns,
		.makes = ALL_FILES,
		.place = "the line that 'abroot kargs edit' opens"},
	{.name = "rpm-ostree",
		.owns = rpm_ostree_owns,
		.makes = ENTRIES,
		.add = "rpm-ostree kargs --append-if-missing='%s'",
		.drop = "rpm-ostree kargs --delete-if-present='%s'"},
	{.name = "ostree",
		.owns = ostree_owns,
		.makes = ENTRIES,
		.add = "ostree admin kargs edit-in-place --append-if-missing='%s'"},
	{.name = "ostree", .owns = is_ostree, .makes = ENTRIES},
	{.name = "mkinitcpio",
		.owns = mkinitcpio_owns,
		.reads = CMDLINES,
		.place = KERNEL_CMDLINE,
		.applied_by = "mkinitcpio -P"},
	{.name = "dracut",
		.owns = dracut_owns,
		.reads = FILE_BIT(DRACUT) | CMDLINES,
		.place = "kernel_cmdline in /etc/dracut.conf.d/",
		.tool = dracut_tool},
	{.name = "kernel-install",
		.owns = ukify_owns,
		.reads = CMDLINES,
		.makes = ENTRIES,
		.place = KERNEL_CMDLINE,
		.tool = kernel_install_tool},
	{.name = "a unified kernel image", .owns = is_unified, .makes = ENTRIES},
	{.name = "syslinux", .owns = unraid_syslinux_owns, .reads = FILE_BIT(SYSLINUX)},
	{.name = "kernelstub",
		.owns = kernelstub_owns,
		.makes = ENTRIES | CMDLINES,
		.add = "kernelstub --add-options '%s'",
		.drop = "kernelstub --delete-options '%s'"},
	{.name = "systemd-boot",
		.owns = proxmox_entries_own,
		.reads = CMDLINES,
		.makes = ENTRIES,
		.place = KERNEL_CMDLINE,
		.applied_by = "proxmox-boot-tool refresh"},
	{.name = "sdboot-manage",
		.owns = sdboot_manage_owns,
		.reads = FILE_BIT(SDBOOT),
		.makes = ENTRIES,
		.place = "LINUX_OPTIONS in /etc/sdboot-manage.conf",
		.applied_by = "sdboot-manage gen"},
	{.name = "clr-boot-manager",
		.owns = clr_boot_manager_owns,
		.makes = ENTRIES | CMDLINES,
		.place = "a file of /etc/kernel/cmdline.d/ whose name ends in .conf",
		.applied_by = "clr-boot-manager update"},
	{.name = "sdbootutil",
		.owns = sdbootutil_owns,
		.reads = CMDLINES,
		.makes = ENTRIES,
		.place = KERNEL_CMDLINE,
		.applied_by = "sdbootutil update-all-entries"},
	{.name = "kernel-install",
		.owns = kernel_install_owns,
		.reads = CMDLINES,
		.makes = ENTRIES,
		.place = KERNEL_CMDLINE,
		.tool = kernel_install_tool},
	{.name = "systemd-boot", .owns = systemd_boot_owns, .reads = ENTRIES, .by_files = true},
	{.name = "Limine",
		.owns = limine_tool_owns,
		.reads = FILE_BIT(LIMINE_DEFAULT),
		.makes = FILE_BIT(LIMINE),
		.tool = limine_tool},
	{.name = "Limine", .owns = limine_owns, .reads = FILE_BIT(LIMINE), .by_files = true},
	{.name = "rEFInd", .owns = refind_owns, .reads = FILE_BIT(REFIND), .by_files = true},
	{.name = "GRUB",
		.owns = grubby_owns,
		.reads = ENTRIES,
		.makes = CMDLINES,
		.add = "grubby --update-kernel=ALL --args='%s'",
		.drop = "grubby --update-kernel=ALL --remove-args='%s'"},
	{.name = "GRUB", .owns = grub_reads_entries, .reads = ENTRIES, .makes = CMDLINES},
	{.name = "GRUB", .owns = grub_owns, .reads = FILE_BIT(GRUB), .tool = grub_tool},
	{.name = "extlinux",
		.owns = uboot_owns,
		.reads = FILE_BIT(UBOOT),
		.makes = FILE_BIT(EXTLINUX),
		.place = "U_BOOT_PARAMETERS in /etc/default/u-boot",
		.applied_by = "u-boot-update"},
	{.name = "extlinux",
		.owns = alpine_owns,
		.reads = FILE_BIT(ALPINE),
		.makes = FILE_BIT(EXTLINUX),
		.applied_by = "update-extlinux"},
	{.name = "U-Boot",
		.owns = armbian_owns,
		.reads = FILE_BIT(ARMBIAN),
		.place = "extraargs= in /boot/armbianEnv.txt"},
	{.name = "extlinux", .reads = FILE_BIT(EXTLINUX), .by_files = true},
	{.name = "syslinux", .reads = FILE_BIT(SYSLINUX), .by_files = true},
	{.name = "U-Boot", .reads = FILE_BIT(ARMBIAN), .by_files = true},
	{.name = "the board's firmware", .reads = FILE_BIT(FIRMWARE), .by_files = true},
	{.name = "", .owns = nobody_else_owns},
};

bool boot_owner_is_known(const struct boot_owner *o)
{
	return o->reads || o->add || o->place;
}

bool boot_owner_reads(const struct boot_owner *o, enum boot_file kind)
{
	return o->reads >> kind & 1;
}

bool boot_owner_makes(const struct boot_owner *o, enum boot_file kind)
{
	return o->makes >> kind & 1;
}

const char *boot_file_reader(enum boot_file kind)
{
	static const char *const names[] = {
		[BOOT_FILE_GRUB] = "GRUB",
		[BOOT_FILE_ENTRY] = "systemd-boot",
		[BOOT_FILE_CMDLINE] = "kernel-install",
		[BOOT_FILE_DRACUT] = "dracut",
		[BOOT_FILE_SDBOOT] = "sdboot-manage",
		[BOOT_FILE_LIMINE_DEFAULT] = "Limine",
		[BOOT_FILE_LIMINE] = "Limine",
		[BOOT_FILE_REFIND] = "rEFInd",
		[BOOT_FILE_SYSLINUX] = "syslinux",
		[BOOT_FILE_UBOOT] = "extlinux",
		[BOOT_FILE_ALPINE] = "extlinux",
		[BOOT_FILE_EXTLINUX] = "extlinux",
		[BOOT_FILE_ARMBIAN] = "U-Boot",
		[BOOT_FILE_FIRMWARE] = "the board's firmware",
	};

	return names[kind];
}

/* True if every line belongs to this owner; files are weak evidence, so one of another denies. */
static bool owns_all_files(const struct boot_owner *o, const struct boot *b)
{
	for (size_t i = 0; i < b->line_count; i++)
		if (!(o->reads >> b->lines[i].kind & 1))
			return false;
	return o->by_files && b->line_count;
}

static const struct boot_owner *owner_by_evidence(const struct evidence *e)
{
	const struct boot_owner *o = owners;

	while (!o->owns || !o->owns(e))
		o++; /* the last row owns what no other does */
	return o;
}

static const struct boot_owner *owner_by_files(const struct boot *b)
{
	for (size_t i = 0; i < COUNT(owners); i++)
		if (owns_all_files(&owners[i], b))
			return &owners[i];
	return NULL;
}

void boot_owner_find(struct host *h, struct boot *b)
{
	struct evidence e = {.host = h, .boot = b, .booted = b->booted ? b->booted : ""};

	efi_loader_variable(h, "LoaderInfo", e.loader, sizeof(e.loader));
	efi_loader_variable(h, "StubInfo", e.stub, sizeof(e.stub));
	if (host_read_text(h, "/proc/sys/kernel/osrelease", e.release, sizeof(e.release)) < 0)
		e.release[0] = '\0';
	b->owner = owner_by_evidence(&e);
	if (!b->owner->name[0] && !e.loader[0] && owner_by_files(b))
		b->owner = owner_by_files(b);
	b->tool = b->owner->tool         ? b->owner->tool(&e)
		  : b->owner->applied_by ? b->owner->applied_by
					 : "";
}
