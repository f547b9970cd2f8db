/* SPDX-License-Identifier: MIT */
#include "daemon/fetch.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "control/client.h"
#include "control/purpose.h"
#include "control/value.h"
#include "daemon/question.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* One message of the child, with the descriptors: the container's first, or the connection. */
struct fetched {
	int code; /* 0, -errno */
	size_t count;
	struct pci_address addresses[CONTROL_GIVEN_MAX];
	char why[1024];
};

struct fetch {
	struct daemon *daemon;
	int fd;
	pid_t pid;
	sd_event_source *source, *child;
	char name[64]; /* of the lease or guest */
	uid_t user; /* whose lease it has to be */
	const struct kept *asked; /* over usherd's own connection; NULL: by the child */
	const struct control_purpose *purpose; /* of a connection to a guest; NULL: a lease */
	void (*borrowed)(void *arg, const struct borrowed *b, const char *why);
	void (*connected)(void *arg, int fd, const char *why);
	void *arg;
};

union given_room {
	struct cmsghdr head;
	char room[CMSG_SPACE(CONTROL_GIVEN_MAX * sizeof(int))];
};

static void result_send(int fd, struct fetched *f, const struct borrowed *b)
{
	union given_room given = {0};
	struct iovec part = {.iov_base = f, .iov_len = sizeof(*f)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	int *fds = (int *)(void *)CMSG_DATA(&given.head);

	if (f->code == 0) {
		m.msg_control = &given;
		m.msg_controllen = CMSG_SPACE((b->count + 1) * sizeof(int));
		given.head.cmsg_level = SOL_SOCKET;
		given.head.cmsg_type = SCM_RIGHTS;
		given.head.cmsg_len = CMSG_LEN((b->count + 1) * sizeof(int));
		fds[0] = b->container;
		memcpy(fds + 1, b->devices, b->count * sizeof(int));
	}
	(void)sendmsg(fd, &m, MSG_NOSIGNAL);
}

/* The greeting is read here, so that whoever gets the connection begins with a request. */
static int guest_connect(
	const char *run_dir, const struct fetch *f, struct borrowed *ret, struct err *e)
{
	struct control_link link = CONTROL_LINK_NONE;

	*ret = BORROWED_NONE;
	int r = control_connect(run_dir, f->name, &link, e);
	if (r == 0)
		r = control_ask(&link, f->purpose->restriction, NULL, e);
	/* A keeper of an earlier usher serves all of it to anybody. */
	if (r == -EINVAL)
		(void)err_say(e, r, "guest '%s' runs by an earlier version of usher", f->name);
	if (r == 0)
		ret->container = TAKE_FD(link.fd);
	control_disconnect(&link);
	return r;
}

__attribute__((noreturn)) static void child_main(
	const char *run_dir, const struct fetch *what, int fd)
{
	struct fetched f = {0};
	struct borrowed b;
	struct err e = {0};

	f.code = what->purpose ? guest_connect(run_dir, what, &b, &e)
			       : borrow_descriptors_as(run_dir, what->name, what->user, &b, &e);
	(void)snprintf(f.why, sizeof(f.why), "%s%s%s", e.msg, e.hint[0] ? "\nhint: " : "", e.hint);
	f.count = b.count;
	memcpy(f.addresses, b.addresses, sizeof(f.addresses));
	result_send(fd, &f, &b);
	_exit(0);
}

/* Return: whether the child has sent something that makes sense. */
static bool result_receive(int fd, struct fetched *f, struct borrowed *ret)
{
	union given_room given;
	struct iovec part = {.iov_base = f, .iov_len = sizeof(*f)};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &given,
		.msg_controllen = sizeof(given)};

	if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != sizeof(*f))
		return false;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (f->code)
		return true;
	if (!c || f->count >= CONTROL_GIVEN_MAX ||
		c->cmsg_len != CMSG_LEN((f->count + 1) * sizeof(int)))
		return false;
	memcpy(&ret->container, CMSG_DATA(c), sizeof(int));
	memcpy(ret->devices, CMSG_DATA(c) + sizeof(int), f->count * sizeof(int));
	memcpy(ret->addresses, f->addresses, sizeof(ret->addresses));
	ret->count = f->count;
	return true;
}

