/* SPDX-License-Identifier: MIT */
/*
 * The text of a snapshot, which anybody may send: parsed, read by what the read verbs read with,
 * and written again, also redacted. What was written has to parse, and to the same.
 *
 * covers: src/host/manifest.c src/host/manifest_format.c src/host/manifest_net.c
 * covers: src/host/snapshot.c
 */
#include "base/file.h"
#include "host/host.h"
#include "host/manifest.h"
#include "pci/bar.h"
#include "pci/capability.h"
#include "pci/device.h"
#include "pci/isolation.h"
#include "pci/redact.h"
#include "pci/reset.h"
#include "pci/serial.h"
#include "pci/sleep.h"
#include "require.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int touch(void *arg, const char *name)
{
	struct host *h = arg;
	char path[FILE_PATH_MAX], buf[64];

	require(name[0] && !strchr(name, '/'), "a name is one component");
	if (file_path(path, sizeof(path), "/sys/bus/pci/devices/%s", name) == 0)
		(void)h->ops->link(h, path, buf, sizeof(buf));
	return 0;
}

static int take_holder(void *arg, const struct host_holder *o)
{
	(void)arg;
	require(o->pid >= 0, "a holder is a process");
	return 0;
}

static int take_address(void *arg, const struct host_net_address *a)
{
	(void)arg;
	require(a->interface[0] && memchr(a->interface, '\0', sizeof(a->interface)),
		"an address is an interface's");
	return 0;
}

static int take_use(void *arg, const struct host_net_use *u)
{
	(void)arg;
	require(memchr(u->lower, '\0', sizeof(u->lower)) &&
			memchr(u->name, '\0', sizeof(u->name)) &&
			memchr(u->detail, '\0', sizeof(u->detail)) &&
			memchr(u->owner, '\0', sizeof(u->owner)),
		"a use of an interface has names");
	return 0;
}

/* Everything that a snapshot answers, apart from sysfs. */
static void ask_host(struct host *h)
{
	static const char *const nodes[] = {
		"/dev/kvm", "/dev/nvme0n1", "/dev/loop0", "/", "/sys/a/z"};
	static const char *const disks[] = {"sda", "sdb", "nvme0n1", "loop0"};
	struct host_holder holder = {0};
	struct host_number number;
	struct host_node node;

	(void)h->ops->holders(h, HOST_LOOK_EVERYWHERE, take_holder, NULL);
	(void)h->ops->addresses(h, take_address, NULL);
	(void)host_net_uses(h, take_use, NULL);
	(void)host_other_nets(h);
	if (host_socket(h, 41523, &holder) == 0)
		require(memchr(holder.comm, '\0', sizeof(holder.comm)) != NULL,
			"a process has a name");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		(void)h->ops->node(h, nodes[i], &node);
		(void)h->ops->number(h, nodes[i], &number);
		(void)h->ops->changed(h, nodes[i]);
	}
	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		require(h->ops->block_busy(h, disks[i]) <= 1, "a disk is busy or not");
		(void)h->ops->loop(h, disks[i], &number);
	}
	(void)host_functions(h, "eth0", NULL, NULL);
}

static void read_host(struct host *h)
{
	static struct pci_config config;
	struct pci_device *list = NULL;
	const struct pci_device *members[16];
	struct pci_reason reasons[PCI_REASONS_MAX];
	struct pci_hot_reset hot;
	size_t count = 0, n = 0;

	ask_host(h);
	(void)h->ops->list(h, "/", touch, h);
	(void)h->ops->list(h, "/sys/bus/pci/devices", touch, h);
	if (pci_device_list(h, &list, &count, NULL) < 0)
		return;
	for (size_t i = 0; i < count && i < 16; i++) {
		struct pci_bar bars[PCI_BAR_MAX];
		struct pci_serials serials;
		struct pci_sleep sleep;

		members[n++] = &list[i];
		if (pci_config_read(h, list[i].address, &config, NULL) < 0)
			config.size = 0;
		(void)pci_bar_read(h, list[i].address, bars, NULL);
		pci_serials_read(h, list[i].address, &config, &serials);
		pci_sleep_read(h, list[i].address, &sleep);
	}
	(void)pci_isolation_read(h, members, n, reasons);
	if (n && pci_hot_reset_read(h, members[0]->address, members, n, &hot) == 0)
		pci_hot_reset_fini(&hot);
	free(list);
}

/* Return: NULL if it does not parse. */
static char *rewrite(const char *text, const uint8_t *key)
{
	struct manifest m;
	char *copy = strdup(text), *out = NULL;

	int r = manifest_parse(&m, copy, strlen(copy), NULL);
	if (r == 0 && key)
		r = manifest_redact(&m, key);
	if (r == 0)
		require(manifest_format(&m, &out) > 0, "what parses can be written");
	manifest_fini(&m);
	free(copy);
	return r == 0 ? out : NULL;
}

/* By a file, as a person does it. A NUL ends neither. */
static int open_file(const uint8_t *data, size_t size, struct host **ret)
{
	char path[64];
	int fd = memfd_create("snapshot", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file can be written");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = host_snapshot_open(path, ret, NULL);
	(void)close(fd);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[REDACT_KEY] = {1};
	struct host *h = NULL;

	int r = size % 8 ? host_snapshot_from((const char *)data, size, &h, NULL)
			 : open_file(data, size, &h);
	if (r < 0)
		return 0;
	read_host(h);
	host_close(h);
	char *text = strndup((const char *)data, size);
	char *once = rewrite(text, NULL);
	if (once) {
		char *twice = rewrite(once, NULL), *redacted = rewrite(once, key);

		require(twice && strcmp(once, twice) == 0, "what was written says the same");
		require(redacted != NULL, "what was written can be redacted");
		free(twice);
		free(redacted);
	}
	free(once);
	free(text);
	return 0;
}
