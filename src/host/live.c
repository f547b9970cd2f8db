/* SPDX-License-Identifier: MIT */
#include "base/clean.h"
#include "base/file.h"
#include "host/host.h"
#include "host/inet.h"
#include "host/locked.h"
#include "host/netns.h"
#include "host/rtnl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SYSLOG_READ_ALL 3 /* SYSLOG_ACTION_READ_ALL of linux/syslog.h, which is not a UAPI header */

static ssize_t live_read(struct host *h, const char *path, void *buf, size_t size)
{
	if (locked_attribute(path))
		return locked_read(path, buf, size);
	/*
	 * read(2) on the node returns one message; klogctl() returns the newest @size bytes at
	 * once.
	 */
	if (strcmp(path, HOST_KERNEL_LOG) == 0) {
		int n = klogctl(SYSLOG_READ_ALL, buf, size > INT_MAX ? INT_MAX : (int)size);
		return n < 0 ? -errno : n;
	}
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	/*
	 * One read(2) returns a whole sysfs attribute, so a short one is its end. Files of /proc
	 * come in pages, and only an empty read is their end.
	 */
	bool whole = strncmp(path, "/sys/", 5) == 0;
	while (len < size) {
		ssize_t n = read(fd, (char *)buf + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (n == 0 || whole)
			break;
	}
	return (ssize_t)len;
}

static ssize_t live_link(struct host *h, const char *path, char *buf, size_t size)
{
	ssize_t len = readlink(path, buf, size);

	if (len < 0)
		return -errno;
	if ((size_t)len >= size)
		return -ENAMETOOLONG;
	buf[len] = '\0';
	return len;
}

static int live_list(
	struct host *h, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	cleanup_dir DIR *dir = opendir(path);
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0) {
		errno = 0;
		struct dirent *d = readdir(dir);
		if (!d)
			return -errno;
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = each(arg, d->d_name);
	}
	return r;
}

static int64_t live_changed(struct host *h, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static int live_node(struct host *h, const char *path, struct host_node *ret)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return -ENODEV;
	*ret = (struct host_node){st.st_mode & 07777, st.st_uid, st.st_gid};
	return 0;
}

static int live_block_busy(struct host *h, const char *disk)
{
	char path[FILE_PATH_MAX];

	if (strchr(disk, '/'))
		return -EINVAL;
	int r = file_path(path, sizeof(path), "/dev/%s", disk);
	if (r < 0)
		return r;
	/*
	 * O_EXCL without O_CREAT requests the exclusive claim that mounts, swap, md, dm, zfs and
	 * btrfs hold (bd_prepare_to_claim() in the kernel). With O_NONBLOCK, an empty removable
	 * drive does not wait for its medium.
	 */
	cleanup_fd int fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		return 0;
	return errno == EBUSY ? 1 : -errno;
}

static int live_number(struct host *h, const char *path, struct host_number *ret)
{
	struct statx st;

	/* DONT_SYNC: a path may lead to a dead network file system. */
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return -errno;
	ret->kind = S_ISBLK(st.stx_mode)   ? HOST_NUMBER_BLOCK
		    : S_ISCHR(st.stx_mode) ? HOST_NUMBER_CHAR
					   : HOST_NUMBER_FILE;
	ret->dev = ret->kind == HOST_NUMBER_FILE ? makedev(st.stx_dev_major, st.stx_dev_minor)
						 : makedev(st.stx_rdev_major, st.stx_rdev_minor);
	return 0;
}

static int live_loop(struct host *h, const char *name, struct host_number *ret)
{
	char path[FILE_PATH_MAX];
	struct loop_info64 info;

	int r = file_path(path, sizeof(path), "/dev/%s", name);
	if (r < 0)
		return r;
	cleanup_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return -errno;
	/* The kernel and the C library encode numbers alike, up to the kernel's largest major. */
	ret->kind = info.lo_rdevice ? HOST_NUMBER_BLOCK : HOST_NUMBER_FILE;
	ret->dev = info.lo_rdevice ? info.lo_rdevice : info.lo_device;
	return 0;
}

#define THREADS_MAX ((size_t)256 * 1024) /* [bytes] of /proc/2/task/2/children */

struct walk {
	int (*each)(void *arg, const struct host_holder *o);
	void *arg;
	int blind; /* error that hid a process from us */
	char *threads; /* " 2 3 17 …": kernel threads; NULL: unknown */
};

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* Fills in user and name of a process. Only for one that has a node open: it takes two calls. */
static void holder_identify(int fd_dir, struct host_holder *o)
{
	struct stat st;

	if (fstatat(fd_dir, "..", &st, 0) == 0)
		o->uid = st.st_uid;
	cleanup_fd int fd = openat(fd_dir, "../comm", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, o->comm, sizeof(o->comm) - 1);
	o->comm[len < 0 ? 0 : len] = '\0';
	o->comm[strcspn(o->comm, "\n")] = '\0';
}

