/* SPDX-License-Identifier: MIT */
#include "host/recorder.h"

#include "base/clean.h"
#include "base/file.h"
#include "base/num.h"
#include "host/answer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

/*
 * How it works
 *
 * The invariant: an answer is kept under the real name of a file, so a snapshot has each file once,
 * however many links lead to it, and no entry below a link. To find the real name, real_path()
 * walks a path one component at a time; each link on the way is an answer, too.
 */
#define LINKS_MAX 40 /* as in the kernel */
#define MAJOR_MEM 1 /* /dev/null and others, which most processes have open */

struct recorder {
	struct host host;
	struct host *inner;
	struct answers answers;
	struct manifest others; /* all but files: busy, holders, numbers, addresses */
	bool has_holders, has_addresses, has_uses;
	enum host_look look; /* with has_holders: where they were looked for */
};

static struct recorder *recorder_of(struct host *h)
{
	return container_of(h, struct recorder, host);
}

/*
 * Reads the target of the link at @path, a real name but for its last component.
 * Return: its length, -EINVAL when it is not a link, -ENOENT, -errno.
 */
static ssize_t link_at(struct recorder *r, const char *path, char target[FILE_PATH_MAX])
{
	const struct answer *x = answer_find(&r->answers, path);

	if (x && x->is_known && x->kind == MANIFEST_LINK && x->len < FILE_PATH_MAX) {
		memcpy(target, x->data, x->len + 1);
		return (ssize_t)x->len;
	}
	if (x && x->is_known && x->kind == MANIFEST_FAIL)
		return x->error;
	if (x)
		return -EINVAL;
	ssize_t n = r->inner->ops->link(r->inner, path, target, FILE_PATH_MAX);
	if (n >= 0)
		answer_know(&r->answers, path, MANIFEST_LINK, target, (size_t)n);
	else if (n != -ENOENT)
		(void)answer_note(&r->answers, path);
	return n;
}

enum last { LAST_FOLLOW, LAST_AS_IT_IS };

/* Walks @path through links. Return: 0 with the real name in @at, -ELOOP, -ENOENT, -errno. */
static int real_path(struct recorder *r, const char *path, enum last last, char at[FILE_PATH_MAX])
{
	char todo[FILE_PATH_MAX], next[FILE_PATH_MAX], target[FILE_PATH_MAX];
	unsigned links = 0;
	int x = file_path(todo, sizeof(todo), "%s", path);

	at[0] = '\0';
	for (char *p = todo; x == 0 && *p;) {
		size_t n = strcspn(p, "/"), used = strlen(at);
		const char *rest = p + n + (p[n] == '/');

		if (n == 2 && memcmp(p, "..", 2) == 0) {
			file_step_up(at);
			n = 0;
		} else if (n && !(n == 1 && *p == '.')) {
			x = file_path(at + used, FILE_PATH_MAX - used, "/%.*s", (int)n, p);
		} else {
			n = 0;
		}
		p += rest - p;
		if (x < 0 || !n || (!*rest && last == LAST_AS_IT_IS))
			continue;
		ssize_t len = link_at(r, at, target);
		if (len == -ENOENT)
			return -ENOENT;
		if (len < 0)
			continue;
		if (links++ == LINKS_MAX)
			return -ELOOP;
		x = file_path(next, sizeof(next), "%s/%s", target, rest);
		memcpy(todo, next, sizeof(todo));
		p = todo;
		if (*target == '/')
			at[0] = '\0';
		else
			file_step_up(at);
	}
	return x;
}

static ssize_t recorder_read(struct host *h, const char *path, void *buf, size_t size)
{
	struct recorder *r = recorder_of(h);
	cleanup_free char *text = NULL;
	char at[FILE_PATH_MAX];

	int x = real_path(r, path, LAST_FOLLOW, at);
	if (x < 0)
		return x;
	const struct answer *a = answer_find(&r->answers, at);
	if (!a || !a->is_known || (a->kind != MANIFEST_FILE && a->kind != MANIFEST_FAIL)) {
		ssize_t n = host_read_all(r->inner, at, &text);
		if (n == -EFBIG) /* too large for a snapshot */
			return r->inner->ops->read(r->inner, at, buf, size);
		if (n < 0)
			return n == -EISDIR ? n : answer_fail(&r->answers, at, (int)n);
		answer_know(&r->answers, at, MANIFEST_FILE, text, (size_t)n);
		a = answer_find(&r->answers, at);
	}
	if (!a || !a->data)
		return -ENOMEM;
	if (a->kind == MANIFEST_FAIL)
		return a->error;
	size_t n = min_u64(a->len, size);
	memcpy(buf, a->data, n);
	return (ssize_t)n;
}

