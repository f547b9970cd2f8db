/* SPDX-License-Identifier: MIT */
#include "engine/tpm.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/belongings.h"
#include "engine/spec.h"
#include "program/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define END_MS 3000

int tpm_check(struct err *e)
{
	const struct command c = command_seek(TPM_PROGRAM, NULL);

	if (c.code == 0)
		return 0;
	(void)command_report(&c, TPM_PROGRAM, geteuid(), e);
	err_hint(e, "install swtpm: the guest's TPM is this program");
	return -ENOENT;
}

/*
 * QEMU 7.2 with SeaBIOS: an ELF kernel finds its ACPI tables overwritten if there is a TPM, and
 * boots without ACPI. A bzImage does not.
 */
int tpm_check_kernel(const struct guest_spec *s, int fd, struct err *e)
{
	char magic[4] = "";

	if (!s->tpm || s->firmware > GUEST_FIRMWARE_BIOS || fd < 0 ||
		fd_pread_full(fd, magic, sizeof(magic), 0) < 0 ||
		memcmp(magic, "\177ELF", sizeof(magic)) != 0)
		return 0;
	err_say(e, -EINVAL, "--tpm: QEMU starts no ELF kernel beside a TPM%s",
		s->kernel_from ? ", and that of the disk is unpacked" : "");
	err_hint(e, "boot by --firmware uefi, or give --kernel a bzImage");
	return -EINVAL;
}

/*
 * swtpm's user of this start owns the state. Its user of the last one was another; nobody but root
 * enters the folder above, so that one cannot come back to it.
 */
static int state_give(int folder, uid_t uid)
{
	const struct dirent *entry;
	struct stat st;
	int r = fchown(folder, uid, uid) < 0 ? -errno : 0;
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		r = -errno;
		fd_close(&fd);
		return r;
	}
	while (r == 0 && (entry = readdir(d))) {
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode))
			continue;
		r = fchownat(fd, entry->d_name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	}
	return r;
}

/* Return: descriptor of the folder with the state, -errno. */
static int state_open(const char *name, struct err *e)
{
	char path[FILE_PATH_MAX];

	int r = belongings_path(name, "tpm", path, sizeof(path), e);
	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "--tpm: make '%s'", path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_set(e, -errno, "--tpm: open '%s'", path) : fd;
}

static int tpm_confine(struct tpm *t, const char *run_dir, int state, struct err *e)
{
	int ends[2];

	if (geteuid() != 0)
		return 0;
	int r = uid_reserve(run_dir, &t->uid, e);
	if (r < 0)
		return r;
	r = state_give(state, t->uid.uid);
	if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
		r = -errno;
	if (r < 0)
		return err_set(e, r, "--tpm: prepare the user of " TPM_PROGRAM);
	t->confine.alive_fd = ends[0];
	t->lifeline = ends[1];
	t->confine.uid = t->confine.gid = t->uid.uid;
	t->confine.read_only = true;
	t->confine.no_network = true;
	return 0;
}

/* It reaches its state by the descriptor: its user may not enter the folders above. */
static void describe_tpm(struct program *p, int channel, int state)
{
	program_word(p, TPM_PROGRAM);
	program_word(p, "socket");
	program_word(p, "--tpm2");
	program_word(p, "--terminate");
	program_word(p, "--ctrl");
	program_arg(p, "type=unixio,clientfd=%d", channel);
	program_fd(p, channel);
	program_word(p, "--tpmstate");
	program_arg(p, "dir=/proc/self/fd/%d,mode=0600", state);
	program_fd(p, state);
	program_env(p, "HOME=/");
	program_env(p, "TMPDIR=" MOUNTS_SCRATCH);
	program_keep(p, "PATH");
	program_dir(p, "/");
	p->die_signal = SIGKILL;
	/* QEMU ends first, and tells it to write its state. */
	p->own_group = true;
}

int tpm_start(struct tpm *t, const char *name, const char *run_dir, struct err *e)
{
	cleanup_free struct program *program = calloc(1, sizeof(*program));
	int ends[2];

	if (!program)
		return err_set(e, -ENOMEM, "start " TPM_PROGRAM);
	cleanup_fd int state = state_open(name, e);
	if (state < 0)
		return state;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(e, -errno, "make a socket for " TPM_PROGRAM);
	cleanup_fd int ours = ends[0];
	cleanup_fd int theirs = ends[1];
	int r = tpm_confine(t, run_dir, state, e);
	if (r < 0)
		return r;
	describe_tpm(program, theirs, state);
	program->confine = t->lifeline < 0 ? NULL : &t->confine;
	r = process_start(program, &t->process, e);
	fd_close(&t->confine.alive_fd);
	return r < 0 ? r : TAKE_FD(ours);
}

void tpm_stop(struct tpm *t)
{
	struct pollfd f = {.fd = t->process.pidfd, .events = POLLIN};

	if (t->process.pid) {
		if (poll(&f, 1, END_MS) == 0)
			(void)kill(t->process.pid, SIGKILL);
		(void)process_reap(&t->process);
		t->process.pid = 0;
	}
	fd_close(&t->confine.alive_fd);
	fd_close(&t->lifeline);
	if (t->uid.fd >= 0)
		uid_release(&t->uid);
}
