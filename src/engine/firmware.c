/* SPDX-License-Identifier: MIT */
#include "engine/firmware.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/belongings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIABLES_MAX (16 << 20) /* [bytes] those of OVMF have half a MiB */

static const char *const names[] = {
	[GUEST_FIRMWARE_NONE] = "none",
	[GUEST_FIRMWARE_BIOS] = "bios",
	[GUEST_FIRMWARE_UEFI] = "uefi",
	[GUEST_FIRMWARE_UEFI_SECURE] = "uefi-secure",
};

#define ARCH "/usr/share/edk2/x64/"

/* Where distributions have OVMF: Debian and Ubuntu, Fedora, Arch, openSUSE. */
static const struct place {
	enum guest_firmware kind;
	const char *code, *variables;
} places[] = {
	{GUEST_FIRMWARE_UEFI, "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
	{GUEST_FIRMWARE_UEFI, "/usr/share/edk2/ovmf/OVMF_CODE.fd",
		"/usr/share/edk2/ovmf/OVMF_VARS.fd"},
	{GUEST_FIRMWARE_UEFI, ARCH "OVMF_CODE.4m.fd", ARCH "OVMF_VARS.4m.fd"},
	{GUEST_FIRMWARE_UEFI, "/usr/share/qemu/ovmf-x86_64-4m-code.bin",
		"/usr/share/qemu/ovmf-x86_64-4m-vars.bin"},
	{GUEST_FIRMWARE_UEFI_SECURE, "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
		"/usr/share/OVMF/OVMF_VARS_4M.ms.fd"},
	{GUEST_FIRMWARE_UEFI_SECURE, "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd",
		"/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"},
	{GUEST_FIRMWARE_UEFI_SECURE, ARCH "OVMF_CODE.secboot.4m.fd",
		ARCH "OVMF_VARS.secboot.4m.fd"},
	{GUEST_FIRMWARE_UEFI_SECURE, "/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin",
		"/usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin"},
};

int firmware_parse(const char *text, enum guest_firmware *ret)
{
	for (size_t i = 0; i < COUNT(names); i++) {
		if (strcmp(names[i], text) == 0) {
			*ret = (enum guest_firmware)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *firmware_name(enum guest_firmware kind)
{
	return names[kind];
}

static bool is_uefi(enum guest_firmware kind)
{
	return kind == GUEST_FIRMWARE_UEFI || kind == GUEST_FIRMWARE_UEFI_SECURE;
}

static int place_find(enum guest_firmware kind, const struct place **ret, struct err *e)
{
	for (size_t i = 0; i < COUNT(places); i++) {
		const struct place *p = &places[i];
		if (p->kind != kind || access(p->code, R_OK) < 0 || access(p->variables, R_OK) < 0)
			continue;
		*ret = p;
		return 0;
	}
	err_say(e, -ENOENT, "--firmware: this host has no OVMF for '%s'", names[kind]);
	/* Arch has that code, and empty variables, into which somebody has to put the keys. */
	if (kind == GUEST_FIRMWARE_UEFI_SECURE &&
		access(ARCH "OVMF_CODE.secboot.4m.fd", R_OK) == 0) {
		err_hint(e, "virt-fw-vars --input " ARCH "OVMF_VARS.4m.fd --output " ARCH
			    "OVMF_VARS.secboot.4m.fd --enroll-redhat --secure-boot");
		return -ENOENT;
	}
	err_hint(e, "install OVMF; usher looks in /usr/share/OVMF, /usr/share/edk2 and "
		    "/usr/share/qemu");
	return -ENOENT;
}

int firmware_find(enum guest_firmware kind, struct firmware_place *ret, struct err *e)
{
	const struct place *p;

	*ret = (struct firmware_place){0};
	if (!is_uefi(kind))
		return 0;
	int r = place_find(kind, &p, e);
	if (r == 0)
		*ret = (struct firmware_place){.code = p->code, .variables = p->variables};
	return r;
}

int firmware_check(enum guest_firmware kind, struct err *e)
{
	struct firmware_place p;

	return firmware_find(kind, &p, e);
}

static int template_read(const char *path, char **ret, size_t *ret_size, struct err *e)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "--firmware: open '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > VARIABLES_MAX)
		return err_say(e, -EINVAL, "--firmware: '%s' has no variables", path);
	cleanup_free char *data = malloc((size_t)st.st_size);
	if (!data)
		return err_set(e, -ENOMEM, "--firmware");
	int r = fd_pread_full(fd, data, (size_t)st.st_size, 0);
	if (r < 0)
		return err_set(e, r, "--firmware: read '%s'", path);
	*ret_size = (size_t)st.st_size;
	*ret = data;
	data = NULL;
	return 0;
}

/* Another firmware of the host may have a larger store: the old one is nothing to it. */
static int size_check(int fd, const char *path, size_t size, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "--firmware: '%s'", path);
	if (S_ISREG(st.st_mode) && (size_t)st.st_size == size)
		return 0;
	err_say(e, -EINVAL, "--firmware: '%s' is not of this host's firmware: it has not %zu bytes",
		path, size);
	err_hint(e, "move it away; usher then makes new variables, without boot entries");
	return -EINVAL;
}

int firmware_open(enum guest_firmware kind, const char *name, struct firmware *ret, struct err *e)
{
	const struct place *p;
	char path[FILE_PATH_MAX], file[40];
	cleanup_free char *data = NULL;
	size_t size = 0;

	*ret = (struct firmware){.variables = -1};
	if (!is_uefi(kind))
		return 0;
	int r = place_find(kind, &p, e);
	if (r < 0)
		return r;
	(void)file_path(file, sizeof(file), "%s.vars", names[kind]);
	r = belongings_path(name, file, path, sizeof(path), e);
	if (r < 0)
		return r;
	r = template_read(p->variables, &data, &size, e);
	if (r < 0)
		return r;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		r = file_replace(path, data, size, 0600);
	cleanup_fd int fd = r < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(e, r < 0 ? r : -errno, "--firmware: open '%s'", path);
	r = size_check(fd, path, size, e);
	if (r < 0)
		return r;
	*ret = (struct firmware){.code = p->code, .variables = TAKE_FD(fd)};
	return 0;
}
