/* SPDX-License-Identifier: MIT */
#include "check/earlyowner.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "check/boot.h"
#include "check/bootowner.h"
#include "check/bootwords.h"
#include "check/efi.h"
#include "check/rule.h"
#include "host/host.h"

#include <stdio.h>
#include <string.h>

/*
 * How it works: the invariant is as for the kernel command line (bootowner.c): usher advises a
 * command only if the host shows evidence that this command makes the initramfs that is booted.
 *
 * owners[] is a table: owner, evidence, the lists that it reads, the place to edit, the command.
 * The first row whose evidence holds wins. Distributions that wrap another tool come first. Then
 * programs are evidence; a host may have two of them installed, and then their configuration
 * decides, or nobody is the owner.
 */

#define LIST_BIT(list) (1u << (EARLY_LIST_##list))
#define MKINITCPIO_LISTS (LIST_BIT(MKINITCPIO) | LIST_BIT(HOOKS))

struct early_evidence {
	struct host *host;
	const struct boot *boot;
	const struct early *early;
	char release[128];
	char flavour[64]; /* Arch's name of the kernel's package: "linux-lts"; "" elsewhere */
};

static bool host_has(const struct early_evidence *e, const char *path)
{
	return check_exists(e->host, path);
}

static bool boots_by(const struct early_evidence *e, const char *owner)
{
	return strcmp(e->boot->owner->name, owner) == 0;
}

/* A tool that makes an initramfs: its program, and its configuration. */
enum maker {
	MAKER_TOOLS,
	MAKER_DRACUT,
	MAKER_MKINITCPIO,
	MAKER_BOOSTER,
	MAKER_GENKERNEL,
	MAKER_UGRD
};

static const struct maker_files {
	const char *programs[3];
	const char *configuration[3];
	enum early_list list;
	bool has_list;
} makers[] = {
	[MAKER_TOOLS] = {{"/usr/sbin/mkinitramfs", "/usr/sbin/update-initramfs"},
		{"/etc/initramfs-tools"}, EARLY_LIST_TOOLS, true},
	[MAKER_DRACUT] = {{"/usr/bin/dracut", "/usr/sbin/dracut", "/usr/bin/dracut-rebuild"},
		{"/etc/dracut.conf"}, EARLY_LIST_DRACUT, true},
	[MAKER_MKINITCPIO] = {{"/usr/bin/mkinitcpio"}, {"/etc/mkinitcpio.conf"},
		EARLY_LIST_MKINITCPIO, true},
	[MAKER_BOOSTER] = {{"/usr/bin/booster"}, {"/etc/booster.yaml"}, EARLY_LIST_BOOSTER, true},
	[MAKER_GENKERNEL] = {{"/usr/bin/genkernel"}, {"/etc/genkernel.conf"}, 0, false},
	/* Gentoo's; usher knows no command for it. */
	[MAKER_UGRD] = {{"/usr/bin/ugrd"}, {"/etc/ugrd/config.toml"}, 0, false},
};

static bool has_any(const struct early_evidence *e, const char *const paths[3])
{
	for (size_t i = 0; i < 3 && paths[i]; i++)
		if (host_has(e, paths[i]))
			return true;
	return false;
}

/* dracut of Debian and Ubuntu has an update-initramfs of its own. */
static bool has_program(const struct early_evidence *e, enum maker m)
{
	if (m == MAKER_TOOLS && has_any(e, makers[MAKER_DRACUT].programs))
		return host_has(e, makers[m].programs[0]);
	return has_any(e, makers[m].programs);
}

static bool is_configured(const struct early_evidence *e, enum maker m)
{
	for (size_t i = 0; makers[m].has_list && i < e->early->line_count; i++)
		if (e->early->lines[i].list == makers[m].list)
			return true;
	return has_any(e, makers[m].configuration);
}

/* The only one of those for which @test holds, and of which @also is one. */
static bool is_the_only(const struct early_evidence *e, enum maker m,
	bool (*test)(const struct early_evidence *e, enum maker m),
	bool (*also)(const struct early_evidence *e, enum maker m))
{
	unsigned others = 0;

	for (unsigned i = 0; i < COUNT(makers); i++)
		others += i != m && test(e, i) && (!also || also(e, i));
	return test(e, m) && (!also || also(e, m)) && !others;
}

