/* SPDX-License-Identifier: MIT */
#include "engine/net/passt.h"

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/net/nameserver.h"
#include "engine/said.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How it works
 *
 * passt makes its sockets, binds the forwarded ports, drops its rights, and only then writes its
 * process number: to a pipe of ours, so an end of file there means that it gave up. Why, it has
 * said on its standard error, a file of one page that cannot grow: nobody reads that of a passt
 * that runs, so what a guest makes it say ends nowhere, and does not hold it up.
 *
 * The pipe is its standard output: since 2024 passt closes all other descriptors but its socket.
 */
#define READY_MS 10000
#define SOCKET_ROOM (1 << 20) /* [bytes] for frames in each direction */

/* "2222:22,8080:80", all of one protocol. */
static void add_forwards(struct program *p, const char *option, const struct guest_net *n, bool udp)
{
	char text[SPEC_FORWARDS_MAX * sizeof("65535:65535,")];
	size_t used = 0;

	for (size_t i = 0; i < n->forward_count; i++) {
		const struct guest_forward *f = &n->forwards[i];
		if (f->udp == udp)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u:%u",
				used ? "," : "", f->host, f->guest);
	}
	if (!used)
		return;
	program_word(p, option);
	program_arg(p, "%s", text);
}

/* Without the host's loopback. */
static void add_nameservers(struct program *p)
{
	struct nameservers n;

	nameserver_find(&NAMESERVER_HOST, &n);
	for (unsigned i = 0; i < n.count; i++) {
		program_word(p, "--dns");
		program_arg(p, "%s", n.servers[i]);
	}
	if (!n.gateway[0])
		return;
	/* It answers there only if it takes that gateway itself. */
	static const char *const words[] = {"--gateway", "--dns-forward", "--dns"};
	for (size_t i = 0; i < COUNT(words); i++) {
		program_word(p, words[i]);
		program_arg(p, "%s", n.gateway);
	}
}

static void describe_passt(struct program *p, const struct guest_net *n, int fd)
{
	program_word(p, PASST);
	program_word(p, "--foreground");
	program_word(p, "--quiet");
	/* Without it the socket is a path, which somebody else could connect to first. */
	program_word(p, "--fd");
	program_arg(p, "%d", fd);
	program_fd(p, fd);
	program_word(p, "--pid");
	program_word(p, "/dev/fd/1");
	/* Else the gateway's address leads to every server of the host's loopback. */
	if (!n->host_loopback) {
		program_word(p, "--no-map-gw");
		add_nameservers(p);
	}
	add_forwards(p, "-t", n, false);
	add_forwards(p, "-u", n, true);
	if (n->mtu) {
		program_word(p, "-m");
		program_arg(p, "%u", n->mtu);
	}
	program_dir(p, "/");
	p->die_signal = SIGKILL;
}

/*
 * It opens the pipe by a path: as the user that it becomes, and since 2024 before that, as root
 * without the right to open everything.
 */
static int passt_give_user(
	struct passt *p, int ready, const char *run_dir, struct program *program, struct err *e)
{
	if (geteuid() != 0)
		return 0;
	int r = uid_reserve(run_dir, &p->uid, e);
	if (r < 0)
		return r;
	program_word(program, "--runas");
	program_arg(program, "%u:%u", (unsigned)p->uid.uid, (unsigned)p->uid.uid);
	if (fchown(ready, p->uid.uid, p->uid.uid) < 0 || fchmod(ready, 0622) < 0)
		return err_set(e, -errno, "start " PASST);
	return 0;
}

/* Beyond the host's limit only for root: the socket holds some dozens of long frames. */
static void socket_widen(int fd)
{
	const int size = SOCKET_ROOM;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int passt_start(struct passt *p, const struct guest_net *n, const char *run_dir, struct err *e)
{
	cleanup_free struct program *program = calloc(1, sizeof(*program));
	int ends[2], ready[2];

	if (!program)
		return err_set(e, -ENOMEM, "start " PASST);
	p->words = said_open(PASST);
	if (p->words < 0)
		return err_set(e, p->words, "make a file for what " PASST " says");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_set(e, -errno, "make a socket for " PASST);
	cleanup_fd int ours = ends[0];
	cleanup_fd int theirs = ends[1];
	socket_widen(ours);
	socket_widen(theirs);
	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_set(e, -errno, "make a pipe for " PASST);
	p->ready = ready[0];
	cleanup_fd int told = ready[1];
	describe_passt(program, n, theirs);
	program->stdout_fd = told;
	program->stderr_fd = p->words;
	program->cgroup = p->cgroup;
	int r = passt_give_user(p, told, run_dir, program, e);
	if (r == 0)
		r = process_start(program, &p->process, e);
	return r < 0 ? r : TAKE_FD(ours);
}

static int report_end(const struct passt *p, struct err *e)
{
	char text[256];

	said_last(p->words, text, sizeof(text));
	return err_say(e, -EIO, PASST " does not start: %s", text);
}

int passt_await(struct passt *p, struct err *e)
{
	struct pollfd f = {.fd = p->ready, .events = POLLIN};
	char digit;
	int r;

	if (p->ready < 0)
		return 0;
	do
		r = poll(&f, 1, READY_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return err_say(e, -ETIMEDOUT, PASST " does not start: no answer within %d s",
			READY_MS / 1000);
	if (read(p->ready, &digit, 1) != 1)
		return report_end(p, e);
	fd_close(&p->ready);
	fd_close(&p->words);
	return 0;
}

void passt_stop(struct passt *p)
{
	if (p->process.pid) {
		(void)kill(p->process.pid, SIGKILL);
		(void)process_reap(&p->process);
		p->process.pid = 0;
	}
	fd_close(&p->ready);
	fd_close(&p->words);
	if (p->uid.fd >= 0)
		uid_release(&p->uid);
}
