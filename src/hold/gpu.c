/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "hold/view.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#define CLASS_DISPLAY 0x03
#define MAJOR_NVIDIA 195

/*
 * NVIDIA's own driver registers its nodes without a device in sysfs. It shows a card's minor
 * number in a text of its own.
 */
static int find_nvidia(struct hold_case *c)
{
	struct hold_view *v = c->view;
	char path[FILE_PATH_MAX], text[2048], use[160], object[32];
	unsigned number;
	int r = 0;

	if (strcmp(c->device->driver, "nvidia") != 0)
		return 0;
	r = file_path(path, sizeof(path), "/proc/driver/nvidia/gpus/%s/information", c->address);
	if (r < 0 || host_read_text(v->host, path, text, sizeof(text)) < 0)
		return r;
	const char *line = strstr(text, "Device Minor:");
	if (!line || sscanf(line, "Device Minor: %u", &number) != 1)
		return 0;
	for (size_t i = 0; r >= 0 && i < v->nr_opens; i++) {
		const struct host_holder *o = &v->opens[i].holder;

		if (o->is_block || o->rdev != makedev(MAJOR_NVIDIA, number))
			continue;
		(void)snprintf(object, sizeof(object), "nvidia%u", number);
		hold_process_use(v, o, use, sizeof(use));
		r = hold_add(c, "gpu", HOLD_PLAIN, object, "%s", use);
	}
	return r < 0 ? r : 0;
}

enum console { CONSOLE_NONE, CONSOLE_FRAMEBUFFER, CONSOLE_VGA };

/* What the kernel's text console draws on: "(M) frame buffer device", "(M) VGA+". */
static enum console console_read(struct host *h)
{
	char path[FILE_PATH_MAX], text[64];
	uint64_t bound;

	for (unsigned i = 0; i < 4; i++) {
		if (file_path(path, sizeof(path), "/sys/class/vtconsole/vtcon%u/bind", i) < 0 ||
			host_read_number(h, path, &bound) < 0 || !bound ||
			file_path(path, sizeof(path), "/sys/class/vtconsole/vtcon%u/name", i) < 0 ||
			host_read_text(h, path, text, sizeof(text)) < 0)
			continue;
		if (strstr(text, "frame buffer"))
			return CONSOLE_FRAMEBUFFER;
		if (strstr(text, "VGA"))
			return CONSOLE_VGA;
	}
	return CONSOLE_NONE;
}

/* Whether the link of a framebuffer goes through some PCI function. */
static bool is_of_pci(const char *target)
{
	return strstr(target, "/pci") != NULL && !strstr(target, "/virtual/");
}

/*
 * The console is on the first framebuffer, or on that of the display which the firmware chose. The
 * firmware's own framebuffer (efifb, simpledrm) may be a platform device: then the firmware's
 * choice is all there is.
 */
static bool has_console_framebuffer(
	const struct hold_case *c, const struct hold_links *l, bool is_boot_display)
{
	const struct hold_link *first = NULL;
	bool ours = false;

	for (size_t i = 0; i < l->count; i++) {
		const struct hold_link *x = &l->list[i];

		if (strncmp(x->name, "fb", 2) != 0 || !x->name[2] ||
			x->name[2 + strspn(x->name + 2, "0123456789")])
			continue;
		first = first ? first : x;
		ours = ours || hold_below(c, x->target);
	}
	if (!first || !is_of_pci(first->target))
		return is_boot_display || ours;
	return hold_below(c, first->target) || (is_boot_display && ours);
}

/* Taking the display that the console is on makes it go dark, for good on many cards. */
static int find_console(struct hold_case *c)
{
	struct host *h = c->view->host;
	const struct hold_links *l;
	char path[FILE_PATH_MAX];
	uint64_t boot = 0;

	int r = pci_device_path(c->device->address, "boot_vga", path, sizeof(path));
	if (r < 0)
		return r;
	bool is_boot = host_read_number(h, path, &boot) == 0 && boot;
	enum console console = console_read(h);
	if (console == CONSOLE_NONE || (console == CONSOLE_VGA && !is_boot))
		return 0;
	if (console == CONSOLE_FRAMEBUFFER && !c->device->driver[0])
		return 0;
	r = hold_view_graphics(c->view, &l);
	if (r < 0 || (console == CONSOLE_FRAMEBUFFER && !has_console_framebuffer(c, l, is_boot)))
		return r;
	return hold_add(c, "gpu", HOLD_PLAIN, "console",
		"it is the display of this host, and the text console is on it");
}

#define CLASS_USB 0x0c03

/* A display may also be behind USB. */
static bool has_usb_display(struct hold_case *c)
{
	const struct hold_links *l;
	bool found = false;

	if (c->device->class >> 8 != CLASS_USB || hold_view_graphics(c->view, &l) < 0)
		return false;
	for (size_t i = 0; i < l->count && !found; i++)
		found = hold_below(c, l->list[i].target);
	return found;
}

int hold_gpu(struct hold_case *c)
{
	bool is_display = c->device->class >> 16 == CLASS_DISPLAY;

	if (!is_display && !has_usb_display(c))
		return 0;
	int r = find_console(c);
	return r < 0 || !is_display ? r : find_nvidia(c);
}