static bool maker_owns(const struct early_evidence *e, enum maker m)
{
	bool any = false;

	for (unsigned i = 0; i < COUNT(makers); i++)
		any |= has_program(e, i);
	if (!any)
		return is_the_only(e, m, is_configured, NULL);
	return is_the_only(e, m, has_program, NULL) ||
	       is_the_only(e, m, has_program, is_configured);
}

static bool nixos_owns(const struct early_evidence *e)
{
	return boots_by(e, "NixOS") || host_has(e, "/etc/NIXOS");
}

static bool nixos_file_owns(const struct early_evidence *e)
{
	return nixos_owns(e) && host_has(e, "/etc/nixos/configuration.nix");
}

static bool rpm_ostree_owns(const struct early_evidence *e)
{
	return boots_by(e, "rpm-ostree");
}

static bool ostree_owns(const struct early_evidence *e)
{
	return boots_by(e, "ostree");
}

static bool unraid_owns(const struct early_evidence *e)
{
	return host_has(e, "/etc/unraid-version");
}

/* What makes their images reads nothing of /etc, or is no tool that a person runs. */
static bool is_sealed(const struct early_evidence *e)
{
	static const char *const names[] = {
		"TrueNAS", "Elemental", "bootc", "snapd", "ABRoot", "Guix", "clr-boot-manager"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (boots_by(e, names[i]))
			return true;
	return false;
}

static bool transactional_owns(const struct early_evidence *e)
{
	return host_has(e, "/usr/sbin/transactional-update");
}

static bool sdbootutil_owns(const struct early_evidence *e)
{
	return boots_by(e, "sdbootutil");
}

static bool mkinitfs_owns(const struct early_evidence *e)
{
	return host_has(e, "/sbin/mkinitfs") || host_has(e, "/etc/mkinitfs/mkinitfs.conf");
}

static bool tools_own(const struct early_evidence *e)
{
	return maker_owns(e, MAKER_TOOLS);
}

/* Fedora and Red Hat name their kernels so, and have no other tool. */
static bool is_fedora(const struct early_evidence *e)
{
	return strstr(e->release, ".fc") || strstr(e->release, ".el");
}

static bool dracut_owns(const struct early_evidence *e)
{
	return boots_by(e, "dracut") || is_fedora(e) || maker_owns(e, MAKER_DRACUT);
}

static bool mkinitcpio_owns(const struct early_evidence *e)
{
	return boots_by(e, "mkinitcpio") || maker_owns(e, MAKER_MKINITCPIO);
}

static bool booster_owns(const struct early_evidence *e)
{
	return boot_has(e->boot->booted ? e->boot->booted : "", "initrd=\\booster-", NULL, 0) ||
	       maker_owns(e, MAKER_BOOSTER);
}

static bool genkernel_owns(const struct early_evidence *e)
{
	return maker_owns(e, MAKER_GENKERNEL);
}

static bool nobody_owns(const struct early_evidence *e)
{
	return true;
}

/*
 * dracut names its image after the kernel's version. On Arch the image has another name, which only
 * the tool of the distribution knows.
 */
static const char *dracut_tool(const struct early_evidence *e)
{
	char path[128];

	if (host_has(e, "/usr/bin/dracut-rebuild"))
		return "dracut-rebuild";
	if (host_has(e, "/usr/bin/reinstall-kernels"))
		return "reinstall-kernels";
	if (boots_by(e, "kernel-install") || boots_by(e, "dracut"))
		return e->boot->tool;
	if (host_has(e, "/usr/sbin/update-initramfs"))
		return "update-initramfs -u -k all";
	if (!e->flavour[0])
		return "dracut --force";
	(void)snprintf(path, sizeof(path), "/boot/initramfs-%s.img", e->flavour);
	return host_has(e, path) ? "dracut --force /boot/initramfs-%s.img" : "";
}

static const char *mkinitcpio_tool(const struct early_evidence *e)
{
	if (boots_by(e, "Limine") && host_has(e, "/usr/bin/limine-mkinitcpio"))
		return "limine-mkinitcpio";
	return boots_by(e, "kernel-install") ? e->boot->tool : "mkinitcpio -P";
}

static const struct early_owner owners[] = {
	{.name = "NixOS",
		.owns = nixos_file_owns,
		.reads = LIST_BIT(NIXOS),
		.place = "boot.initrd.kernelModules in /etc/nixos/configuration.nix",
		.module = "\"vfio_pci\"",
		.made_by = "nixos-rebuild boot"},
	{.name = "NixOS",
		.owns = nixos_owns,
		.reads = LIST_BIT(NIXOS),
		.place = "boot.initrd.kernelModules in /etc/nixos/configuration.nix or in the "
			 "flake of this system",
		.module = "\"vfio_pci\"",
		.made_by = "nixos-rebuild boot"},
	{.name = "rpm-ostree",
		.owns = rpm_ostree_owns,
		.add = "rpm-ostree initramfs --enable --arg=--force-drivers --arg=vfio-pci",
		.made_by = "rpm-ostree initramfs --enable"},
	{.name = "ostree", .owns = ostree_owns},
	{.name = "Unraid", .owns = unraid_owns},
	{.name = "this system", .owns = is_sealed},
	{.name = "transactional-update",
		.owns = transactional_owns,
		.reads = LIST_BIT(DRACUT),
		.place = "force_drivers in /etc/dracut.conf.d/vfio.conf",
		.made_by = "transactional-update initrd"},
	{.name = "sdbootutil",
		.owns = sdbootutil_owns,
		.reads = LIST_BIT(DRACUT),
		.place = "force_drivers in /etc/dracut.conf.d/vfio.conf",
		.made_by = "sdbootutil mkinitrd"},
	{.name = "mkinitfs", .owns = mkinitfs_owns, .made_by = "mkinitfs"},
	{.name = "initramfs-tools",
		.owns = tools_own,
		.reads = LIST_BIT(TOOLS),
		.place = "/etc/initramfs-tools/modules",
		.made_by = "update-initramfs -u -k all"},
	{.name = "dracut",
		.owns = dracut_owns,
		.reads = LIST_BIT(DRACUT),
		.place = "force_drivers in /etc/dracut.conf.d/vfio.conf",
		.tool = dracut_tool},
	{.name = "mkinitcpio",
		.owns = mkinitcpio_owns,
		.reads = MKINITCPIO_LISTS,
		.place = "MODULES in /etc/mkinitcpio.conf",
		.tool = mkinitcpio_tool},
	{.name = "booster",
		.owns = booster_owns,
		.reads = LIST_BIT(BOOSTER),
		.place = "modules_force_load in /etc/booster.yaml",
		.made_by = "/usr/lib/booster/regenerate_images"},
	{.name = "genkernel", .owns = genkernel_owns, .made_by = "genkernel initramfs"},
	{.name = "", .owns = nobody_owns},
};

const struct early_owner *early_owner_at(size_t i)
{
	return i < COUNT(owners) ? &owners[i] : NULL;
}

bool early_owner_reads(const struct early_owner *o, enum early_list list)
{
	return o->reads >> list & 1;
}

/* "initrd=\EFI\x\initrd.img" on the booted line: a path on the EFI system partition. */
static void image_by_word(const struct early_evidence *e, struct early *y)
{
	static const char *const mounts[] = {"/boot", "/efi", "/boot/efi"};
	char word[160];

	if (!e->boot->booted || !boot_has(e->boot->booted, "initrd=\\", word, sizeof(word)))
		return;
	for (char *p = word; *p; p++)
		if (*p == '\\')
			*p = '/';
	for (size_t i = 0; i < COUNT(mounts) && !y->image_time; i++)
		if (file_path(y->image, sizeof(y->image), "%s%s", mounts[i], word + 7) == 0)
			y->image_time = host_modified(e->host, y->image);
}

/* By the names that distributions give to an image: after the version, or the package. */
static void image_by_name(const struct early_evidence *e, struct early *y)
{
	static const char *const by_release[] = {
		"/boot/initrd.img-%s", "/boot/initramfs-%s.img", "/boot/initrd-%s"};
	static const char *const by_flavour[] = {"/boot/initramfs-%s.img", "/boot/booster-%s.img"};

	for (size_t i = 0; i < COUNT(by_release) + COUNT(by_flavour) && !y->image_time; i++) {
		bool early = i < COUNT(by_release);
		const char *format = early ? by_release[i] : by_flavour[i - COUNT(by_release)];
		const char *name = early ? e->release : e->flavour;
		size_t front = strcspn(format, "%");

		if (name[0] && file_path(y->image, sizeof(y->image), "%.*s%s%s", (int)front, format,
				       name, format + front + 2) == 0)
			y->image_time = host_modified(e->host, y->image);
	}
}

/* A unified kernel image holds the initramfs; its stub leaves the path of the image. */
static void image_by_stub(const struct early_evidence *e, struct early *y)
{
	static const char *const mounts[] = {"/efi", "/boot", "/boot/efi"};
	char name[128];

	efi_loader_variable(e->host, "StubImageIdentifier", name, sizeof(name));
	for (char *p = name; *p; p++)
		if (*p == '\\')
			*p = '/';
	for (size_t i = 0; i < COUNT(mounts) && name[0] == '/' && !y->image_time; i++)
		if (file_path(y->image, sizeof(y->image), "%s%s", mounts[i], name) == 0)
			y->image_time = host_modified(e->host, y->image);
}

static void find_image(const struct early_evidence *e, struct early *y)
{
	char stub[64];

	efi_loader_variable(e->host, "StubInfo", stub, sizeof(stub));
	if (stub[0])
		image_by_stub(e, y);
	else
		image_by_word(e, y);
	if (!y->image_time && !stub[0])
		image_by_name(e, y);
	if (!y->image_time)
		y->image[0] = '\0';
}

/* Arch puts the package's name beside the modules. */
static void read_flavour(struct early_evidence *e)
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/usr/lib/modules/%s/pkgbase", e->release) < 0 ||
		host_read_text(e->host, path, e->flavour, sizeof(e->flavour)) < 0)
		e->flavour[0] = '\0';
}