static void fetch_tell(const struct fetch *f, const struct borrowed *b, const char *why)
{
	if (f->purpose)
		f->connected(f->arg, b ? b->container : -1, why);
	else
		f->borrowed(f->arg, b, why);
}

static int on_result(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	static struct fetched got;
	struct fetch *f = arg;
	struct borrowed b = BORROWED_NONE;

	const bool sent = result_receive(fd, &got, &b);
	if (sent && got.code == 0)
		fetch_tell(f, &b, NULL);
	else
		fetch_tell(f, NULL, sent ? got.why : "its keeper has not sent its descriptors");
	borrowed_close(&b);
	f->source = sd_event_source_disable_unref(f->source);
	fd_close(&f->fd);
	return 0;
}

static int on_child(sd_event_source *source, const siginfo_t *si, void *arg)
{
	struct fetch *f = arg;

	/* What it has sent is in the socket. */
	if (f->source)
		(void)on_result(NULL, f->fd, 0, f);
	(void)sd_event_source_disable_unref(f->child);
	free(f);
	return 0;
}

static int fetch_begin(struct daemon *d, const struct fetch *what)
{
	struct fetch *f = calloc(1, sizeof(*f));
	int ends[2];

	if (!f)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		free(f);
		return -errno;
	}
	*f = *what;
	f->fd = ends[0];
	f->pid = fork();
	if (f->pid == 0)
		child_main(d->run_dir, f, ends[1]);
	int r = f->pid < 0 ? -errno : 0;
	(void)close(ends[1]);
	if (r >= 0)
		r = sd_event_add_child(d->event, &f->child, f->pid, WEXITED, on_child, f);
	if (r >= 0)
		r = sd_event_add_io(d->event, &f->source, f->fd, EPOLLIN, on_result, f);
	if (r >= 0)
		return 0;
	(void)sd_event_source_disable_unref(f->child);
	if (f->pid > 0) {
		(void)kill(f->pid, SIGKILL);
		(void)waitpid(f->pid, NULL, 0); /* no source does it now */
	}
	fd_close(&f->fd);
	free(f);
	return r;
}

/* The one that was asked is still connected: it hangs, and a child would wait for it once more. */
static bool keeper_hangs(const struct fetch *f)
{
	return kept_lease(f->daemon, f->name) == f->asked;
}

/*
 * question_call. A keeper that ends does not answer, or refuses. Another one may have its name and
 * folder already, before usherd has noticed the end of the first one: a child asks whoever is
 * there.
 */
static void on_descriptors(void *arg, const struct control_value *answer, int *fds, size_t fd_count)
{
	struct borrowed b = BORROWED_NONE;
	struct fetch *f = arg;

	if (answer && borrowed_take(answer, fds, fd_count, &b) == 0) {
		fetch_tell(f, &b, NULL);
	} else if (!answer && keeper_hangs(f)) {
		fetch_tell(f, NULL, "its keeper does not answer");
	} else {
		int r = fetch_begin(f->daemon, f);
		if (r < 0)
			fetch_tell(f, NULL, strerror(-r));
	}
	borrowed_close(&b);
	free(f);
}

static int descriptors_ask(struct kept *k, const struct fetch *what)
{
	struct fetch *f = malloc(sizeof(*f));

	if (!f)
		return -ENOMEM;
	*f = *what;
	f->asked = k;
	int r = question_send(k, "descriptors", on_descriptors, f);
	if (r < 0)
		free(f);
	return r;
}

int fetch_descriptors(struct daemon *d, const char *name, uid_t user,
	void (*done)(void *arg, const struct borrowed *b, const char *why), void *arg)
{
	struct fetch what = {.daemon = d, .user = user, .borrowed = done, .arg = arg};
	struct kept *k = kept_lease(d, name);

	(void)snprintf(what.name, sizeof(what.name), "%s", name);
	return k && descriptors_ask(k, &what) == 0 ? 0 : fetch_begin(d, &what);
}

int fetch_connection(struct daemon *d, const char *name, const struct control_purpose *purpose,
	void (*done)(void *arg, int fd, const char *why), void *arg)
{
	struct fetch what = {.purpose = purpose, .connected = done, .arg = arg};

	(void)snprintf(what.name, sizeof(what.name), "%s", name);
	return fetch_begin(d, &what);
}
