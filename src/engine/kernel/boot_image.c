/* SPDX-License-Identifier: MIT */
#include "engine/kernel/boot_image.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "engine/discard.h"
#include "engine/storage.h"
#include "program/installed.h"
#include "program/process.h"
#include "program/uid.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How it works
 *
 * Invariant: nothing of an image is interpreted here but the answer, whose size is fixed, and the
 * headers of an ELF file. The kernel and the initial RAM disk come in two files in memory, which
 * usher-image fills. Then it is dead, and the files are sealed: what was checked stays.
 */
#define IMAGE_NAME "usher-image"
#define IMAGE_MS 300000 /* usher-image limits itself to less; an emulated host is slow */

struct look {
	const char *path;
	const struct disk_image *image; /* NULL: the disk is @path */
	const char *run_dir;
	int disk, line, their_line;
	struct backend server; /* of an image: `disk` is the connection to it */
	struct uid_lease uid;
};

/* What the user named cannot be opened; or this host has no room for one more file. */
static int open_refuse(int r, struct err *e)
{
	(void)err_set(e, r, "open it");
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : -EINVAL;
}

static int disk_open_to_read(const char *path, struct err *e)
{
	struct stat st;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return open_refuse(-errno, e);
	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "stat it");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_say(e, -EINVAL, "it is neither a regular file nor a block device");
	return TAKE_FD(fd);
}

static int content_open(struct look *l, struct err *e)
{
	if (l->image) {
		int r = storage_show(&l->server, l->image, l->run_dir, e);
		l->disk = l->server.end;
		return r;
	}
	l->disk = disk_open_to_read(l->path, e);
	return l->disk < 0 ? l->disk : 0;
}

static int parts_open(struct look *l, struct boot_image *b, struct err *e)
{
	int line[2];

	int r = content_open(l, e);
	if (r < 0)
		return r;
	b->kernel = memfd_create("kernel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	b->initrd = memfd_create("initrd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r = b->kernel < 0 || b->initrd < 0 ? -errno : wire_pair(line);
	if (r < 0)
		return err_set(e, r, "prepare " IMAGE_NAME);
	l->line = line[0];
	l->their_line = line[1];
	/* Another user could not change to it, and is confined as the user that it is. */
	return geteuid() == 0 ? uid_reserve(l->run_dir, &l->uid, e) : 0;
}

static int look_start(
	struct look *l, const struct boot_image *b, struct process *ret, struct err *e)
{
	const int fds[] = {l->their_line, l->disk, b->kernel, b->initrd};
	cleanup_free struct program *p = calloc(1, sizeof(*p));
	char path[FILE_PATH_MAX];

	if (!p)
		return err_set(e, -ENOMEM, "start " IMAGE_NAME);
	int r = installed_find(IMAGE_NAME, "image", "USHER_IMAGE", path, sizeof(path), e);
	if (r < 0)
		return r;
	program_arg(p, "%s", path);
	for (size_t i = 0; i < COUNT(fds); i++) {
		program_arg(p, "%d", fds[i]);
		program_fd(p, fds[i]);
	}
	program_arg(p, "%u", l->uid.fd < 0 ? 0U : (unsigned)l->uid.uid);
	program_dir(p, "/");
	p->die_signal = SIGKILL;
	return process_start(p, ret, e);
}

static int answer_wait(struct look *l, struct wire_image *ret, struct err *e)
{
	struct pollfd line = {.fd = l->line, .events = POLLIN};
	int r;

	do
		r = poll(&line, 1, IMAGE_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return err_say(e, -EINVAL, "it takes too long to read: damaged, or made to harm");
	r = r < 0 ? -errno : wire_receive(l->line, ret, sizeof(*ret), NULL);
	if (r == 0)
		r = ret->header.kind == WIRE_IMAGE ? wire_image_check(ret) : -EBADMSG;
	return r;
}

/* @status: of usher-image, which has ended. @r: of its answer. */
static int answer_judge(int r, int status, const struct wire_image *m, struct err *e)
{
	if (r == -EPIPE && status > 128)
		return err_say(e, -EINVAL,
			"it is damaged, or made to harm: " IMAGE_NAME " died of it (%s)",
			strsignal(status - 128));
	if (r == -EPIPE)
		return err_say(e, -EINVAL, IMAGE_NAME " ended without an answer");
	if (r < 0)
		return e->msg[0] ? r : err_say(e, -EINVAL, IMAGE_NAME " gave no usable answer");
	if (m->code == 0)
		return 0;
	err_say(e, m->code == -ENOMEM || m->code == -ELIBACC ? m->code : -EINVAL, "%s", m->reason);
	if (m->hint[0])
		err_hint(e, "%s", m->hint);
	return e->code;
}

static int image_look(struct look *l, struct boot_image *b, struct err *e)
{
	struct process child;

	int r = look_start(l, b, &child, e);
	if (r < 0)
		return r;
	fd_close(&l->their_line);
	r = answer_wait(l, &b->found, e);
	/* It may be taken over, and not end. The status of one that has died stays. */
	(void)kill(child.pid, SIGKILL);
	const int status = process_reap(&child);
	/* It says only that its server has ended. */
	if (r == 0 && b->found.code == -EPIPE)
		r = backend_explain(&l->server, r, e);
	return answer_judge(r, status, &b->found, e);
}

/* Nobody changes the files any more. */
static int files_seal(struct boot_image *b, struct err *e)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

	if (fcntl(b->kernel, F_ADD_SEALS, seals) < 0 || fcntl(b->initrd, F_ADD_SEALS, seals) < 0)
		return err_set(e, -errno, "keep its kernel");
	if (!b->found.initrd[0])
		fd_close(&b->initrd);
	return 0;
}

static int image_open(struct look *l, struct boot_image *b, struct err *e)
{
	int r = parts_open(l, b, e);
	if (r < 0)
		return r;
	r = image_look(l, b, e);
	return r < 0 ? r : files_seal(b, e);
}

int boot_image_open(const char *path, const struct disk_image *image, const char *run_dir,
	struct boot_image *ret, struct err *e)
{
	struct look l = {.path = path,
		.image = image,
		.run_dir = run_dir,
		.disk = -1,
		.line = -1,
		.their_line = -1,
		.server = BACKEND_NONE,
		.uid = UID_LEASE_NONE};
	struct err own = {0};

	*ret = BOOT_IMAGE_NONE;
	int r = image_open(&l, ret, &own);
	discard_socket(&l.disk);
	fd_close(&l.line);
	fd_close(&l.their_line);
	backend_stop(&l.server);
	uid_release(&l.uid);
	if (r == 0)
		return 0;
	boot_image_close(ret);
	if (e)
		*e = own;
	return err_in(e, r, "--kernel-from: '%s'", path);
}

void boot_image_close(struct boot_image *b)
{
	fd_close(&b->kernel);
	fd_close(&b->initrd);
}
