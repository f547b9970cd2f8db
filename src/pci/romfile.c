/* SPDX-License-Identifier: MIT */
#include "pci/romfile.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "pci/rom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

int pci_rom_file_read(int fd, uint8_t **ret, size_t *ret_size, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "stat");
	if (!S_ISREG(st.st_mode))
		return err_say(e, -EINVAL, "not a regular file");
	if (st.st_size > (off_t)PCI_ROM_MAX)
		return err_say(e, -EFBIG, "has more than 16 MiB: no ROM is as large");
	size_t size = (size_t)st.st_size;
	uint8_t *data = malloc(size ? size : 1);
	if (!data)
		return err_set(e, -ENOMEM, "read");
	int r = fd_pread_full(fd, data, size, 0);
	if (r < 0) {
		free(data);
		return err_set(e, r, "read");
	}
	*ret = data;
	*ret_size = size;
	return 0;
}

int pci_rom_file_load(const char *path, uint8_t **ret, size_t *ret_size, struct err *e)
{
	char name[FILE_PATH_MAX];

	file_escape(name, sizeof(name), path);
	/* Without O_NONBLOCK, open() of a FIFO waits for a writer. */
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_set(e, -errno, "open '%s'", name);
	int r = pci_rom_file_read(fd, ret, ret_size, e);
	return r < 0 ? err_in(e, r, "'%s'", name) : 0;
}
