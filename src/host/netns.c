/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * A macvlan, ipvlan or VLAN in a container's network namespace stands on an interface of ours, and
 * nothing here shows it: upper_* links in sysfs exist within one namespace only. The upper one
 * tells by rtnetlink, asked inside its own namespace: IFLA_LINK is the index of its lower one, and
 * IFLA_LINK_NETNSID says in which namespace that is, by a number that only the asked namespace
 * knows; RTM_GETNSID gives the number that stands for ours. An interface that was moved there as a
 * whole names its device.
 *
 * Invariant: this process never enters another namespace. A disposable child does, one namespace
 * after the other, and writes a record for each use of an interface of ours into a pipe. Before, it
 * asks our own one (host/netuse.c). It may hang for ever where a driver keeps the kernel's rtnl
 * lock; then it is left behind, and the answer is -ETIMEDOUT: it cannot be told.
 *
 * Namespaces are kept by processes, by mounts (ip-netns(8) makes such), which may be in another
 * mount namespace, and by open descriptors. A namespace is found by one of these, and entered by
 * it; if that is gone meanwhile, the search begins again.
 */
#include "host/netns.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/spawn.h"
#include "host/host.h"
#include "host/netuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 3000 /* for all namespaces; each takes some milliseconds at most */

/* A network namespace that is not ours. */
struct space {
	uint64_t inode;
	pid_t pid; /* of the first process in it; 0: none */
	char path[FILE_PATH_MAX]; /* by which it is opened */
};

struct spaces {
	struct host *host;
	uint64_t ours;
	dev_t device; /* of the file system of namespaces */
	size_t count;
	struct space *list;
	size_t view_count;
	uint64_t *views; /* mount namespaces whose mounts are read */
	int blind; /* first error that hid a process's namespace */
	bool missed; /* what a namespace was found by is gone */
};

/* A use of an interface of ours, seen in the namespace of that place in the list. */
struct record {
	uint32_t space; /* SPACE_OURS: our own; SPACE_END: the last record */
	int32_t error; /* of the last record: 0, -errno; of another one: it could not be entered */
	struct netuse use;
};

#define SPACE_END UINT32_MAX
#define SPACE_OURS (UINT32_MAX - 1)
#define TRIES 3 /* while processes come and go */

/* "net:[4026531840]", "mnt:[4026531841]" */
static bool inode_parse(const char *text, const char *kind, uint64_t *ret)
{
	char digits[24];
	size_t n = strcspn(text, "]"), k = strlen(kind);

	if (strncmp(text, kind, k) != 0 || strncmp(text + k, ":[", 2) != 0 || text[n] != ']' ||
		file_path(digits, sizeof(digits), "%.*s", (int)(n - k) - 2, text + k + 2) < 0)
		return false;
	return num_parse(digits, 10, UINT64_MAX, ret) == 0;
}

static int spaces_add(
	struct spaces *s, uint64_t inode, pid_t pid, const char *root, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].inode == inode)
			return 0;
	if (inode == s->ours)
		return 0;
	struct space *list = reallocarray(s->list, s->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	s->list = list;
	struct space *x = &list[s->count];
	*x = (struct space){.inode = inode, .pid = pid};
	if (file_path(x->path, sizeof(x->path), "%s%s", root, name) == 0)
		s->count++;
	return 0;
}

/*
 * "ID PARENT 0:4 net:[4026532281] /run/netns/x OPTIONS … - nsfs nsfs rw", in another's view or
 * ours.
 */
static int spaces_add_mounts(struct spaces *s, pid_t pid, const char *mountinfo, const char *root)
{
	cleanup_free char *text = NULL;
	char *rest = NULL;
	int r = 0;

	if (host_read_all(s->host, mountinfo, &text) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &rest); line && r == 0;
		line = strtok_r(NULL, "\n", &rest)) {
		char inode_text[32], where[256];
		uint64_t inode;

		if (strstr(line, " - nsfs ") &&
			sscanf(line, "%*s %*s %*s %31s %255s", inode_text, where) == 2 &&
			inode_parse(inode_text, "net", &inode))
			r = spaces_add(s, inode, pid, root, where);
	}
	return r;
}