static ssize_t recorder_link(struct host *h, const char *path, char *buf, size_t size)
{
	struct recorder *r = recorder_of(h);
	char at[FILE_PATH_MAX], target[FILE_PATH_MAX];

	int x = real_path(r, path, LAST_AS_IT_IS, at);
	ssize_t n = x < 0 ? x : link_at(r, at, target);
	if (n < 0)
		return n;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	memcpy(buf, target, (size_t)n + 1);
	return n;
}

struct names {
	size_t count;
	char **list;
};

static int names_add(void *arg, const char *name)
{
	struct names *n = arg;

	if (n->count == 0 || is_pow2(n->count)) {
		char **list = reallocarray(n->list, n->count ? 2 * n->count : 1, sizeof(*list));
		if (!list)
			return -ENOMEM;
		n->list = list;
	}
	n->list[n->count] = strdup(name);
	return n->list[n->count++] ? 0 : -ENOMEM;
}

static void names_free(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->list[i]);
	free(n->list);
}

static int recorder_list(
	struct host *h, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	struct recorder *r = recorder_of(h);
	char at[FILE_PATH_MAX], child[FILE_PATH_MAX], target[FILE_PATH_MAX];
	struct names names = {0};

	int x = real_path(r, path, LAST_FOLLOW, at);
	if (x < 0)
		return x;
	x = r->inner->ops->list(r->inner, at, names_add, &names);
	if (x == 0)
		answer_know(&r->answers, at, MANIFEST_DIR, NULL, 0);
	else
		(void)answer_fail(&r->answers, at, x);
	/* Keep all names, also those after the one at which @each stops. */
	for (size_t i = 0; i < names.count; i++)
		if (file_path(child, sizeof(child), "%s/%s", at, names.list[i]) == 0)
			(void)link_at(r, child, target);
	for (size_t i = 0; x == 0 && i < names.count; i++)
		x = each(arg, names.list[i]);
	names_free(&names);
	return x;
}

static int recorder_block_busy(struct host *h, const char *disk)
{
	struct recorder *r = recorder_of(h);
	struct manifest *m = &r->others;
	char path[FILE_PATH_MAX], target[FILE_PATH_MAX];

	for (size_t i = 0; i < m->busy_count; i++)
		if (strcmp(m->busy[i].name, disk) == 0)
			return m->busy[i].answer;
	int x = r->inner->ops->block_busy(r->inner, disk);
	/* A replay takes a disk for free if its entry is there: keep it. */
	if (x == 0 && file_path(path, sizeof(path), "/sys/class/block/%s", disk) == 0)
		(void)recorder_link(h, path, target, sizeof(target));
	if (x != 1 && !manifest_error_name(x))
		return x;
	struct manifest_busy *list = reallocarray(m->busy, m->busy_count + 1, sizeof(*list));
	char *name = strdup(disk);
	m->busy = list ? list : m->busy;
	if (list && name)
		list[m->busy_count++] = (struct manifest_busy){name, x};
	else
		free(name);
	r->answers.failed = r->answers.failed || !list || !name;
	return x;
}

static bool same_holder(const struct host_holder *a, const struct host_holder *b)
{
	return a->pid == b->pid && a->is_block == b->is_block && a->rdev == b->rdev &&
	       a->way == b->way && strcmp(a->resource, b->resource) == 0;
}

