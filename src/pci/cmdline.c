/* SPDX-License-Identifier: MIT */
#include "pci/cmdline.h"

#include "base/num.h"

#include <string.h>

/* Harmless with any value. A star at the end stands for any text. */
static const char *const known[] = {"quiet", "splash", "nosplash", "rhgb", "ro", "rw", "debug",
	"single", "init", "panic", "loglevel", "console", "earlycon", "iommu", "iommu.*",
	"intel_iommu", "amd_iommu", "amd_iommu_intr", "intremap", "vfio*", "kvm*", "pci", "pcie*",
	"pci-stub.ids", "xen-pciback.hide", "video", "nomodeset", "vga", "fbcon", "efi", "efifb",
	"modprobe.blacklist", "module_blacklist", "initcall_blacklist", "rd.driver.*",
	"driver_async_probe", "hugepages*", "hugepagesz", "default_hugepagesz",
	"transparent_hugepage", "isolcpus", "nohz_full", "nohz", "rcu_nocbs", "irqaffinity",
	"threadirqs", "preempt", "mitigations", "spectre*", "nosmt", "maxcpus", "mem", "memmap",
	"swiotlb", "i915.*", "xe.*", "nouveau.*", "amdgpu.*", "radeon.*", "nvidia*", "nvme*",
	"libata.*", "ahci.*", "usbcore.*", "usb*", "snd*", "xhci*", "thunderbolt*", "mlx5_core.*",
	"acpi*", "apic", "noapic", "nolapic", "x2apic*", "nox2apic", "processor.*", "intel_idle.*",
	"intel_pstate", "amd_pstate", "idle", "tsc", "clocksource", "hpet", "cgroup*",
	"systemd.unified_cgroup_hierarchy", "selinux", "apparmor", "security", "lsm", "lockdown",
	"audit", "net.ifnames", "biosdevname", "zswap.*", "plymouth.*", "sysrq*", "nowatchdog",
	"nmi_watchdog", "crashkernel", "consoleblank"};

/* Their values name the user's disks, machines or networks. */
static const char *const private[] = {"root", "rootflags", "rootfstype", "resume", "resume_offset",
	"BOOT_IMAGE", "initrd", "cryptdevice", "cryptkey", "rd.*", "luks.*", "ip", "nfsroot",
	"hostname", "systemd.*", "zfs", "bootfs", "ostree", "subvol", "dm-mod.*"};

/* Words of a boot loader's file in front of, or between, the kernel's words. */
static const char *const frame[] = {"linux", "linuxefi", "linux16", "kernel", "options", "append",
	"cmdline", "cmdline:", "kernel_cmdline:", "module2"};

static bool is_in(const char *const *list, size_t count, const char *word, size_t len)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(list[i]);
		bool open = list[i][n - 1] == '*';

		if (open ? len >= n - 1 && strncmp(list[i], word, n - 1) == 0
			 : len == n && memcmp(list[i], word, n) == 0)
			return true;
	}
	return false;
}

static void put_alias(const uint8_t key[ALIAS_KEY], const char *word, size_t len, FILE *out)
{
	char name[ALIAS_TEXT];

	(void)fputs(alias_name(key, "word", word, len, name), out);
}

static void put_word(const uint8_t key[ALIAS_KEY], const char *word, size_t len, FILE *out)
{
	const char *equals = memchr(word, '=', len);
	size_t n = equals ? (size_t)(equals - word) : len;

	if (is_in(known, COUNT(known), word, n) || is_in(frame, COUNT(frame), word, len)) {
		(void)fwrite(word, 1, len, out);
	} else if (equals && is_in(private, COUNT(private), word, n)) {
		(void)fwrite(word, 1, n + 1, out);
		if (len > n + 1)
			put_alias(key, equals + 1, len - n - 1, out);
	} else {
		put_alias(key, word, len, out);
	}
}

/* Return: length of a shell's variable in front of the words ("GRUB_CMDLINE_LINUX="); 0: none. */
static size_t variable_length(const char *text, size_t len)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	return n > 4 && n < len && (text[n] == '=' || strncmp(text + n, "+=", 2) == 0)
		       ? n + 1 + (text[n] == '+')
		       : 0;
}

void cmdline_redact(const uint8_t key[ALIAS_KEY], const char *text, size_t len, FILE *out)
{
	size_t i = variable_length(text, len);

	(void)fwrite(text, 1, i, out);
	while (i < len) {
		size_t n = 0;

		while (i + n < len && !strchr(" \t\n\"'", text[i + n]))
			n++;
		if (n)
			put_word(key, text + i, n, out);
		else
			(void)fputc(text[i++], out);
		i += n;
	}
}

bool cmdline_is_option(const char *line)
{
	line += strspn(line, " \t");
	size_t n = strcspn(line, " \t=:");

	return is_in(frame, COUNT(frame), line, n) || strstr(line, "CMDLINE");
}
