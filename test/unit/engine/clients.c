/* SPDX-License-Identifier: MIT */
/* Clients of a keeper that has no descriptor left for them. */
#include "engine/clients.h"

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/usher-clients-XXXXXX";
static struct clients clients = CLIENTS_NONE;

static void listen_here(void)
{
	char path[64];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/socket", folder);
	ck_assert_int_eq(clients_listen(&clients, path), 0);
}

static void leave(void)
{
	clients_close(&clients);
	ck_assert_int_eq(rmdir(folder), 0);
}

static int client_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", clients.path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* One turn of the keeper's loop. Return: whether there was something to do. */
static bool serve_once(void)
{
	const struct wire_event state = {0};
	struct pollfd fds[CLIENTS_MAX + 1];
	size_t count = clients_poll(&clients, fds);

	if (poll(fds, count, 0) == 0)
		return false;
	ck_assert_int_eq(clients_serve(&clients, fds, count, &state), 0);
	return true;
}

/* No descriptor may have a number above those that are open now. */
static void exhaust_descriptors(void)
{
	const struct rlimit before = {.rlim_cur = 64, .rlim_max = 64};

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (dup(STDIN_FILENO) >= 0)
		;
	ck_assert_int_eq(errno, EMFILE);
}

START_TEST(hears_that_no_descriptor_is_left)
{
	struct wire_event ev;

	listen_here();
	int fd = client_connect();
	exhaust_descriptors();
	ck_assert(serve_once());
	ck_assert_int_eq(wire_receive(fd, &ev, sizeof(ev), NULL), 0);
	ck_assert_uint_eq(ev.event, WIRE_EVENT_FAILED);
	ck_assert_int_eq(ev.number, -EMFILE);
	ck_assert_str_eq(ev.text, "the keeper takes no client: Too many open files");
	ck_assert(!serve_once());
	ck_assert_int_ge(clients.spare_fd, 0);
	(void)close(fd);
	leave();
}
END_TEST

/* The keeper does not turn in circles meanwhile. */
START_TEST(waits_until_another_client_leaves)
{
	listen_here();
	int first = client_connect();
	ck_assert(serve_once());
	ck_assert_uint_eq(clients.count, 1);
	int second = client_connect();
	(void)close(clients.spare_fd);
	clients.spare_fd = -1;
	exhaust_descriptors();
	ck_assert(serve_once());
	ck_assert(!serve_once());
	(void)shutdown(first, SHUT_RDWR);
	ck_assert(serve_once());
	ck_assert_uint_eq(clients.count, 0);
	ck_assert(serve_once());
	ck_assert_uint_eq(clients.count, 1);
	(void)close(first);
	(void)close(second);
	leave();
}
END_TEST

SUITE("engine_clients", hears_that_no_descriptor_is_left, waits_until_another_client_leaves)
