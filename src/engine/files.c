/* SPDX-License-Identifier: MIT */
#include "engine/files.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/output.h"
#include "bind/bind.h"
#include "engine/disk/image.h"
#include "engine/image_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Failures of this host, or of usher; all others come from what the user gave. */
static int whose_fault(int r)
{
	static const int ours[] = {ENOMEM, ELIBACC, EMFILE, ENFILE, ENOSPC};

	for (size_t i = 0; i < COUNT(ours); i++)
		if (r == -ours[i])
			return r;
	return r < 0 ? -EINVAL : r;
}

static int open_kernel(const struct guest_spec *s, struct guest_files *f, struct err *e)
{
	int r = kernel_open(s->kernel, &f->kernel, e);

	if (r < 0)
		return whose_fault(r);
	r = vmlinux_read(f->kernel.fd, &f->image, e);
	return r < 0 ? whose_fault(err_in(e, r, "--kernel: '%s'", s->kernel)) : 0;
}

static int open_initrd(const struct guest_spec *s, struct guest_files *f, struct err *e)
{
	struct stat st;

	f->initrd = spec_open_file("--initrd", s->initrd, e);
	if (f->initrd < 0)
		return f->initrd;
	if (fstat(f->initrd, &st) < 0)
		return err_set(e, -errno, "--initrd: stat '%s'", s->initrd);
	f->initrd_size = (uint64_t)st.st_size;
	return f->initrd_size ? 0 : err_say(e, -EINVAL, "--initrd: '%s' is empty", s->initrd);
}

/* The guest's disk that brings the kernel. Return: NULL if it is none of them. */
static const struct disk *disk_of_kernel(const struct guest_spec *s, const struct guest_files *f)
{
	for (size_t i = 0; i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_BLK &&
			strcmp(s->virtio[i].disk.path, s->kernel_from) == 0)
			return &f->disks[i];
	return NULL;
}

/* Only the user says what format an image has: a guest may have written its first bytes. */
static int format_check(const char *path, struct err *e)
{
	const struct image_format *f = NULL;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	/* What it is else, boot_image_open() says. */
	if (fd < 0 || image_format_read(fd, &f) < 0 || !f || strcmp(f->name, "raw") == 0)
		return 0;
	err_say(e, -EINVAL, "--kernel-from: '%s' looks like a %s image", path, f->name);
	if (disk_image_is_format(f->name))
		err_hint(e, "if it is one, name it as a disk: --disk %s,format=%s", path, f->name);
	else
		err_hint(e, "qemu-img convert -O raw makes a raw one of it");
	return -EINVAL;
}