/* The mounts of a process, unless those of its mount namespace are known. */
static int spaces_add_view(struct spaces *s, const char *pid)
{
	char path[FILE_PATH_MAX], root[FILE_PATH_MAX], target[64];
	uint64_t inode;

	if (file_path(path, sizeof(path), "/proc/%s/ns/mnt", pid) < 0 ||
		s->host->ops->link(s->host, path, target, sizeof(target)) < 0 ||
		!inode_parse(target, "mnt", &inode))
		return 0;
	for (size_t i = 0; i < s->view_count; i++)
		if (s->views[i] == inode)
			return 0;
	uint64_t *views = reallocarray(s->views, s->view_count + 1, sizeof(*views));
	if (!views)
		return -ENOMEM;
	s->views = views;
	views[s->view_count++] = inode;
	bool is_first = strcmp(pid, "self") == 0 || strcmp(pid, "1") == 0;
	if (file_path(path, sizeof(path), "/proc/%s/mountinfo", pid) < 0 ||
		file_path(root, sizeof(root), "/proc/%s/root", pid) < 0)
		return 0;
	return spaces_add_mounts(s, is_first ? 0 : (pid_t)strtol(pid, NULL, 10), path,
		strcmp(pid, "self") == 0 ? "" : root);
}

/* A process of the list /proc, and its descriptors. */
struct descriptors {
	struct spaces *spaces;
	const char *pid;
};

/*
 * Whether a path leads to a network namespace. A link's text does not tell: once the mount that it
 * was opened by is gone, it is "/".
 */
static bool is_namespace(const struct spaces *s, const char *path, uint64_t *ret)
{
	struct statx st;

	/* DONT_SYNC: a file may lie on a dead network file system. */
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &st) < 0 ||
		makedev(st.stx_dev_major, st.stx_dev_minor) != s->device)
		return false;
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	*ret = st.stx_ino;
	return fd >= 0 && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

static int spaces_add_descriptor(void *arg, const char *name)
{
	const struct descriptors *d = arg;
	struct spaces *s = d->spaces;
	char path[FILE_PATH_MAX];
	uint64_t inode;

	if (file_path(path, sizeof(path), "/proc/%s/fd/%s", d->pid, name) < 0 ||
		!is_namespace(s, path, &inode))
		return 0;
	return spaces_add(s, inode, (pid_t)strtol(d->pid, NULL, 10), "", path);
}

static bool is_process(const char *name)
{
	return *name && !name[strspn(name, "0123456789")];
}

static int spaces_add_process(void *arg, const char *pid)
{
	struct spaces *s = arg;
	char path[FILE_PATH_MAX], target[64];
	uint64_t inode;

	if (!is_process(pid) || file_path(path, sizeof(path), "/proc/%s/ns/net", pid) < 0)
		return 0;
	ssize_t n = s->host->ops->link(s->host, path, target, sizeof(target));
	if (n == -EACCES || n == -EPERM)
		s->blind = (int)n;
	if (n < 0 || !inode_parse(target, "net", &inode))
		return 0; /* it has ended, or its last thread is about to */
	return spaces_add(s, inode, (pid_t)strtol(pid, NULL, 10), "", path);
}

/* What a process keeps besides the namespace that it is in. */
static int spaces_add_kept(void *arg, const char *pid)
{
	struct spaces *s = arg;
	struct descriptors d = {s, pid};
	char path[FILE_PATH_MAX];

	if (!is_process(pid) || file_path(path, sizeof(path), "/proc/%s/fd", pid) < 0)
		return 0;
	int r = spaces_add_view(s, pid);
	if (r == 0)
		r = s->host->ops->list(s->host, path, spaces_add_descriptor, &d);
	return r == -ENOMEM ? r : 0; /* ended, or not ours to look at: see spaces_add_process() */
}