void early_owner_find(struct host *h, const struct boot *b, struct early *y)
{
	struct early_evidence e = {.host = h, .boot = b, .early = y};
	size_t i = 0;

	if (host_read_text(h, "/proc/sys/kernel/osrelease", e.release, sizeof(e.release)) < 0)
		e.release[0] = '\0';
	read_flavour(&e);
	while (!owners[i].owns(&e))
		i++; /* the last row owns what no other does */
	y->owner = &owners[i];
	const char *format = owners[i].tool      ? owners[i].tool(&e)
			     : owners[i].made_by ? owners[i].made_by
						 : "";
	size_t front = strcspn(format, "%");
	(void)snprintf(y->tool, sizeof(y->tool), "%.*s%s%s", (int)front, format,
		format[front] ? e.flavour : "", format[front] ? format + front + 2 : "");
	find_image(&e, y);
}

void early_how_to_make(const struct early *y, char *buf, size_t size)
{
	if (y->tool[0])
		(void)snprintf(buf, size, "run '%s' and reboot", y->tool);
	else
		(void)snprintf(buf, size,
			"make the initramfs anew and reboot; usher does not know what makes it on "
			"this host");
}

/* The list that a person would extend: the first one of the owner that names VFIO, or any. */
static const struct early_line *line_to_edit(const struct early *y)
{
	const struct early_line *found = NULL;

	for (size_t i = 0; i < y->line_count; i++) {
		const struct early_line *l = &y->lines[i];

		if (!early_owner_reads(y->owner, l->list) || l->list == EARLY_LIST_HOOKS ||
			!l->key[0] || strncmp(l->file, "/etc/", 5) != 0)
			continue;
		if (strstr(l->words, "vfio"))
			return l;
		found = found ? found : l;
	}
	return found;
}

void early_how_to_add(const struct early *y, char *buf, size_t size)
{
	const struct early_line *l = line_to_edit(y);
	const char *module = y->owner->module ? y->owner->module : "vfio_pci";
	char make[200];

	early_how_to_make(y, make, sizeof(make));
	if (y->owner->add)
		(void)snprintf(buf, size, "run '%s' and reboot", y->owner->add);
	else if (l && y->owner->place)
		(void)snprintf(buf, size, "put '%s' in front in line %u of %s (%s), %s", module,
			l->number, l->file, l->key, make);
	else if (y->owner->place)
		(void)snprintf(buf, size, "add '%s' to %s, %s", module, y->owner->place, make);
	else
		(void)snprintf(buf, size,
			"make the initramfs load vfio_pci; usher does not know how on this host");
}