/* Memory devices and pseudo terminals: majors of devices.txt without hardware behind them. */
static bool is_without_hardware(const struct statx *st)
{
	unsigned m = st->stx_rdev_major;

	return S_ISCHR(st->stx_mode) && (m == 1 || (m >= 136 && m <= 143));
}

static int walk_process(const struct walk *w, const char *pid)
{
	struct host_holder o = {.pid = (pid_t)strtol(pid, NULL, 10)};
	char path[FILE_PATH_MAX];
	int r = 0;

	if (file_path(path, sizeof(path), "/proc/%s/fd", pid) < 0)
		return 0;
	cleanup_dir DIR *dir = opendir(path);
	if (!dir)
		return -errno;
	int fd = dirfd(dir);
	for (struct dirent *d = readdir(dir); d && r == 0; d = readdir(dir)) {
		struct statx st;
		if (!is_number(d->d_name))
			continue;
		/* DONT_SYNC: a file may lie on a dead network file system. */
		if (statx(fd, d->d_name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0) {
			/*
			 * Root without CAP_SYS_PTRACE can list descriptors, but not look at them.
			 */
			if (errno == EACCES || errno == EPERM)
				return -errno;
			continue;
		}
		if ((!S_ISCHR(st.stx_mode) && !S_ISBLK(st.stx_mode)) || is_without_hardware(&st))
			continue;
		o.is_block = S_ISBLK(st.stx_mode);
		o.rdev = makedev(st.stx_rdev_major, st.stx_rdev_minor);
		if (!o.comm[0])
			holder_identify(fd, &o);
		r = w->each(w->arg, &o);
	}
	return r;
}

/*
 * Most processes are kernel threads, which have nothing open: skip them. They are the children of
 * kthreadd, process 2, which has no program. In a container, process 2 may be any process; without
 * CONFIG_PROC_CHILDREN the list is unknown. Programs that the kernel starts, as modprobe, are
 * children of kthreadd, too, and are skipped.
 */
static void threads_read(struct walk *w)
{
	static const char path[] = "/proc/2/task/2/children";
	char exe;

	if (readlink("/proc/2/exe", &exe, 1) >= 0 || errno != ENOENT)
		return;
	char *text = malloc(THREADS_MAX);
	ssize_t len = text ? live_read(NULL, path, text + 1, THREADS_MAX - 2) : -1;
	if (len <= 0 || len == THREADS_MAX - 2) {
		free(text);
		return;
	}
	text[0] = ' ';
	text[len + 1] = '\0';
	w->threads = text;
}

static bool is_kernel_thread(const struct walk *w, const char *pid)
{
	char word[16];

	if (!w->threads || file_path(word, sizeof(word), " %s ", pid) < 0)
		return false;
	return strstr(w->threads, word) || strcmp(pid, "2") == 0;
}

static int walk_name(void *arg, const char *name)
{
	struct walk *w = arg;

	if (!is_number(name) || is_kernel_thread(w, name))
		return 0;
	int r = walk_process(w, name);
	/* A process that ended meanwhile holds nothing. */
	if (r == -ENOENT || r == -ESRCH)
		return 0;
	if (r == -EACCES || r == -EPERM) {
		w->blind = r;
		return 0;
	}
	return r;
}

static int live_holders(
	struct host *h, int (*each)(void *arg, const struct host_holder *o), void *arg)
{
	struct walk w = {.each = each, .arg = arg};

	threads_read(&w);
	int r = live_list(h, "/proc", walk_name, &w);
	free(w.threads);
	return r ? r : w.blind;
}

struct functions {
	int (*each)(void *arg, const struct host_vf *vf);
	void *arg;
};

static int hear_functions(void *arg, const struct nlmsghdr *m)
{
	const struct functions *f = arg;

	return rtnl_each_function(m, f->each, f->arg);
}

static int live_functions(struct host *h, const char *interface,
	int (*each)(void *arg, const struct host_vf *vf), void *arg)
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));
	struct functions f = {each, arg};

	unsigned index = if_nametoindex(interface);
	if (!index)
		return -errno;
	rtnl_ask_functions(request, (int)index);
	return rtnl_talk(request, hear_functions, &f);
}

static const struct host_ops live_ops = {
	.read = live_read,
	.link = live_link,
	.list = live_list,
	.changed = live_changed,
	.block_busy = live_block_busy,
	.holders = live_holders,
	.node = live_node,
	.number = live_number,
	.loop = live_loop,
	.addresses = inet_addresses,
	.uppers = netns_uppers,
	.functions = live_functions,
};

struct host *host_live(void)
{
	static struct host live = {.ops = &live_ops};

	return &live;
}
