/* SPDX-License-Identifier: MIT */
#include "libvirt/uri.h"

#include "base/num.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

struct part {
	const char *text;
	size_t len;
};

struct uri {
	struct part transport, host, path; /* empty for none */
	bool has_port;
};

static bool part_is(struct part p, const char *text)
{
	return p.len == strlen(text) && (!p.len || strncasecmp(p.text, text, p.len) == 0);
}

/* [USER@][HOST][:PORT]; a HOST of IPv6 is in brackets. */
static void authority_split(struct part all, struct uri *u)
{
	const char *end = all.text + all.len;
	const char *at = memchr(all.text, '@', all.len);
	const char *host = at ? at + 1 : all.text;
	const char *bracket = memchr(host, ']', (size_t)(end - host));
	const char *from = bracket ? bracket : host;
	const char *port = memchr(from, ':', (size_t)(end - from));

	u->has_port = port != NULL;
	u->host = (struct part){host, (size_t)((port ? port : end) - host)};
}

/* Return: false for what is no URI. */
static bool uri_split(const char *text, struct uri *ret)
{
	const char *colon = strchr(text, ':');

	if (!colon)
		return false;
	*ret = (struct uri){0};
	const char *plus = memchr(text, '+', (size_t)(colon - text));
	if (plus)
		ret->transport = (struct part){plus + 1, (size_t)(colon - plus - 1)};
	const char *rest = colon + 1;
	if (strncmp(rest, "//", 2) == 0) {
		size_t len = strcspn(rest + 2, "/?#");
		authority_split((struct part){rest + 2, len}, ret);
		rest += 2 + len;
	}
	ret->path = (struct part){rest, strcspn(rest, "?#")};
	return true;
}

bool libvirt_uri_is_alias(const char *uri)
{
	return !strchr(uri, ':');
}

bool libvirt_uri_is_local(const char *uri)
{
	static const char *const here[] = {"", "localhost", "127.0.0.1", "[::1]"};
	struct uri u;

	if (!uri_split(uri, &u) || u.has_port || part_is(u.transport, "ext"))
		return false;
	for (size_t i = 0; i < COUNT(here); i++)
		if (part_is(u.host, here[i]))
			return true;
	return false;
}

bool libvirt_uri_is_system(const char *uri)
{
	struct uri u;

	return uri_split(uri, &u) && part_is(u.path, "/system");
}
