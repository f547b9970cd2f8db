/* SPDX-License-Identifier: MIT */
#include "view/lookup.h"

#include "base/file.h"
#include "base/num.h"
#include "host/host.h"
#include "view/subsystem.h"
#include "view/word_address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	struct host *host;
	const char *class;
	const char *name; /* that is being read */
	struct lookup_names *names;
};

/* Partitions of a disk and connectors of a graphics card are not names of the device. */
static bool is_part(struct host *h, const char *class, const char *name)
{
	char path[FILE_PATH_MAX], text[16];
	unsigned disk, controller, namespace;

	if (strcmp(class, "drm") == 0)
		return strncmp(name, "card", 4) != 0 || strchr(name, '-');
	if (strcmp(class, "block") != 0)
		return false;
	/* One path of a disk with multipath, which the kernel hides. */
	if (sscanf(name, "nvme%uc%un%u", &disk, &controller, &namespace) == 3)
		return true;
	return file_path(path, sizeof(path), "/sys/class/block/%s/partition", name) < 0 ||
	       host_read_text(h, path, text, sizeof(text)) >= 0;
}

static int name_add(void *arg, struct pci_address a)
{
	struct reading *r = arg;
	struct lookup_names *n = r->names;

	if (!n->count || is_pow2(n->count)) {
		struct lookup_name *list =
			reallocarray(n->list, n->count ? 2 * n->count : 1, sizeof(*list));
		if (!list)
			return -ENOMEM;
		n->list = list;
	}
	struct lookup_name *x = &n->list[n->count++];
	x->address = a;
	(void)snprintf(x->name, sizeof(x->name), "%s", r->name);
	return 0;
}

static int read_words(void *arg, const char *name)
{
	struct reading *r = arg;
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];
	struct pci_address a;

	if (file_path(path, sizeof(path), "/sys/class/%s/%s", r->class, name) < 0 ||
		r->host->ops->link(r->host, path, target, sizeof(target)) < 0 ||
		is_part(r->host, r->class, name))
		return 0;
	r->name = name;
	if (word_last_address(target, &a))
		return name_add(r, a);
	/* With multipath, the disk has the controllers of its subsystem. */
	return subsystem_controllers(r->host, target, name_add, r) ? -ENOMEM : 0;
}

static int name_order(const void *a, const void *b)
{
	const struct lookup_name *x = a, *y = b;
	int order = pci_address_compare(x->address, y->address);

	return order ? order : strcmp(x->name, y->name);
}

int lookup_names_read(struct host *h, struct lookup_names *ret)
{
	static const char *const classes[] = {"net", "block", "drm"};
	struct reading r = {.host = h, .names = ret};

	*ret = (struct lookup_names){0};
	for (size_t i = 0; i < COUNT(classes); i++) {
		char path[FILE_PATH_MAX];

		r.class = classes[i];
		(void)file_path(path, sizeof(path), "/sys/class/%s", classes[i]);
		if (h->ops->list(h, path, read_words, &r) == -ENOMEM)
			return -ENOMEM;
	}
	if (ret->count)
		qsort(ret->list, ret->count, sizeof(*ret->list), name_order);
	return 0;
}

void lookup_names_fini(struct lookup_names *n)
{
	free(n->list);
	*n = (struct lookup_names){0};
}

size_t lookup_names_find(const struct lookup_names *n, struct pci_address a)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (pci_address_compare(n->list[mid].address, a) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void lookup_names_of(const struct lookup_names *n, struct pci_address a, char *buf, size_t size)
{
	buf[0] = '\0';
	for (size_t i = lookup_names_find(n, a);
		i < n->count && pci_address_equal(n->list[i].address, a); i++) {
		size_t used = strlen(buf);

		(void)snprintf(buf + used, size - used, "%s%s", used ? "," : "", n->list[i].name);
	}
}
