/* SPDX-License-Identifier: MIT */
#include "engine/image_format.h"

#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_SIZE 1024
#define FOOTER_SIZE 512

static const struct image_format formats[] = {
	{"raw", true, true, false, false},
	{"qcow2", true, true, true, false},
	{"vmdk", true, true, true, true},
	{"vhdx", true, true, false, false},
	{"vdi", true, true, false, false},
	{"vpc", true, true, false, false},
	{"qed", true, false, true, false},
	{"parallels", false, false, false, false},
	{"luks", false, false, false, false},
	{"dmg", false, false, false, false},
	{"qcow", false, false, false, false},
};

/* Where a format has its signature. Ref: the specification of each format */
static const struct {
	size_t at;
	const char *bytes;
	size_t len;
	const char *format;
} signatures[] = {
	{0, "QFI\xfb\0\0\0\1", 8, "qcow"},
	{0, "QFI\xfb", 4, "qcow2"},
	{0, "QED", 4, "qed"},
	{0, "KDMV", 4, "vmdk"},
	{0, "COWD", 4, "vmdk"},
	{0, "# Disk DescriptorFile", 21, "vmdk"},
	{0, "vhdxfile", 8, "vhdx"},
	{64, "\x7f\x10\xda\xbe", 4, "vdi"},
	{0, "conectix", 8, "vpc"},
	{0, "WithoutFreeSpace", 16, "parallels"},
	{0, "WithouFreSpacExt", 16, "parallels"},
	{0, "LUKS\xba\xbe", 6, "luks"},
};

/* A format may have its signature behind its data. */
static const struct {
	const char *bytes, *format;
} footers[] = {{"conectix", "vpc"}, {"koly", "dmg"}};

const struct image_format *image_format_find(const char *name)
{
	for (size_t i = 0; i < COUNT(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

const struct image_format *image_format_at(size_t i)
{
	return i < COUNT(formats) ? &formats[i] : NULL;
}

static const char *head_name(const char head[HEAD_SIZE])
{
	for (size_t i = 0; i < COUNT(signatures); i++)
		if (memcmp(head + signatures[i].at, signatures[i].bytes, signatures[i].len) == 0)
			return signatures[i].format;
	return NULL;
}

static const char *footer_name(int fd)
{
	char footer[FOOTER_SIZE];
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < FOOTER_SIZE || fd_pread_full(fd, footer, sizeof(footer), end - FOOTER_SIZE) < 0)
		return NULL;
	for (size_t i = 0; i < COUNT(footers); i++)
		if (memcmp(footer, footers[i].bytes, strlen(footers[i].bytes)) == 0)
			return footers[i].format;
	return NULL;
}

int image_format_read(int fd, const struct image_format **ret)
{
	char head[HEAD_SIZE] = {0};
	ssize_t n;

	do
		n = pread(fd, head, sizeof(head), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	const char *name = head_name(head);
	if (!name)
		name = footer_name(fd);
	*ret = image_format_find(name ? name : "raw");
	return 0;
}
