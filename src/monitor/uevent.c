/* SPDX-License-Identifier: MIT */
#include "monitor/uevent.h"

#include "base/fd.h"
#include "base/num.h"
#include "monitor/uevent_filter.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP_KERNEL 1
#define RECEIVE_ROOM (4 * 1024 * 1024) /* as udevd's; only root gets it all */

int uevent_open(void)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL};
	const int room = RECEIVE_ROOM;

	int fd = socket(
		AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	/* Without the filter, what it drops is read and dropped here. */
	(void)uevent_filter(fd);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int r = -errno;
	(void)close(fd);
	return r;
}

static enum uevent_action action_parse(const char *word)
{
	static const char *const words[] = {[UEVENT_ADD] = "add",
		[UEVENT_REMOVE] = "remove",
		[UEVENT_BIND] = "bind",
		[UEVENT_UNBIND] = "unbind"};

	for (size_t i = UEVENT_ADD; i < COUNT(words); i++)
		if (strcmp(words[i], word) == 0)
			return (enum uevent_action)i;
	return UEVENT_OTHER;
}

/* Return: the value of "KEY=value"; NULL if @line is of another key. */
static const char *value_of(const char *line, const char *key)
{
	const size_t len = strlen(key);

	return strncmp(line, key, len) == 0 && line[len] == '=' ? line + len + 1 : NULL;
}

bool uevent_parse(const char *text, size_t len, struct uevent *ret)
{
	bool is_pci = false, has_address = false;
	const char *value;

	*ret = (struct uevent){.action = UEVENT_OTHER};
	for (size_t i = 0; i < len; i += strnlen(text + i, len - i) + 1) {
		char line[256];

		if ((size_t)snprintf(line, sizeof(line), "%.*s", (int)strnlen(text + i, len - i),
			    text + i) >= sizeof(line))
			continue;
		if ((value = value_of(line, "SUBSYSTEM")))
			is_pci = strcmp(value, "pci") == 0;
		else if ((value = value_of(line, "ACTION")))
			ret->action = action_parse(value);
		else if ((value = value_of(line, "PCI_SLOT_NAME")))
			has_address = pci_address_parse(value, &ret->address) == 0;
		else if ((value = value_of(line, "DRIVER")))
			(void)snprintf(ret->driver, sizeof(ret->driver), "%.63s", value);
		else if ((value = value_of(line, "ERROR_EVENT")))
			(void)snprintf(ret->recovery, sizeof(ret->recovery), "%.31s", value);
	}
	return is_pci && has_address;
}

/* Return: length of a message, 0 of one that is not the kernel's, -errno. */
static ssize_t message_read(int fd, char *buf)
{
	struct sockaddr_nl from = {0};
	socklen_t len = sizeof(from);

	ssize_t got = recvfrom(fd, buf, UEVENT_MAX, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
	if (got < 0)
		return -errno;
	return from.nl_pid == 0 && from.nl_groups == GROUP_KERNEL ? got : 0;
}

int uevent_next(int fd, struct uevent *ret)
{
	char text[UEVENT_MAX];

	for (;;) {
		ssize_t got = message_read(fd, text);
		if (got == -EINTR)
			continue;
		if (got < 0)
			return got == -EAGAIN ? 0 : (int)got;
		if (uevent_parse(text, (size_t)got, ret))
			return 1;
	}
}