static int spaces_read(struct spaces *s)
{
	char target[64];
	struct stat st;

	ssize_t n = s->host->ops->link(s->host, "/proc/self/ns/net", target, sizeof(target));
	if (n < 0)
		return n == -ENOENT ? 0 : (int)n; /* a kernel without namespaces */
	if (!inode_parse(target, "net", &s->ours))
		return -EPROTO;
	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	s->device = st.st_dev;
	int r = s->host->ops->list(s->host, "/proc", spaces_add_process, s);
	if (r == 0)
		r = spaces_add_view(s, "self");
	return r < 0 ? r : s->host->ops->list(s->host, "/proc", spaces_add_kept, s);
}

/* Where the child's records go. */
struct writer {
	int out;
	uint32_t space;
};

static int record_write(void *arg, const struct netuse *use)
{
	const struct writer *w = arg;
	const struct record x = {.space = w->space, .use = *use};

	return fd_write_full(w->out, &x, sizeof(x));
}

static int space_enter(const struct space *x)
{
	cleanup_fd int fd = open(x->path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_ino != x->inode)
		return -ESRCH; /* that process has ended, and another one has its number */
	return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

/* Return: 0, also when what it was found by is gone, which the record says; -errno. */
static int space_ask(const struct spaces *s, uint32_t place, int ours, int out)
{
	struct writer w = {out, place};
	const struct netuse_report report = {record_write, &w};

	int r = space_enter(&s->list[place]);
	if (r == 0)
		return netuse_ask_other(ours, &report);
	if (r != -ENOENT && r != -ESRCH)
		return r;
	const struct record gone = {.space = place, .error = r};
	return fd_write_full(out, &gone, sizeof(gone));
}

/* Memory stays as it is: the process ends. */
static _Noreturn void child_run(const struct spaces *s, int out)
{
	struct record end = {.space = SPACE_END};
	struct writer w = {out, SPACE_OURS};
	const struct netuse_report report = {record_write, &w};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	spawn_keep_only(out);
	int r = netuse_ask_own(&report);
	int ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (r == 0 && ours < 0 && s->count)
		r = -errno;
	for (uint32_t i = 0; r >= 0 && i < s->count; i++)
		r = space_ask(s, i, ours, out);
	end.error = r;
	(void)fd_write_full(out, &end, sizeof(end));
	_exit(0);
}

static void owner_describe(const struct spaces *s, const struct space *x, struct host_net_use *ret)
{
	char path[FILE_PATH_MAX];
	struct stat st;

	ret->pid = x->pid;
	(void)snprintf(ret->owner, sizeof(ret->owner), "%.63s", x->path);
	if (!x->pid)
		return;
	ret->owner[0] = '\0';
	if (file_path(path, sizeof(path), "/proc/%d/comm", (int)x->pid) == 0)
		(void)host_read_text(s->host, path, ret->owner, sizeof(ret->owner));
	if (file_path(path, sizeof(path), "/proc/%d", (int)x->pid) == 0 && stat(path, &st) == 0)
		ret->uid = st.st_uid;
}

/* Return: false when the interface is gone. */
static bool use_describe(
	const struct spaces *s, const struct record *record, struct host_net_use *ret)
{
	const struct netuse *u = &record->use;

	*ret = (struct host_net_use){.kind = u->kind};
	if (u->kind != HOST_NET_AWAY && !if_indextoname(u->lower, ret->lower))
		return false;
	memcpy(ret->name, u->name, sizeof(ret->name));
	memcpy(ret->detail, u->detail, sizeof(ret->detail));
	if (record->space != SPACE_OURS)
		owner_describe(s, &s->list[record->space], ret);
	return true;
}

/* Hands on what the child writes until its last record. Return: 0, what @each returned, -errno. */
static int records_read(
	struct spaces *s, int in, int (*each)(void *arg, const struct host_net_use *u), void *arg)
{
	struct pollfd p = {.fd = in, .events = POLLIN};
	struct host_net_use use;
	struct record x;

	for (;;) {
		int r = poll(&p, 1, PATIENCE_MS);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r == 0 ? -ETIMEDOUT : -errno;
		r = fd_read_full(in, &x, sizeof(x));
		if (r < 0)
			return r;
		if (x.space == SPACE_END)
			return x.error;
		if (x.space >= s->count && x.space != SPACE_OURS)
			return -EPROTO;
		s->missed = s->missed || x.error;
		r = !x.error && use_describe(s, &x, &use) ? each(arg, &use) : 0;
		if (r)
			return r;
	}
}

static int spaces_ask(
	struct spaces *s, int (*each)(void *arg, const struct host_net_use *u), void *arg)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		child_run(s, ends[1]);
	int r = pid < 0 ? -errno : 0;
	(void)close(ends[1]);
	cleanup_fd int in = ends[0];
	if (r < 0)
		return r;
	r = records_read(s, in, each, arg);
	(void)kill(pid, SIGKILL);
	/* One that hangs dies when the kernel lets it, and is then init's. */
	while (waitpid(pid, NULL, r == -ETIMEDOUT ? WNOHANG : 0) < 0 && errno == EINTR)
		continue;
	return r;
}

