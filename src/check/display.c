/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "bind/gate.h"
#include "check/rule.h"
#include "desktop/plan.h"
#include "pci/bar.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Rules about displays: the host's display, the firmware framebuffer. */

#define BASE_DISPLAY 0x03
#define CLASS_VGA 0x0300

static size_t count_displays(const struct check_case *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->device_count; i++)
		n += check_is_display(c, &c->devices[i]);
	return n;
}

/* "gdm.service and the session of alice", as far as it goes. */
static void ends_print(const struct desktop_plan *d, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < d->unit_count && len < size; i++)
		len += (size_t)snprintf(
			buf + len, size - len, "%s%s", len ? ", " : "", d->units[i]);
	for (size_t i = 0; i < d->session_count && len < size; i++)
		if (d->sessions[i].ends)
			len += (size_t)snprintf(buf + len, size - len, "%sthe session of %s",
				len ? ", " : "", d->sessions[i].user);
}

/* What becomes of the desktop of the only display, if a guest gets that. */
static void tell_handover(struct check_case *c)
{
	char ends[192], text[16], path[FILE_PATH_MAX];
	struct desktop_plan d;

	if (!c->named)
		return;
	desktop_plan_card(c->host, c->device, &c->holds, &d);
	if (!d.is_needed)
		return;
	ends_print(&d, ends, sizeof(ends));
	check_found(c, CHECK_INFO, c->address,
		"'usher run --display-handover' stops %s for a guest, and starts it again "
		"afterwards; programs of a session do not come back",
		ends[0] ? ends : "the text console");
	(void)snprintf(text, sizeof(text), "tty%u", d.vt);
	if (d.vt)
		check_seen(c, "/sys/class/tty/tty0/active", text);
	else
		check_seen(c, check_attribute_path(c, "driver", path, sizeof(path)),
			c->device->driver);
}

void check_display(struct check_case *c)
{
	char path[FILE_PATH_MAX], boot[8] = "", fix[HOLD_FIX_MAX];

	if (!check_is_display(c, c->device))
		return;
	for (size_t i = 0; i < c->holds.count; i++) {
		const struct hold *o = &c->holds.list[i];

		if (strcmp(o->check, "gpu") != 0)
			continue;
		check_found(c, CHECK_FAIL, c->address, "%s: %s", o->object, o->text);
		check_seen(c, check_attribute_path(c, "boot_vga", path, sizeof(path)), o->text);
		check_fix(c, "%s", hold_fix(o, fix, sizeof(fix)));
	}
	(void)check_attribute(c, "boot_vga", boot, sizeof(boot));
	check_attribute_path(c, "boot_vga", path, sizeof(path));
	if (count_displays(c) == 1) {
		check_found(c, CHECK_WARN, c->address,
			"is the only display of this host: its screen goes dark, "
			"perhaps until a reboot");
		check_seen(c, path, boot);
		check_fix(c, "make sure that you can log in by SSH or a serial console");
		tell_handover(c);
	} else if (boot[0] == '1') {
		check_found(c, CHECK_WARN, c->address, "is the display that the firmware selected");
		check_seen(c, path, boot);
		check_fix(c, "select another primary display in the firmware setup");
	}
}

/* "f6000000-f6ffffff : BOOTFB"; the kernel shows zeros to users without CAP_SYS_ADMIN. */
static bool framebuffer_line(const char *line, uint64_t *start, uint64_t *end)
{
	static const char *const names[] = {
		"BOOTFB", "simplefb", "simpledrm", "simple-framebuffer", "efifb", "vesafb"};
	const char *name = strstr(line, " : ");

	if (!name || sscanf(line, " %" SCNx64 "-%" SCNx64, start, end) != 2 || !*end)
		return false;
	for (size_t i = 0; i < COUNT(names); i++)
		if (strncmp(name + 3, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static int take_bound(void *arg, const char *name)
{
	char *buf = arg;

	/* Devices of the platform bus are called DRIVER.NUMBER; the rest are attributes. */
	if (!strchr(name, '.'))
		return 0;
	(void)snprintf(buf, 64, "%s", name);
	return 1;
}

/* How to unbind the framebuffer on this host. */
static void fix_framebuffer(struct check_case *c)
{
	static const char *const drivers[] = {
		"simple-framebuffer", "efi-framebuffer", "vesa-framebuffer"};
	char path[FILE_PATH_MAX], name[64];
	bool is_lent = bind_on_vfio(c->host, c->device);

	for (size_t i = 0; i < COUNT(drivers); i++) {
		(void)file_path(path, sizeof(path), "/sys/bus/platform/drivers/%s", drivers[i]);
		if (c->host->ops->list(c->host, path, take_bound, name) != 1)
			continue;
		check_fix(c,
			is_lent ? "unbind it, and the console goes dark: echo %s > %s/unbind"
				: "'usher bind' unbinds the framebuffer, and the console goes "
				  "dark; by hand: echo %s > %s/unbind",
			name, path);
		return;
	}
	check_fix(c, "'usher bind' unbinds the framebuffer, and the console goes dark; "
		     "or boot with initcall_blacklist=sysfb_init");
}

/* The line of /proc/iomem of a framebuffer in a BAR of the device. */
struct framebuffer {
	unsigned bar;
	char line[128];
};

/* Return: 1 if there is one, 0, -errno if nobody can tell. */
static int framebuffer_find(struct check_case *c, struct framebuffer *ret)
{
	cleanup_free char *text = NULL;
	struct pci_bar bars[PCI_BAR_MAX];
	char *save = NULL;
	uint64_t start, end;

	if (c->device->class >> 16 != BASE_DISPLAY)
		return 0;
	int n = pci_bar_read(c->host, c->device->address, bars, NULL);
	ssize_t len = n < 0 ? -ENOENT : host_read_all(c->host, "/proc/iomem", &text);
	if (len < 0)
		return (int)len;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!framebuffer_line(line, &start, &end))
			continue;
		for (int i = 0; i < n; i++) {
			if (bars[i].kind == PCI_BAR_IO || start < bars[i].address ||
				start - bars[i].address >= bars[i].size)
				continue;
			ret->bar = bars[i].index;
			(void)snprintf(
				ret->line, sizeof(ret->line), "%s", line + strspn(line, " "));
			return 1;
		}
	}
	return 0;
}

/* Since Linux 6.0 vfio-pci removes it from a VGA device; but if the log says that it failed … */
static bool vfio_removes_framebuffer(struct check_case *c)
{
	return c->device->class >> 8 == CLASS_VGA && check_kernel_since(c, 6, 0) &&
	       !kernlog_find(&c->log, c->device->address, KERNLOG_TAKEN);
}

bool check_framebuffer_stays(struct check_case *c)
{
	struct framebuffer f;

	return framebuffer_find(c, &f) == 1 && !vfio_removes_framebuffer(c);
}

void check_framebuffer(struct check_case *c)
{
	const struct kernlog_event *x = kernlog_find(&c->log, c->device->address, KERNLOG_TAKEN);
	struct framebuffer f;

	int r = framebuffer_find(c, &f);
	if (r < 0 && r != -ENOENT)
		check_blind(c, "/proc/iomem", r);
	if (r != 1)
		return;
	bool removes = vfio_removes_framebuffer(c);
	check_found(c, removes ? CHECK_INFO : CHECK_WARN, c->address,
		"the firmware framebuffer uses its BAR %u%s", f.bar,
		removes ? ": vfio-pci removes it" : ", and vfio-pci does not remove it");
	check_seen(c, "/proc/iomem", f.line);
	if (x)
		check_logged_seen(c, x);
	if (!removes)
		fix_framebuffer(c);
}
