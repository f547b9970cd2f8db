/* SPDX-License-Identifier: MIT */
/*
 * How it works
 *
 * A macvlan, ipvlan or VLAN in a container's network namespace stands on an interface of ours, and
 * nothing here shows it: upper_* links in sysfs exist within one namespace only. The upper one
 * tells by rtnetlink, asked inside its own namespace: IFLA_LINK is the index of its lower one, and
 * IFLA_LINK_NETNSID says in which namespace that is, by a number that only the asked namespace
 * knows; RTM_GETNSID gives the number that stands for ours.
 *
 * Invariant: this process never enters another namespace. A disposable child does, one namespace
 * after the other, and writes a record for each interface that stands on one of ours into a pipe.
 * It may hang for ever where a driver keeps the kernel's rtnl lock; then it is left behind, and the
 * answer is -ETIMEDOUT: it cannot be told.
 *
 * Namespaces are found by /proc/PID/ns/net, and those that no process is in by their mounts
 * (ip-netns(8) makes such). One that is kept by an open descriptor alone is not found.
 */
#include "host/netns.h"

#include "base/clean.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/spawn.h"
#include "host/host.h"
#include "host/rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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
	size_t count;
	struct space *list;
	int blind; /* first error that hid a process's namespace */
};

/* An interface in the namespace of that place in the list. The last record has SPACE_END. */
struct record {
	uint32_t space;
	int32_t error; /* of the last record: 0, -errno */
	uint32_t lower; /* index in our namespace */
	char name[IF_NAMESIZE];
};

#define SPACE_END UINT32_MAX

/* "net:[4026531840]" */
static bool inode_parse(const char *text, uint64_t *ret)
{
	char digits[24];
	size_t n = strcspn(text, "]");

	if (strncmp(text, "net:[", 5) != 0 || n < 5 || text[n] != ']' ||
		file_path(digits, sizeof(digits), "%.*s", (int)n - 5, text + 5) < 0)
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

static int spaces_add_process(void *arg, const char *pid)
{
	struct spaces *s = arg;
	char path[FILE_PATH_MAX], target[64];
	uint64_t inode;

	if (!*pid || pid[strspn(pid, "0123456789")] ||
		file_path(path, sizeof(path), "/proc/%s/ns/net", pid) < 0)
		return 0;
	ssize_t n = s->host->ops->link(s->host, path, target, sizeof(target));
	if (n == -EACCES || n == -EPERM)
		s->blind = (int)n;
	if (n < 0 || !inode_parse(target, &inode))
		return 0; /* it has ended, or its last thread is about to */
	return spaces_add(s, inode, (pid_t)strtol(pid, NULL, 10), "", path);
}

/*
 * "ID PARENT 0:4 net:[4026532281] /run/netns/x OPTIONS … - nsfs nsfs rw", in another's view or
 * ours.
 */
static int spaces_add_mounts(struct spaces *s, const char *mountinfo, const char *root)
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
			inode_parse(inode_text, &inode))
			r = spaces_add(s, inode, 0, root, where);
	}
	return r;
}

static int spaces_read(struct spaces *s)
{
	char target[64];

	ssize_t n = s->host->ops->link(s->host, "/proc/self/ns/net", target, sizeof(target));
	if (n < 0)
		return n == -ENOENT ? 0 : (int)n; /* a kernel without namespaces */
	if (!inode_parse(target, &s->ours))
		return -EPROTO;
	int r = s->host->ops->list(s->host, "/proc", spaces_add_process, s);
	if (r < 0)
		return r;
	r = spaces_add_mounts(s, "/proc/self/mountinfo", "");
	return r < 0 ? r : spaces_add_mounts(s, "/proc/1/mountinfo", "/proc/1/root");
}

/* What the child has found in one namespace so far. */
struct found {
	size_t count;
	struct rtnl_link *list;
};