/* Keeps the answers of one search, which another one may have to replace. */
struct answers {
	size_t count;
	struct host_net_use *list;
};

static int answers_add(void *arg, const struct host_net_use *u)
{
	struct answers *a = arg;
	struct host_net_use *list = reallocarray(a->list, a->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	a->list = list;
	list[a->count++] = *u;
	return 0;
}

static void spaces_free(struct spaces *s)
{
	free(s->list);
	free(s->views);
}

static int search_once(struct host *live, struct spaces *s, struct answers *a)
{
	*s = (struct spaces){.host = live};
	a->count = 0;
	int r = spaces_read(s);
	if (r == 0)
		r = spaces_ask(s, answers_add, a);
	spaces_free(s);
	return r;
}

int netns_uses(struct host *live, int (*each)(void *arg, const struct host_net_use *u), void *arg)
{
	struct answers a = {0};
	struct spaces s;
	int r = 0;

	for (unsigned i = 0; i < TRIES && (i == 0 || (r == 0 && s.missed)); i++)
		r = search_once(live, &s, &a);
	/* What was found counts, also when the rest cannot be told. */
	int x = r == -ENOMEM ? r : 0;
	for (size_t i = 0; x == 0 && i < a.count; i++)
		x = each(arg, &a.list[i]);
	free(a.list);
	if (x)
		return x;
	return r ? r : s.missed ? -EAGAIN : s.blind;
}

/* Ends the listing at a process that is in another namespace than @arg. */
static int process_is_elsewhere(void *arg, const char *pid)
{
	struct spaces *s = arg;
	char path[FILE_PATH_MAX], target[64];
	uint64_t inode;

	return is_process(pid) && file_path(path, sizeof(path), "/proc/%s/ns/net", pid) == 0 &&
	       s->host->ops->link(s->host, path, target, sizeof(target)) > 0 &&
	       inode_parse(target, "net", &inode) && inode != s->ours;
}

int netns_exist(struct host *live)
{
	struct spaces s = {.host = live};
	char target[64];

	ssize_t n = live->ops->link(live, "/proc/self/ns/net", target, sizeof(target));
	if (n < 0)
		return n == -ENOENT ? 0 : (int)n;
	if (!inode_parse(target, "net", &s.ours))
		return -EPROTO;
	int r = spaces_add_mounts(&s, 0, "/proc/self/mountinfo", "");
	if (r == 0)
		r = s.count ? 1 : live->ops->list(live, "/proc", process_is_elsewhere, &s);
	spaces_free(&s);
	return r;
}
