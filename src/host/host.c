/* SPDX-License-Identifier: MIT */
#include "host/host.h"

#include "base/file.h"
#include "base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void host_close(struct host *h)
{
	if (h && h->ops->close)
		h->ops->close(h);
}

int64_t host_modified(struct host *h, const char *path)
{
	return h->ops->modified ? h->ops->modified(h, path) : 0;
}

int host_read_text(struct host *h, const char *path, char *buf, size_t size)
{
	ssize_t len = h->ops->read(h, path, buf, size);

	if (len < 0)
		return (int)len;
	if ((size_t)len == size)
		return -EFBIG;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (int)len;
}

ssize_t host_read_all(struct host *h, const char *path, char **ret)
{
	/* The maps of most programs fit: the kernel takes long to write them, and would twice. */
	for (size_t size = KIB(64); size <= MIB(16); size *= 4) {
		char *text = malloc(size);
		if (!text)
			return -ENOMEM;
		ssize_t len = h->ops->read(h, path, text, size);
		if (len >= 0 && (size_t)len < size) {
			text[len] = '\0';
			*ret = text;
			return len;
		}
		free(text);
		if (len < 0)
			return len;
	}
	return -EFBIG;
}

int host_read_number(struct host *h, const char *path, uint64_t *ret)
{
	char text[32];

	int len = host_read_text(h, path, text, sizeof(text));
	if (len < 0)
		return len == -EFBIG ? -EINVAL : len;
	/* Not base 0: that reads "010" as octal, but the kernel prints no octal numbers. */
	unsigned base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	return num_parse(text, base, UINT64_MAX, ret) < 0 ? -EINVAL : 0;
}

int host_link_name(struct host *h, const char *path, char *buf, size_t size)
{
	char target[FILE_PATH_MAX];

	ssize_t target_len = h->ops->link(h, path, target, sizeof(target));
	if (target_len < 0)
		return (int)target_len;
	const char *name = file_base(target);
	size_t len = strlen(name);
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(buf, name, len + 1);
	return (int)len;
}

int host_functions(struct host *h, const char *interface,
	int (*each)(void *arg, const struct host_vf *vf), void *arg)
{
	return h->ops->functions ? h->ops->functions(h, interface, each, arg) : 0;
}