/* Its two files take the places of those that --kernel and --initrd name. */
static int open_image(const struct guest_spec *s, struct guest_files *f, struct err *e)
{
	struct stat st = {0};

	const struct disk *d = disk_of_kernel(s, f);
	int r = d ? 0 : format_check(s->kernel_from, e);
	if (r < 0)
		return r;
	r = boot_image_open(s->kernel_from, d ? d->image : NULL, BIND_STATE_DIR, &f->boot, e);
	if (r < 0)
		return r;
	f->kernel.fd = TAKE_FD(f->boot.kernel);
	f->initrd = TAKE_FD(f->boot.initrd);
	(void)file_path(f->kernel.path, sizeof(f->kernel.path), "%s", f->boot.found.kernel);
	r = vmlinux_read(f->kernel.fd, &f->image, e);
	if (r < 0)
		return whose_fault(
			err_in(e, r, "--kernel-from: '%s': '%s'", s->kernel_from, f->kernel.path));
	if (f->initrd < 0)
		return 0;
	if (fstat(f->initrd, &st) < 0)
		return err_set(e, -errno, "--kernel-from: '%s'", s->kernel_from);
	f->initrd_size = (uint64_t)st.st_size;
	return f->initrd_size ? 0
			      : err_say(e, -EINVAL, "--kernel-from: '%s': '%s' is empty",
					s->kernel_from, f->boot.found.initrd);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
		return a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * The guest's earlier disk that is the same file as disk @i. Return: NULL: none is, or all of them
 * only read it.
 */
static const struct guest_disk *find_twin(const struct guest_spec *s, size_t i)
{
	const struct guest_disk *d = &s->virtio[i].disk;
	struct stat mine, other;

	if (stat(d->path, &mine) < 0)
		return NULL;
	for (size_t n = 0; n < i; n++) {
		const struct guest_disk *o = &s->virtio[n].disk;
		if (s->virtio[n].type != GUEST_VIRTIO_BLK || (d->readonly && o->readonly))
			continue;
		if (stat(o->path, &other) == 0 && is_same_file(&mine, &other))
			return o;
	}
	return NULL;
}

/* The guest's lent device that disk @i is on: sysfs has a disk below its PCI function, or NULL. */
static const struct guest_device *find_controller(const struct guest_spec *s, size_t i)
{
	char path[64], target[FILE_PATH_MAX] = "", function[PCI_ADDRESS_TEXT + 2];
	char address[PCI_ADDRESS_TEXT];
	struct stat st;

	if (stat(s->virtio[i].disk.path, &st) < 0 || !S_ISBLK(st.st_mode))
		return NULL;
	(void)snprintf(
		path, sizeof(path), "/sys/dev/block/%u:%u", major(st.st_rdev), minor(st.st_rdev));
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return NULL;
	for (size_t n = 0; n < s->device_count; n++) {
		(void)snprintf(function, sizeof(function), "/%s/",
			pci_address_format(s->devices[n].address, address));
		if (strstr(target, function))
			return &s->devices[n];
	}
	return NULL;
}

/* The claim would say that another guest has it, and the gate that usher itself has. */
static int open_disk(const struct guest_spec *s, size_t i, struct disk *ret, struct err *e)
{
	const struct guest_disk *twin = find_twin(s, i);
	const struct guest_device *whole = find_controller(s, i);
	char address[PCI_ADDRESS_TEXT];

	if (whole) {
		err_say(e, -EINVAL, "--disk: '%s' is a disk of %s, which the guest gets itself",
			s->virtio[i].disk.path, pci_address_format(whole->address, address));
		err_hint(e, "leave out --disk, or --device");
		return -EINVAL;
	}
	if (!twin)
		return disk_open(&s->virtio[i].disk, ret, e);
	err_say(e, -EINVAL, "--disk: '%s' is the guest's already, as '%s'", s->virtio[i].disk.path,
		twin->path);
	err_hint(e, "give each disk once; disks that the guest only reads (,ro) may be the same");
	return -EINVAL;
}

int files_open(const struct guest_spec *s, struct guest_files *ret, struct err *e)
{
	*ret = FILES_NONE;
	int r = s->kernel ? open_kernel(s, ret, e) : 0;
	if (r == 0 && s->initrd)
		r = open_initrd(s, ret, e);
	for (size_t i = 0; r == 0 && i < s->device_count; i++) {
		if (!s->devices[i].rom[0])
			continue;
		ret->roms[i] = spec_open_file("--device: rom", s->devices[i].rom, e);
		r = ret->roms[i] < 0 ? ret->roms[i] : 0;
	}
	for (size_t i = 0; r == 0 && i < s->virtio_count; i++)
		if (s->virtio[i].type == GUEST_VIRTIO_BLK)
			r = open_disk(s, i, &ret->disks[i], e);
	/* Now the disk is the guest's, and nobody else changes it. */
	return r == 0 && s->kernel_from ? open_image(s, ret, e) : r;
}

int files_check_disks(const struct guest_spec *s, struct err *e)
{
	struct disk d = DISK_NONE;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->virtio_count; i++) {
		if (s->virtio[i].type != GUEST_VIRTIO_BLK)
			continue;
		r = open_disk(s, i, &d, e);
		disk_close(&d);
	}
	return r;
}

int files_open_output(const struct guest_spec *s, struct guest_files *ret, struct err *e)
{
	if (!s->stats_file)
		return 0;
	ret->stats = output_open("statistics", s->stats_file, 0644, e);
	return ret->stats < 0 ? -EINVAL : 0;
}

int files_check_output(const struct guest_spec *s, struct err *e)
{
	char folder[FILE_PATH_MAX];
	struct stat st;

	if (!s->stats_file)
		return 0;
	if (file_path(folder, sizeof(folder), "%s", s->stats_file) < 0)
		return err_say(e, -EINVAL, "--stats: the path is too long");
	if (stat(folder, &st) < 0)
		(void)file_path(folder, sizeof(folder), "%.*s.",
			(int)(file_base(s->stats_file) - s->stats_file), s->stats_file);
	else if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		return err_say(e, -EINVAL, "--stats: '%s' is a %s", s->stats_file,
			S_ISDIR(st.st_mode) ? "folder" : "disk");
	if (access(folder, W_OK) == 0)
		return 0;
	(void)err_set(e, -errno, "--stats: write '%s'", s->stats_file);
	return -EINVAL;
}

void files_close(struct guest_files *f)
{
	kernel_close(&f->kernel);
	boot_image_close(&f->boot);
	fd_close(&f->initrd);
	for (size_t i = 0; i < COUNT(f->roms); i++)
		fd_close(&f->roms[i]);
	for (size_t i = 0; i < COUNT(f->disks); i++)
		disk_close(&f->disks[i]);
	fd_close(&f->stats);
}

void files_leave(const struct guest_spec *s)
{
	if (s->files)
		files_close(s->files);
}