static int found_add(void *arg, const struct nlmsghdr *m)
{
	struct found *f = arg;
	struct rtnl_link link;

	if (!rtnl_link_read(m, &link) || !link.has_lower_netns)
		return 0;
	struct rtnl_link *list = reallocarray(f->list, f->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	f->list = list;
	list[f->count++] = link;
	return 0;
}

static int netns_hear(void *arg, const struct nlmsghdr *m)
{
	rtnl_netns_read(m, arg);
	return 0;
}

/* In the namespace at @place: writes a record for each interface that stands on one of @ours. */
static int space_ask(uint32_t place, int ours, int out)
{
	uint8_t request[RTNL_REQUEST_MAX] __attribute__((aligned(8)));
	struct found found = {0};
	int32_t number = -1;

	/* First the links: an answer about one gives our namespace a number where it had none. */
	rtnl_ask_links(request);
	int r = rtnl_talk(request, found_add, &found);
	if (r < 0 || found.count == 0)
		return r;
	rtnl_ask_netns(request, ours);
	r = rtnl_talk(request, netns_hear, &number);
	for (size_t i = 0; r == 0 && number >= 0 && i < found.count; i++) {
		const struct rtnl_link *link = &found.list[i];
		struct record x = {.space = place, .lower = link->lower};

		if (link->lower_netns != number)
			continue;
		memcpy(x.name, link->name, sizeof(x.name));
		r = fd_write_full(out, &x, sizeof(x));
	}
	return r;
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

/* Memory stays as it is: the process ends. */
static _Noreturn void child_run(const struct spaces *s, int out)
{
	struct record end = {.space = SPACE_END};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	spawn_keep_only(out);
	int ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = ours < 0 ? -errno : 0;
	for (uint32_t i = 0; r >= 0 && i < s->count; i++) {
		r = space_enter(&s->list[i]);
		if (r == 0)
			r = space_ask(i, ours, out);
		if (r == -ENOENT || r == -ESRCH)
			r = 0; /* it is gone, with all that was in it */
	}
	end.error = r;
	(void)fd_write_full(out, &end, sizeof(end));
	_exit(0);
}

static void upper_describe(
	const struct spaces *s, const struct record *record, struct host_net_upper *ret)
{
	const struct space *x = &s->list[record->space];
	char path[FILE_PATH_MAX];
	struct stat st;

	*ret = (struct host_net_upper){.pid = x->pid};
	if (!if_indextoname(record->lower, ret->lower))
		ret->lower[0] = '\0';
	memcpy(ret->name, record->name, sizeof(ret->name));
	(void)snprintf(ret->owner, sizeof(ret->owner), "%.63s", x->path);
	if (!x->pid)
		return;
	ret->owner[0] = '\0';
	if (file_path(path, sizeof(path), "/proc/%d/comm", (int)x->pid) == 0)
		(void)host_read_text(s->host, path, ret->owner, sizeof(ret->owner));
	if (file_path(path, sizeof(path), "/proc/%d", (int)x->pid) == 0 && stat(path, &st) == 0)
		ret->uid = st.st_uid;
}

/* Hands on what the child writes until its last record. Return: 0, what @each returned, -errno. */
static int records_read(const struct spaces *s, int in,
	int (*each)(void *arg, const struct host_net_upper *u), void *arg)
{
	struct pollfd p = {.fd = in, .events = POLLIN};
	struct host_net_upper upper;
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
		if (x.space >= s->count)
			return -EPROTO;
		upper_describe(s, &x, &upper);
		r = upper.lower[0] ? each(arg, &upper) : 0;
		if (r)
			return r;
	}
}

static int spaces_ask(
	const struct spaces *s, int (*each)(void *arg, const struct host_net_upper *u), void *arg)
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

int netns_uppers(
	struct host *live, int (*each)(void *arg, const struct host_net_upper *u), void *arg)
{
	struct spaces s = {.host = live};

	int r = spaces_read(&s);
	if (r == 0 && s.count)
		r = spaces_ask(&s, each, arg);
	free(s.list);
	return r ? r : s.blind;
}
