/* SPDX-License-Identifier: MIT */
#include "check/efi.h"

#include "base/file.h"
#include "host/host.h"

#define EFIVARS "/sys/firmware/efi/efivars"
#define LOADER_GUID "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"

/* efivarfs puts four bytes of attributes before the value, which is UTF-16. */
void efi_loader_variable(struct host *h, const char *name, char *buf, size_t size)
{
	char path[FILE_PATH_MAX], raw[512];
	size_t used = 0;

	buf[0] = '\0';
	if (file_path(path, sizeof(path), EFIVARS "/%s-" LOADER_GUID, name) < 0)
		return;
	ssize_t n = h->ops->read(h, path, raw, sizeof(raw));
	for (ssize_t i = 4; i + 1 < n && used + 1 < size && raw[i]; i += 2)
		buf[used++] = raw[i + 1] ? '?' : raw[i];
	buf[used] = '\0';
}