/* The descriptors of one process follow each other, and many are of one node. */
static int holder_add(void *arg, const struct host_holder *o)
{
	struct manifest *m = arg;

	if (!o->is_block && major(o->rdev) == MAJOR_MEM)
		return 0;
	for (size_t i = m->holder_count; i-- && m->holders[i].pid == o->pid;)
		if (same_holder(&m->holders[i], o))
			return 0;
	if (m->holder_count == 0 || is_pow2(m->holder_count)) {
		size_t room = m->holder_count ? 2 * m->holder_count : 1;
		struct host_holder *list = reallocarray(m->holders, room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		m->holders = list;
	}
	m->holders[m->holder_count++] = *o;
	return 0;
}

static int recorder_holders(struct host *h, enum host_look look,
	int (*each)(void *arg, const struct host_holder *o), void *arg)
{
	struct recorder *r = recorder_of(h);
	struct manifest *m = &r->others;
	int x = 0;

	/* What is recorded is good for any look. */
	look = look == HOST_LOOK_BARS ? HOST_LOOK_EVERYWHERE : look;
	if (!r->has_holders || look > r->look) {
		m->holder_count = 0;
		r->look = look;
		x = r->inner->ops->holders(r->inner, look, holder_add, m);
		m->blind = x == -EACCES || x == -EPERM ? x : 0;
		if (x < 0 && !m->blind)
			return x;
		r->has_holders = true;
	}
	x = 0;
	for (size_t i = 0; x == 0 && i < m->holder_count; i++)
		x = each(arg, &m->holders[i]);
	return x ? x : m->blind;
}

static int address_add(void *arg, const struct host_net_address *a)
{
	struct manifest *m = arg;
	struct host_net_address *list =
		reallocarray(m->addresses, m->address_count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	m->addresses = list;
	list[m->address_count++] = *a;
	return 0;
}

static int recorder_addresses(
	struct host *h, int (*each)(void *arg, const struct host_net_address *a), void *arg)
{
	struct recorder *r = recorder_of(h);
	struct manifest *m = &r->others;
	int x = r->has_addresses ? 0 : r->inner->ops->addresses(r->inner, address_add, m);

	r->has_addresses = x == 0;
	for (size_t i = 0; x == 0 && i < m->address_count; i++)
		x = each(arg, &m->addresses[i]);
	return x;
}

static int way_add(struct manifest *m, const struct host_net_address *a)
{
	struct host_net_address *list = reallocarray(m->ways, m->way_count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	m->ways = list;
	list[m->way_count++] = *a;
	return 0;
}

static int recorder_way(struct host *h, int family, const uint8_t to[16], char interface[16])
{
	struct recorder *r = recorder_of(h);
	const size_t size = family == AF_INET ? 4 : 16;
	struct host_net_address a = {.family = family, .prefix = (uint8_t)(8 * size)};

	if (manifest_way_find(&r->others, family, to, interface) == 0)
		return 0;
	int x = host_way(r->inner, family, to, a.interface);
	if (x < 0)
		return x;
	memcpy(a.bytes, to, size);
	memcpy(interface, a.interface, sizeof(a.interface));
	return way_add(&r->others, &a);
}

static int use_add(void *arg, const struct host_net_use *u)
{
	struct manifest *m = arg;
	struct host_net_use *list = reallocarray(m->uses, m->use_count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	m->uses = list;
	list[m->use_count++] = *u;
	return 0;
}

static int recorder_net_uses(
	struct host *h, int (*each)(void *arg, const struct host_net_use *u), void *arg)
{
	struct recorder *r = recorder_of(h);
	struct manifest *m = &r->others;
	int x = 0;

	if (!r->has_uses)
		m->uses_error = host_net_uses(r->inner, use_add, m);
	r->has_uses = true;
	for (size_t i = 0; x == 0 && i < m->use_count; i++)
		x = each(arg, &m->uses[i]);
	return x ? x : m->uses_error;
}

static int recorder_other_nets(struct host *h)
{
	struct recorder *r = recorder_of(h);
	int x = host_other_nets(r->inner);

	r->others.has_other_nets = r->others.has_other_nets || x == 1;
	return x;
}

static int socket_add(struct manifest *m, uint64_t inode, const struct host_holder *o)
{
	struct manifest_socket *list = reallocarray(m->sockets, m->socket_count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	m->sockets = list;
	list[m->socket_count++] = (struct manifest_socket){inode, *o};
	return 0;
}

static int recorder_socket(struct host *h, uint64_t inode, struct host_holder *ret)
{
	struct recorder *r = recorder_of(h);
	struct manifest *m = &r->others;

	for (size_t i = 0; i < m->socket_count; i++) {
		if (m->sockets[i].inode != inode)
			continue;
		*ret = m->sockets[i].holder;
		return 0;
	}
	int x = host_socket(r->inner, inode, ret);
	return x < 0 ? x : socket_add(m, inode, ret);
}

static int number_keep(struct recorder *r, struct manifest_numbers *n, const char *name,
	const struct host_number *number)
{
	if (manifest_number_find(n, name))
		return 0;
	int x = manifest_number_add(n, name, *number);
	r->answers.failed = r->answers.failed || x < 0;
	return x;
}

static int recorder_number(struct host *h, const char *path, struct host_number *ret)
{
	struct recorder *r = recorder_of(h);
	int x = r->inner->ops->number(r->inner, path, ret);

	return x < 0 ? x : number_keep(r, &r->others.paths, path, ret);
}

static int recorder_loop(struct host *h, const char *name, struct host_number *ret)
{
	struct recorder *r = recorder_of(h);
	int x = r->inner->ops->loop(r->inner, name, ret);

	return x < 0 ? x : number_keep(r, &r->others.loops, name, ret);
}

static int64_t recorder_modified(struct host *h, const char *path)
{
	struct recorder *r = recorder_of(h);
	int64_t seconds = host_modified(r->inner, path);

	if (seconds > 0 && !manifest_time_find(&r->others, path))
		r->answers.failed |= manifest_time_add(&r->others, path, seconds) < 0;
	return seconds;
}

/* A reader that caches by time must ask again, to be recorded: hide the time. */
static int64_t recorder_changed(struct host *h, const char *path)
{
	return 0;
}

static int recorder_node(struct host *h, const char *path, struct host_node *ret)
{
	struct recorder *r = recorder_of(h);
	char at[FILE_PATH_MAX];

	int x = real_path(r, path, LAST_FOLLOW, at);
	if (x < 0)
		return x;
	x = r->inner->ops->node(r->inner, at, ret);
	const struct answer *a = answer_find(&r->answers, at);
	if (x == 0 && !(a && a->is_known))
		answer_know(&r->answers, at, MANIFEST_NODE, ret, sizeof(*ret));
	return x;
}

void host_recorder_free(struct host *recorder)
{
	if (!recorder)
		return;
	struct recorder *r = recorder_of(recorder);

	answers_fini(&r->answers);
	manifest_fini(&r->others);
	free(r);
}

static const struct host_ops recorder_ops = {
	.read = recorder_read,
	.link = recorder_link,
	.list = recorder_list,
	.changed = recorder_changed,
	.modified = recorder_modified,
	.node = recorder_node,
	.number = recorder_number,
	.loop = recorder_loop,
	.block_busy = recorder_block_busy,
	.holders = recorder_holders,
	.addresses = recorder_addresses,
	.net_uses = recorder_net_uses,
	.other_nets = recorder_other_nets,
	.socket = recorder_socket,
	.way = recorder_way,
};

int host_recorder_new(struct host *inner, struct host **ret)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->host.ops = &recorder_ops;
	r->inner = inner;
	*ret = &r->host;
	return 0;
}

static int copy_numbers(const struct manifest_numbers *from, struct manifest_numbers *n)
{
	for (size_t i = 0; i < from->count; i++)
		if (manifest_number_add(n, from->list[i].name, from->list[i].number) < 0)
			return -ENOMEM;
	return 0;
}

/* Copies what the recorder keeps as lists. */
static int copy_others(const struct manifest *from, struct manifest *m)
{
	for (size_t i = 0; i < from->holder_count; i++)
		if (holder_add(m, &from->holders[i]) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < from->address_count; i++)
		if (address_add(m, &from->addresses[i]) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < from->way_count; i++)
		if (way_add(m, &from->ways[i]) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < from->use_count; i++)
		if (use_add(m, &from->uses[i]) < 0)
			return -ENOMEM;
	m->uses_error = from->uses_error;
	m->has_other_nets = from->has_other_nets;
	for (size_t i = 0; i < from->socket_count; i++)
		if (socket_add(m, from->sockets[i].inode, &from->sockets[i].holder) < 0)
			return -ENOMEM;
	if (copy_numbers(&from->paths, &m->paths) < 0 || copy_numbers(&from->loops, &m->loops) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < from->time_count; i++)
		if (manifest_time_add(m, from->times[i].path, from->times[i].seconds) < 0)
			return -ENOMEM;
	m->busy = calloc(from->busy_count + 1, sizeof(*m->busy));
	if (!m->busy)
		return -ENOMEM;
	for (size_t i = 0; i < from->busy_count; i++) {
		char *name = strdup(from->busy[i].name);
		if (!name)
			return -ENOMEM;
		m->busy[m->busy_count++] = (struct manifest_busy){name, from->busy[i].answer};
	}
	m->blind = from->blind;
	return 0;
}

int host_recorder_manifest(struct host *recorder, struct manifest *ret)
{
	struct recorder *r = recorder_of(recorder);

	*ret = (struct manifest){0};
	int x = answers_take(&r->answers, r->inner, ret);
	if (x == 0)
		x = copy_others(&r->others, ret);
	if (x < 0)
		manifest_fini(ret);
	return x;
}
