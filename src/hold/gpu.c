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
	char path[FILE_PATH_MAX], text[2048], process[96], object[32];
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
		hold_process_name(v, o, process, sizeof(process));
		r = hold_add(c, "gpu", HOLD_PLAIN, object, "open in %s", process);
	}
	return r < 0 ? r : 0;
}

/* Whether the kernel's text console draws on a framebuffer at all. */
static bool console_on_framebuffer(struct host *h)
{
	char path[FILE_PATH_MAX], text[64];
	uint64_t bound;

	for (unsigned i = 0; i < 4; i++) {
		if (file_path(path, sizeof(path), "/sys/class/vtconsole/vtcon%u/name", i) < 0 ||
			host_read_text(h, path, text, sizeof(text)) < 0 ||
			!strstr(text, "frame buffer"))
			continue;
		if (file_path(path, sizeof(path), "/sys/class/vtconsole/vtcon%u/bind", i) == 0 &&
			host_read_number(h, path, &bound) == 0 && bound)
			return true;
	}
	return false;
}

/* Taking the display that the firmware chose makes the console go dark, for good on many cards. */
static int find_console(struct hold_case *c)
{
	struct host *h = c->view->host;
	char path[FILE_PATH_MAX];
	uint64_t boot = 0;

	int r = pci_device_path(c->device->address, "boot_vga", path, sizeof(path));
	if (r < 0 || host_read_number(h, path, &boot) < 0 || !boot || !c->device->driver[0])
		return r;
	if (!console_on_framebuffer(h))
		return 0;
	return hold_add(c, "gpu", HOLD_PLAIN, "console",
		"it is the display of this host, and the text console is on it");
}

int hold_gpu(struct hold_case *c)
{
	if (c->device->class >> 16 != CLASS_DISPLAY)
		return 0;
	int r = find_console(c);
	return r < 0 ? r : find_nvidia(c);
}
