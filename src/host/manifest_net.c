/* SPDX-License-Identifier: MIT */
/* Lines of a snapshot about interfaces and sockets: host/snapshot.c describes them. */
#include "base/num.h"
#include "host/manifest_line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* INTERFACE ADDRESS/PREFIX */
static int address_parse(char *rest, struct host_net_address *ret)
{
	struct host_net_address a = {0};
	uint64_t prefix;
	const char *name = manifest_word_next(&rest);
	char *slash = strchr(rest, '/');

	if (!name || strlen(name) >= sizeof(a.interface) || !slash)
		return -EINVAL;
	*slash = '\0';
	memcpy(a.interface, name, strlen(name));
	a.family = strchr(rest, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, rest, a.bytes) != 1 ||
		num_parse(slash + 1, 10, a.family == AF_INET ? 32 : 128, &prefix) < 0)
		return -EINVAL;
	a.prefix = (uint8_t)prefix;
	*ret = a;
	return 0;
}

int manifest_parse_address(struct manifest *m, char *rest)
{
	struct host_net_address a;

	int r = address_parse(rest, &a);
	if (r < 0)
		return r;
	void *array = manifest_array_grow(m, m->addresses, m->address_count, sizeof(*m->addresses));
	if (!array)
		return -ENOMEM;
	m->addresses = array;
	m->addresses[m->address_count++] = a;
	return 0;
}

int manifest_parse_way(struct manifest *m, char *rest)
{
	struct host_net_address a;

	int r = address_parse(rest, &a);
	if (r < 0)
		return r;
	void *array = manifest_array_grow(m, m->ways, m->way_count, sizeof(*m->ways));
	if (!array)
		return -ENOMEM;
	m->ways = array;
	m->ways[m->way_count++] = a;
	return 0;
}

int manifest_way_find(
	const struct manifest *m, int family, const uint8_t to[16], char interface[16])
{
	for (size_t i = 0; i < m->way_count; i++) {
		if (m->ways[i].family != family ||
			memcmp(m->ways[i].bytes, to, family == AF_INET ? 4 : 16) != 0)
			continue;
		(void)snprintf(interface, sizeof(m->ways[i].interface), "%s", m->ways[i].interface);
		return 0;
	}
	return -ENOENT;
}

static int use_add(struct manifest *m, const struct host_net_use *u)
{
	void *array = manifest_array_grow(m, m->uses, m->use_count, sizeof(*m->uses));

	if (!array)
		return -ENOMEM;
	m->uses = array;
	m->uses[m->use_count++] = *u;
	return 0;
}

/* Copies a word, or a text that is escaped as in file. */
static int copy_text(char *buf, size_t size, char *text)
{
	ssize_t len = manifest_unescape(text);

	if (len < 0 || (size_t)len >= size)
		return -EINVAL;
	memcpy(buf, text, (size_t)len);
	return 0;
}

static int copy_word(char *buf, size_t size, const char *word)
{
	if (!word || strlen(word) >= size)
		return -EINVAL;
	memcpy(buf, word, strlen(word) + 1);
	return 0;
}

/* PID UID OWNER */
static int parse_owner(char *rest, struct host_net_use *u)
{
	uint64_t pid, uid;

	if (manifest_number_take(&rest, ' ', INT32_MAX, &pid) < 0 ||
		manifest_number_take(&rest, ' ', UINT32_MAX, &uid) < 0)
		return -EINVAL;
	u->pid = (pid_t)pid;
	u->uid = (uid_t)uid;
	return copy_text(u->owner, sizeof(u->owner), rest);
}

/* LOWER NAME PID UID OWNER */
int manifest_parse_upper(struct manifest *m, char *rest)
{
	struct host_net_use u = {.kind = HOST_NET_UPPER};
	const char *lower = manifest_word_next(&rest), *name = manifest_word_next(&rest);

	if (copy_word(u.lower, sizeof(u.lower), lower) < 0 ||
		copy_word(u.name, sizeof(u.name), name) < 0 || parse_owner(rest, &u) < 0)
		return -EINVAL;
	return use_add(m, &u);
}

/* DEVICE NAME PID UID OWNER */
int manifest_parse_away(struct manifest *m, char *rest)
{
	struct host_net_use u = {.kind = HOST_NET_AWAY};
	const char *device = manifest_word_next(&rest), *name = manifest_word_next(&rest);

	if (copy_word(u.detail, sizeof(u.detail), device) < 0 ||
		copy_word(u.name, sizeof(u.name), name) < 0 || parse_owner(rest, &u) < 0)
		return -EINVAL;
	return use_add(m, &u);
}

const char *const manifest_use_words[HOST_NET_RULE + 1] = {
	[HOST_NET_UPPER] = "upper",
	[HOST_NET_XDP] = "xdp",
	[HOST_NET_FILTER] = "filter",
	[HOST_NET_TARGET] = "target",
	[HOST_NET_ROUTE] = "route",
	[HOST_NET_RULE] = "rule",
};

/* INTERFACE KIND [DETAIL]; of an upper one, its name. */
int manifest_parse_use(struct manifest *m, char *rest)
{
	struct host_net_use u = {0};
	const char *lower = manifest_word_next(&rest), *word = manifest_word_next(&rest);

	if (!word || copy_word(u.lower, sizeof(u.lower), lower) < 0)
		return -EINVAL;
	size_t kind = 0;
	while (kind < COUNT(manifest_use_words) &&
		(!manifest_use_words[kind] || strcmp(manifest_use_words[kind], word) != 0))
		kind++;
	if (kind == COUNT(manifest_use_words))
		return -EINVAL;
	u.kind = (enum host_net_use_kind)kind;
	int x = u.kind == HOST_NET_UPPER ? copy_word(u.name, sizeof(u.name), rest)
					 : copy_text(u.detail, sizeof(u.detail), rest);
	return x < 0 ? x : use_add(m, &u);
}

int manifest_parse_namespaces(struct manifest *m, char *rest)
{
	m->has_other_nets = true;
	return *rest ? -EINVAL : 0;
}

/* INODE PID UID COMM */
int manifest_parse_socket(struct manifest *m, char *rest)
{
	struct manifest_socket x = {0};
	uint64_t pid, uid;

	if (manifest_number_take(&rest, ' ', UINT64_MAX, &x.inode) < 0 ||
		manifest_number_take(&rest, ' ', INT32_MAX, &pid) < 0 ||
		manifest_number_take(&rest, ' ', UINT32_MAX, &uid) < 0 ||
		copy_text(x.holder.comm, sizeof(x.holder.comm), rest) < 0)
		return -EINVAL;
	x.holder.pid = (pid_t)pid;
	x.holder.uid = (uid_t)uid;
	void *array = manifest_array_grow(m, m->sockets, m->socket_count, sizeof(*m->sockets));
	if (!array)
		return -ENOMEM;
	m->sockets = array;
	m->sockets[m->socket_count++] = x;
	return 0;
}
