/* SPDX-License-Identifier: MIT */
#include "engine/libvirt/boot.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/files.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* libvirt opens the rest itself, and QEMU locks the disks. */
static int image_open(const struct guest_spec *s, struct guest_files *f, struct err *e)
{
	struct guest_spec image = *s;

	image.virtio_count = image.device_count = 0;
	return files_open(&image, f, e);
}

int libvirt_boot_check(const struct guest_spec *s, struct err *e)
{
	struct guest_files own = FILES_NONE;

	if (!s->kernel_from)
		return 0;
	int r = image_open(s, s->files ? s->files : &own, e);
	files_close(&own);
	if (r == -EINVAL && strncmp(e->msg, "--kernel-from", strlen("--kernel-from")) == 0)
		err_hint(e, "boot the disk by its own loader: --firmware bios");
	return r;
}

static int file_place(
	int fd, const char *name, const struct guest_spec *s, const char *run_dir, struct err *e)
{
	char path[FILE_PATH_MAX];
	struct stat st;

	int r = file_path(path, sizeof(path), "%s/vm/%s/%s", run_dir, s->name, name);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return err_set(e, r, "--kernel-from: '%s'", s->kernel_from);
	size_t size = (size_t)st.st_size;
	void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_set(e, -errno, "--kernel-from: '%s'", s->kernel_from);
	r = file_replace(path, data, size, 0600);
	(void)munmap(data, size);
	return r < 0 ? err_set(e, r, "write %s", path) : 0;
}

int libvirt_boot_place(const struct guest_spec *s, const char *run_dir, struct err *e)
{
	struct guest_files own = FILES_NONE, *f = s->files ? s->files : &own;

	if (!s->kernel_from)
		return 0;
	int r = s->files ? 0 : image_open(s, &own, e);
	r = r < 0 ? r : file_place(f->kernel.fd, LIBVIRT_KERNEL, s, run_dir, e);
	if (r == 0 && f->initrd >= 0)
		r = file_place(f->initrd, LIBVIRT_INITRD, s, run_dir, e);
	/* They are in memory as well. */
	fd_close(&f->kernel.fd);
	fd_close(&f->initrd);
	files_close(&own);
	return r;
}
