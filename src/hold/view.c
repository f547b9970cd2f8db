/* SPDX-License-Identifier: MIT */
#include "hold/view.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct link_reader {
	struct host *host;
	const char *folder;
	struct hold_links *links;
};

static int link_add(void *arg, const char *name)
{
	const struct link_reader *r = arg;
	struct hold_links *l = r->links;
	char path[FILE_PATH_MAX], target[HOLD_TARGET_MAX];

	/* Names of the kernel's devices are short; anything longer is no device. */
	if (strlen(name) >= sizeof(l->list->name) ||
		file_path(path, sizeof(path), "%s/%s", r->folder, name) < 0)
		return 0;
	if (r->host->ops->link(r->host, path, target, sizeof(target)) < 0)
		return 0;
	struct hold_link *list = reallocarray(l->list, l->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	l->list = list;
	char *copy = strdup(target);
	if (!copy)
		return -ENOMEM;
	struct hold_link *x = &list[l->count++];
	memset(x->name, 0, sizeof(x->name));
	memcpy(x->name, name, strlen(name));
	x->target = copy;
	return 0;
}

static int link_order(const void *a, const void *b)
{
	const struct hold_link *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The links in a class's folder; none if it does not exist. Return: 0, -ENOMEM, -errno. */
static int links_read(struct host *h, const char *folder, struct hold_links *ret)
{
	struct link_reader r = {.host = h, .folder = folder, .links = ret};

	int x = h->ops->list(h, folder, link_add, &r);
	if (ret->count)
		qsort(ret->list, ret->count, sizeof(*ret->list), link_order);
	return x == -ENOENT ? 0 : x;
}

static void links_free(struct hold_links *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->list[i].target);
	free(l->list);
	*l = (struct hold_links){0};
}

static int address_add(void *arg, const struct host_net_address *a)
{
	struct hold_view *v = arg;
	struct host_net_address *list =
		reallocarray(v->addresses, v->nr_addresses + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	v->addresses = list;
	list[v->nr_addresses++] = *a;
	return 0;
}

/* "" if the file does not exist: the kernel lacks the feature, or a container hides it. */
static int text_read(struct host *h, const char *path, char **ret)
{
	if (*ret)
		return 0;
	ssize_t n = host_read_all(h, path, ret);
	if (n >= 0)
		return 0;
	*ret = NULL;
	if (n != -ENOENT)
		return (int)n;
	*ret = strdup("");
	return *ret ? 0 : -ENOMEM;
}

/*
 * Mounts of this process and of process 1. Inside a chroot or a mount namespace, the host's root
 * is not among this process's mounts, but the host still needs it.
 */
static int mounts_read(struct hold_view *v)
{
	char *first = NULL;

	if (v->mountinfo)
		return 0;
	int r = text_read(v->host, "/proc/self/mountinfo", &v->mountinfo);
	if (r < 0)
		return r;
	/* Unprivileged users cannot read it, and cannot bind either. */
	if (host_read_all(v->host, "/proc/1/mountinfo", &first) >= 0 &&
		strcmp(v->mountinfo, first) != 0) {
		char *both = NULL;
		r = asprintf(&both, "%s%s", v->mountinfo, first) < 0 ? -ENOMEM : 0;
		if (r == 0) {
			free(v->mountinfo);
			v->mountinfo = both;
		}
	}
	free(first);
	if (r < 0)
		return r;
	r = hold_mounts_parse(v, v->mountinfo);
	return r < 0 ? r : hold_layers_read(v);
}

static int swaps_read(struct hold_view *v)
{
	if (v->swap_text)
		return 0;
	int r = text_read(v->host, "/proc/swaps", &v->swap_text);
	return r < 0 ? r : hold_swaps_parse(v);
}

/* Takes ownership of @file. */
static int loop_add(struct hold_view *v, const char *name, char *file)
{
	struct hold_loop *list = reallocarray(v->loops, v->nr_loops + 1, sizeof(*list));

	if (!list) {
		free(file);
		return -ENOMEM;
	}
	v->loops = list;
	struct hold_loop *x = &list[v->nr_loops++];
	*x = (struct hold_loop){.name = name, .file = file};
	x->error = v->host->ops->loop(v->host, name, &x->number);
	x->is_told = x->error == 0;
	return 0;
}

/* A free loop device has no such file. */
static int loops_read(struct hold_view *v)
{
	int r = 0;

	for (size_t i = 0; !v->has_loops && r == 0 && i < v->block.count; i++) {
		const char *name = v->block.list[i].name;
		char path[FILE_PATH_MAX], *file;

		if (strncmp(name, "loop", 4) == 0 &&
			file_path(path, sizeof(path), "/sys/class/block/%s/loop/backing_file",
				name) == 0 &&
			host_read_all(v->host, path, &file) >= 0) {
			file[strcspn(file, "\n")] = '\0';
			r = loop_add(v, name, file);
		}
	}
	v->has_loops = true;
	return r;
}

int hold_view_disks(struct hold_view *v)
{
	int r = mounts_read(v);

	if (r < 0)
		return r;
	r = swaps_read(v);
	if (r < 0)
		return r;
	r = loops_read(v);
	return r < 0 ? r : hold_exports_read(v);
}

int hold_view_nested(struct hold_view *v, const struct hold_links **ret)
{
	int r = 0;

	if (!v->has_nested)
		r = links_read(v->host, "/sys/bus/usb/devices", &v->nested);
	if (!v->has_nested && r == 0)
		r = links_read(v->host, "/sys/bus/virtio/devices", &v->nested);
	if (!v->has_nested && r == 0)
		r = links_read(v->host, "/sys/bus/auxiliary/devices", &v->nested);
	v->has_nested = true;
	*ret = &v->nested;
	return r;
}

int hold_view_routes(struct hold_view *v)
{
	if (v->routes)
		return 0;
	int r = text_read(v->host, "/proc/net/ipv6_route", &v->routes6);
	if (r == 0)
		r = v->host->ops->addresses(v->host, address_add, v);
	if (r == 0)
		hold_ssh_address(v->host, v->ssh, sizeof(v->ssh));
	return r < 0 ? r : text_read(v->host, "/proc/net/route", &v->routes);
}

static int use_add(void *arg, const struct host_net_use *u)
{
	struct hold_view *v = arg;
	struct host_net_use *list = reallocarray(v->uses, v->use_count + 1, sizeof(*v->uses));

	if (!list)
		return -ENOMEM;
	v->uses = list;
	list[v->use_count++] = *u;
	return 0;
}

int hold_view_uses(struct hold_view *v)
{
	if (v->is_listing || v->has_uses)
		return 0;
	v->has_uses = true;
	v->uses_error = host_net_uses(v->host, use_add, v);
	return v->uses_error == -ENOMEM ? -ENOMEM : 0;
}

int hold_view_other_nets(struct hold_view *v)
{
	if (!v->has_other_nets)
		v->other_nets = host_other_nets(v->host);
	v->has_other_nets = true;
	return v->other_nets;
}

int hold_view_protocols(struct hold_view *v)
{
	int r = text_read(v->host, "/proc/net/pppoe", &v->pppoe);

	if (r == 0)
		r = text_read(v->host, "/proc/net/packet", &v->packets);
	return r < 0 ? r : text_read(v->host, "/proc/net/ptype", &v->handlers);
}

static int links_read_once(struct hold_view *v, const char *folder, bool *is_read,
	struct hold_links *links, const struct hold_links **ret)
{
	int r = *is_read ? 0 : links_read(v->host, folder, links);

	*is_read = true;
	*ret = links;
	return r;
}

int hold_view_graphics(struct hold_view *v, const struct hold_links **ret)
{
	return links_read_once(v, "/sys/class/graphics", &v->has_graphics, &v->graphics, ret);
}

int hold_view_bluetooth(struct hold_view *v, const struct hold_links **ret)
{
	return links_read_once(v, "/sys/class/bluetooth", &v->has_bluetooth, &v->bluetooth, ret);
}

int hold_view_dma(struct hold_view *v, const struct hold_links **ret)
{
	return links_read_once(v, "/sys/class/dma", &v->has_dma, &v->dma, ret);
}

int hold_view_mediated(struct hold_view *v, const struct hold_links **ret)
{
	return links_read_once(v, "/sys/bus/mdev/devices", &v->has_mediated, &v->mediated, ret);
}

/* Only the file: getpwuid(3) may ask the network. */
static const char *users_read(struct hold_view *v)
{
	return text_read(v->host, "/etc/passwd", &v->users) == 0 ? v->users : "";
}

int hold_view_consoles(struct hold_view *v, const struct hold_links **ret)
{
	struct link_reader r = {.host = v->host, .folder = "/sys/class/tty", .links = &v->consoles};
	cleanup_free char *active = NULL;
	char *rest = NULL;
	ssize_t n = -ENOENT;
	int x = 0;

	if (!v->has_consoles)
		n = host_read_all(v->host, "/sys/class/tty/console/active", &active);
	if (n == -ENOMEM)
		return -ENOMEM;
	v->has_consoles = true;
	*ret = &v->consoles;
	if (n < 0)
		return 0;
	for (char *name = strtok_r(active, " \n", &rest); name && x == 0;
		name = strtok_r(NULL, " \n", &rest))
		x = link_add(&r, name);
	return x;
}

void hold_process_name(struct hold_view *v, const struct host_holder *o, char *buf, size_t size)
{
	char user[40];

	if (!hold_user_name(users_read(v), o->uid, user, sizeof(user)))
		(void)snprintf(user, sizeof(user), "uid %u", (unsigned)o->uid);
	(void)snprintf(buf, size, "%s (pid %d, %s)", o->comm[0] ? o->comm : "a process",
		(int)o->pid, user);
}

void hold_process_use(struct hold_view *v, const struct host_holder *o, char *buf, size_t size)
{
	static const char *const ways[] = {[HOST_HOLDER_OPEN] = "open in",
		[HOST_HOLDER_MAPPED] = "mapped by",
		[HOST_HOLDER_RING] = "registered with an io_uring of"};
	char process[96];

	hold_process_name(v, o, process, sizeof(process));
	(void)snprintf(buf, size, "%s %s", ways[o->way], process);
}

static int stop_at_first(void *arg, const char *name)
{
	return 1;
}

static int view_read(struct hold_view *v)
{
	int r = links_read(v->host, "/sys/class/block", &v->block);

	if (r < 0)
		return r;
	r = links_read(v->host, "/sys/class/net", &v->net);
	if (r < 0)
		return r;
	r = links_read(v->host, "/sys/class/input", &v->input);
	v->has_groups = v->host->ops->list(v->host, "/sys/class/vfio", stop_at_first, NULL) > 0;
	return r == 0 ? hold_opens_read(v) : r;
}

int hold_view_new(struct host *h, enum hold_depth depth, struct hold_view **ret, struct err *e)
{
	static const enum host_look looks[] = {[HOLD_LISTING] = HOST_LOOK_DESCRIPTORS,
		[HOLD_EVERYTHING] = HOST_LOOK_EVERYWHERE,
		[HOLD_PATIENT] = HOST_LOOK_EVERYWHERE,
		[HOLD_UNOPENED] = HOST_LOOK_BARS};
	struct hold_view *v = calloc(1, sizeof(*v));
	int r = -ENOMEM;

	if (v) {
		v->host = h;
		v->is_listing = depth == HOLD_LISTING;
		v->is_patient = depth == HOLD_PATIENT && h == host_live();
		v->look = looks[depth];
		r = view_read(v);
	}
	if (r < 0) {
		hold_view_free(v);
		return err_set(e, r, "read who uses the devices of this host");
	}
	*ret = v;
	return 0;
}

void hold_view_free(struct hold_view *v)
{
	if (!v)
		return;
	links_free(&v->block);
	links_free(&v->net);
	links_free(&v->input);
	hold_opens_free(v);
	links_free(&v->nested);
	links_free(&v->graphics);
	free(v->addresses);
	free(v->mountinfo);
	free(v->mounts);
	free(v->volumes);
	free(v->layers);
	free(v->remotes);
	free(v->swap_text);
	free(v->swaps);
	for (size_t i = 0; i < v->nr_loops; i++)
		free(v->loops[i].file);
	free(v->loops);
	free(v->exports);
	free(v->uses);
	links_free(&v->bluetooth);
	links_free(&v->dma);
	links_free(&v->mediated);
	free(v->pppoe);
	free(v->packets);
	free(v->handlers);
	free(v->routes);
	free(v->routes6);
	free(v->users);
	links_free(&v->consoles);
	free(v);
}
