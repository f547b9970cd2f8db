/* SPDX-License-Identifier: MIT */
#include "vmm/walls/namespace.h"

#include "base/clean.h"
#include "base/num.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * How it works
 *
 * The program and its libraries are mapped by now, so it needs no file any more. Its root becomes
 * an empty file system, read-only, of a mount namespace that has nothing else: the old root is
 * moved onto the same place and then detached.
 */

/* A capability in the new namespace suffices for all others, and reaches nothing of the host. */
int namespace_enter_user(void)
{
	return geteuid() == 0 || unshare(CLONE_NEWUSER) == 0 ? 0 : -errno;
}

int namespace_enter_network(void)
{
	return unshare(CLONE_NEWNET) < 0 ? -errno : 0;
}

/* EINVAL: this kernel has neither System V IPC nor message queues. */
int namespace_enter_ipc(void)
{
	return unshare(CLONE_NEWIPC) == 0 || errno == EINVAL ? 0 : -errno;
}

int namespace_enter_names(void)
{
	return unshare(CLONE_NEWUTS) < 0 ? -errno : 0;
}

/* Mounts the empty file system where a folder is. Return: 0, and it is the working folder. */
static int mount_empty(void)
{
	static const char *const folders[] = {"/proc", "/sys", "/dev", "/tmp", "/run", "/usr"};
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int r = -ENOENT;

	for (size_t i = 0; i < COUNT(folders); i++) {
		if (mount("empty", folders[i], "tmpfs", flags, "size=4k,nr_inodes=1,mode=0111") ==
			0)
			return chdir(folders[i]) < 0 ? -errno : 0;
		r = -errno;
	}
	return r;
}

/*
 * The kernel has no pivot_root(2) from its own first file system, the initramfs. There the new root
 * is moved over the old one, which nobody reaches without CAP_SYS_CHROOT.
 */
static int root_change(void)
{
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) < 0 ? -errno : 0;
	if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -errno;
	return 0;
}

int namespace_enter_empty_root(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	/* Or the host would see these mounts. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	int r = mount_empty();
	if (r == 0)
		r = root_change();
	return r < 0 || chdir("/") == 0 ? r : -errno;
}

/* linux/landlock.h, which has had more fields with each version of the ABI. */
struct ruleset {
	uint64_t files, network, scopes;
};

#define RIGHT_TRUNCATE (UINT64_C(1) << 14) /* since version 3 */

static int ruleset_enter(const struct ruleset *all, size_t size)
{
	cleanup_fd int fd = (int)syscall(SYS_landlock_create_ruleset, all, size, 0U);

	return fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0U) < 0 ? -errno : 0;
}

int namespace_bar_truncation(void)
{
	const struct ruleset one = {.files = RIGHT_TRUNCATE};
	long version = syscall(
		SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	return version < 3 ? -EOPNOTSUPP : ruleset_enter(&one, sizeof(one.files));
}

/*
 * A ruleset without a rule permits nothing of what it handles: no file by path; since version 4 no
 * TCP port, and since version 6 no abstract socket and no signal of another process.
 */
int namespace_bar_paths(void)
{
	long version = syscall(
		SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1)
		return version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP) ? 1 : -errno;
	unsigned rights = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
	const struct ruleset all = {
		.files = (UINT64_C(1) << rights) - 1, .network = 3, .scopes = 3};

	return ruleset_enter(&all, version >= 6 ? 24 : version >= 4 ? 16 : 8);
}
