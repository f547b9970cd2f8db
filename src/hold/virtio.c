/* SPDX-License-Identifier: MIT */
/*
 * What the kernel itself uses a virtio device for, without a process or a mount: random numbers,
 * the console hvc0, memory. None of these has a link to its device, so with several devices of a
 * kind it may be any of them.
 */
#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "hold/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The driver of a virtio device; "" for none. */
static const char *virtio_driver(struct host *h, const char *name, char driver[PCI_NAME_MAX])
{
	char path[FILE_PATH_MAX];

	if (file_path(path, sizeof(path), "/sys/bus/virtio/devices/%s/driver", name) < 0 ||
		host_link_name(h, path, driver, PCI_NAME_MAX) < 0)
		driver[0] = '\0';
	return driver;
}

/* Whether several devices have the driver. */
static bool driver_is_shared(
	const struct hold_case *c, const struct hold_links *l, const char *name)
{
	char driver[PCI_NAME_MAX];
	unsigned count = 0;

	for (size_t i = 0; i < l->count; i++)
		count += strncmp(l->list[i].name, "virtio", 6) == 0 &&
			 strcmp(virtio_driver(c->view->host, l->list[i].name, driver), name) == 0;
	return count > 1;
}

static int find_random(struct hold_case *c, const struct hold_links *l, const char *driver)
{
	char current[64];

	if (strcmp(driver, "virtio_rng") != 0 ||
		host_read_text(c->view->host, "/sys/class/misc/hw_random/rng_current", current,
			sizeof(current)) < 0 ||
		strncmp(current, driver, strlen(driver)) != 0)
		return 0;
	return hold_add(c, "fd", HOLD_PLAIN, "hwrng", "the kernel %s random numbers from it (%s)",
		driver_is_shared(c, l, driver) ? "may take" : "takes", current);
}

/* "hvc0" of "../../devices/virtual/tty/hvc0"; NULL for another node. */
static const char *hypervisor_console(const char *target)
{
	static const char mark[] = "/virtual/tty/hvc";
	const char *at = target ? strstr(target, mark) : NULL;

	return at ? at + sizeof(mark) - sizeof("hvc") : NULL;
}

/* hvc0 is a console of the kernel, or a login. */
static int find_console(struct hold_case *c, const struct hold_links *l, const char *driver)
{
	struct hold_view *v = c->view;
	const struct hold_links *consoles;
	char use[160];

	if (strcmp(driver, "virtio_console") != 0)
		return 0;
	const char *may = driver_is_shared(c, l, driver) ? "perhaps its: " : "";
	int r = hold_view_consoles(v, &consoles);
	for (size_t i = 0; r == 0 && i < consoles->count; i++)
		if (hypervisor_console(consoles->list[i].target))
			r = hold_add(c, "input", HOLD_PLAIN, consoles->list[i].name,
				"%sconsole of this host's kernel", may);
	for (size_t i = 0; r == 0 && i < v->nr_opens; i++) {
		const char *name = hypervisor_console(v->opens[i].target);
		if (!name)
			continue;
		hold_process_use(v, &v->opens[i].holder, use, sizeof(use));
		r = hold_add(c, "fd", HOLD_PLAIN, name, "%s%s", may, use);
	}
	return r;
}

/* The kernel runs on memory that such a device has given; without the device it is gone. */
static int find_memory(struct hold_case *c, const char *driver)
{
	cleanup_free char *text = NULL;

	if (strcmp(driver, "virtio_mem") != 0)
		return 0;
	ssize_t n = host_read_all(c->view->host, "/proc/iomem", &text);
	if (n == -ENOMEM)
		return -ENOMEM;
	if (n < 0)
		return hold_add(c, "fd", HOLD_UNSURE, driver,
			"whether this host runs on its memory cannot be told: %s",
			strerror((int)-n));
	if (!strstr(text, "System RAM (virtio_mem)"))
		return 0;
	return hold_add(c, "fd", HOLD_ABSOLUTE, driver, "this host runs on memory that it gives");
}

static int device_judge(struct hold_case *c, const struct hold_links *l, const char *driver)
{
	int r = find_random(c, l, driver);

	if (r < 0)
		return r;
	r = find_console(c, l, driver);
	return r < 0 ? r : find_memory(c, driver);
}

int hold_virtio(struct hold_case *c)
{
	const struct hold_links *l;
	char driver[PCI_NAME_MAX];

	if (strcmp(c->device->driver, "virtio-pci") != 0)
		return 0;
	int r = hold_view_nested(c->view, &l);
	for (size_t i = 0; r == 0 && i < l->count; i++) {
		if (strncmp(l->list[i].name, "virtio", 6) != 0 || !hold_below(c, l->list[i].target))
			continue;
		virtio_driver(c->view->host, l->list[i].name, driver);
		r = device_judge(c, l, driver);
	}
	return r;
}
