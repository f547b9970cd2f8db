/* SPDX-License-Identifier: MIT */
/* The ports of a virtio console behind its registers: peers that come and leave, and odd chains. */
#include "console_rig.h"

#include <errno.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

static char folder[] = "/tmp/usher-console-XXXXXX";

/* A socket that listens at @name in the folder of the test. */
static int listener(const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	ck_assert_ptr_nonnull(mkdtemp(strcpy(folder, "/tmp/usher-console-XXXXXX")));
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%s", folder, name);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)ret, sizeof(*ret)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static int visit(const struct sockaddr_un *at)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	serve();
	return fd;
}

/* Three ports: a socket, a pseudo terminal, and one for viewers. */
static struct sockaddr_un place;
static char terminal[64];

static void start_ports(void)
{
	spec_prepare();
	spec.console = CONSOLE_SERIAL;
	spec.port_count = 3;
	const int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	const int door = inotify_init1(IN_NONBLOCK);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, terminal, sizeof(terminal)), 0);
	struct termios settings;
	const int slave = open(terminal, O_RDWR | O_NOCTTY);
	ck_assert_int_eq(tcgetattr(slave, &settings), 0);
	cfmakeraw(&settings);
	ck_assert_int_eq(tcsetattr(slave, TCSANOW, &settings), 0);
	(void)close(slave);
	ck_assert_int_ge(inotify_add_watch(door, terminal, IN_OPEN), 0);
	spec.ports[0] = (struct virtio_port_spec){.name = "agent",
		.peer = {.kind = CONSOLE_PEER_SOCKET,
			.fd = listener("agent", &place),
			.door_fd = -1}};
	spec.ports[1] = (struct virtio_port_spec){
		.name = "line", .peer = {.kind = CONSOLE_PEER_PTY, .fd = master, .door_fd = door}};
	spec.ports[2] = (struct virtio_port_spec){
		.name = "chat", .peer = {.kind = CONSOLE_PEER_NONE, .fd = -1, .door_fd = -1}};
	start();
	choose(CONSOLE);
	ck_assert_uint_eq(reg_get(VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG(max_nr_ports), 4), 3);
	ck_assert_uint_eq(common_get(COMMON(num_queues), 2), 8);
	set_up(BIT64(VIRTIO_CONSOLE_F_MULTIPORT));
}

static void finish_ports(void)
{
	finish();
	(void)unlink(place.sun_path);
	(void)rmdir(folder);
}

/* The last message is this one. */
static void heard(uint32_t id, uint16_t event, uint16_t value)
{
	const uint8_t *m = (const uint8_t *)received(CONTROL_IN);

	ck_assert_uint_eq(le32_get(m), id);
	ck_assert_uint_eq(le16_get(m + 4), event);
	ck_assert_uint_eq(le16_get(m + 6), value);
}

static void open_port(uint32_t port)
{
	for (int i = 0; i < 5; i++)
		buffer_list(CONTROL_IN, 256, true);
	control_send(port, VIRTIO_CONSOLE_PORT_READY, 1);
	control_send(port, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

START_TEST(ports_follow_who_comes_and_leaves)
{
	start_ports();
	open_port(0);
	heard(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
	for (int i = 0; i < 3; i++) {
		int peer = visit(&place);
		buffer_list(CONTROL_IN, 256, true);
		serve();
		heard(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
		send_text(OUT(0), "to the peer");
		ck_assert_str_eq(from(peer), "to the peer");
		/* What it says before it leaves is the guest's, also when that is late. */
		ck_assert_int_eq((int)write(peer, "last words", 10), 10);
		(void)close(peer);
		serve();
		heard(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
		buffer_list(IN(0), 256, true);
		serve();
		ck_assert_str_eq(received(IN(0)), "last words");
		buffer_list(CONTROL_IN, 256, true);
		serve();
		heard(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
	}
	/* To nobody: it is dropped, and the guest goes on. */
	for (int i = 0; i < 100; i++)
		send_text(OUT(0), "to nobody");
	ck_assert_uint_eq(used_index(OUT(0)), 103);
	finish_ports();
}
END_TEST

START_TEST(ports_wait_for_a_slow_peer)
{
	static char noise[STEP];
	uint16_t before = 0;

	start_ports();
	open_port(0);
	const int peer = visit(&place);
	for (int i = 0; i < RING_SIZE; i++)
		buffer_list(OUT(0), sizeof(noise), false);
	for (int i = 0; i < 100; i++)
		serve();
	before = used_index(OUT(0));
	for (int i = 0; i < 10; i++)
		serve();
	/* It stands still, without a loss, and the console does not. */
	ck_assert_uint_lt(before, RING_SIZE);
	ck_assert_uint_eq(used_index(OUT(0)), before);
	size_t all = 0;
	while (all < RING_SIZE * sizeof(noise)) {
		ssize_t got = recv(peer, noise, sizeof(noise), MSG_DONTWAIT);
		all += got > 0 ? (size_t)got : 0;
		serve();
	}
	ck_assert_uint_eq(used_index(OUT(0)), RING_SIZE);
	(void)close(peer);
	finish_ports();
}
END_TEST

START_TEST(ports_have_a_pseudo_terminal)
{
	start_ports();
	open_port(1);
	heard(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	buffer_list(IN(1), 256, true);
	for (int i = 0; i < 3; i++) {
		const int slave = open(terminal, O_RDWR | O_NOCTTY);
		buffer_list(CONTROL_IN, 256, true);
		serve();
		heard(1, VIRTIO_CONSOLE_PORT_OPEN, 1);
		send_text(OUT(1), "no line");
		ck_assert_str_eq(from(slave), "no line");
		ck_assert_int_eq((int)write(slave, "typed", 5), 5);
		/* The kernel hands it on by a worker of its own. */
		for (unsigned ms = 0; used_index(IN(1)) != (unsigned)i + 1; ms++) {
			ck_assert_uint_lt(ms, 20000);
			(void)usleep(1000);
			serve();
		}
		ck_assert_str_eq(received(IN(1)), "typed");
		(void)close(slave);
		buffer_list(IN(1), 256, true);
		buffer_list(CONTROL_IN, 256, true);
		serve();
		heard(1, VIRTIO_CONSOLE_PORT_OPEN, 0);
	}
	finish_ports();
}
END_TEST

START_TEST(ports_are_shown)
{
	int ends[2], typing[2];

	start_ports();
	open_port(2);
	heard(2, VIRTIO_CONSOLE_PORT_OPEN, 1);
	send_text(OUT(2), "before");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, typing), 0);
	ck_assert_int_eq(virtio_ports_show(machine.ports, 2, ends[0], true), 0);
	ck_assert_str_eq(from(ends[1]), "before");
	ck_assert_int_eq(virtio_ports_show(machine.ports, 2, typing[0], false), 0);
	send_text(OUT(2), "after");
	ck_assert_str_eq(from(ends[1]), "after");
	ck_assert_int_eq((int)write(ends[1], "nothing", 7), 7);
	ck_assert_int_eq((int)write(typing[1], "text", 4), 4);
	buffer_list(IN(2), 256, true);
	serve();
	ck_assert_str_eq(received(IN(2)), "text");
	/* A viewer counts as somebody, at a port that has a peer as well. */
	for (int i = 0; i < 3; i++)
		buffer_list(CONTROL_IN, 256, true);
	control_send(0, VIRTIO_CONSOLE_PORT_READY, 1);
	heard(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
	ck_assert_int_eq(virtio_ports_show(machine.ports, 0, dup(ends[0]), true), 0);
	serve();
	heard(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	ck_assert_int_eq(virtio_ports_show(machine.ports, 3, dup(ends[0]), true), -ENOENT);
	ck_assert_int_eq(virtio_ports_show(NULL, 0, dup(ends[0]), true), -ENOENT);
	finish_ports();
}
END_TEST

/* Whatever the driver lists: nothing breaks, and nothing goes on for ever. */
START_TEST(ports_take_odd_chains)
{
	start_ports();
	open_port(0);
	const int peer = visit(&place);
	/* Of no bytes; outside RAM; one that begins in RAM and ends beyond it. */
	buffer_list(OUT(0), 0, false);
	descriptor_put(OUT(0), 1, UINT64_C(1) << 40, 64, 0, 0);
	listed[OUT(0)] = 1;
	chain_list(OUT(0), 1);
	descriptor_put(OUT(0), 2, MIB(16) - 2, 64, 0, 0);
	chain_list(OUT(0), 2);
	serve();
	ck_assert_uint_eq(used_index(OUT(0)), 3);
	/* A message that is short, empty, in pieces, or too long. */
	control_send(0, VIRTIO_CONSOLE_PORT_OPEN, 0);
	for (uint32_t len = 0; len < 8; len++)
		buffer_list(CONTROL_OUT, len, false);
	buffer_list(CONTROL_OUT, STEP, false);
	serve();
	ck_assert_uint_eq(used_index(CONTROL_OUT), 12);
	/* A buffer to write to where a message should be, and the other way round. */
	buffer_list(CONTROL_OUT, 64, true);
	buffer_list(CONTROL_IN, 64, false);
	buffer_list(CONTROL_IN, 7, true);
	buffer_list(IN(0), 0, true);
	buffer_list(IN(0), 64, false);
	ck_assert_int_eq((int)write(peer, "text", 4), 4);
	control_send(0, VIRTIO_CONSOLE_PORT_READY, 1);
	control_send(0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	ck_assert_uint_eq(used_index(IN(0)), 2);
	buffer_list(IN(0), 64, true);
	serve();
	ck_assert_str_eq(received(IN(0)), "text");
	/* Ports that do not exist. */
	control_send(3, VIRTIO_CONSOLE_PORT_READY, 1);
	control_send(UINT32_MAX, VIRTIO_CONSOLE_PORT_OPEN, 1);
	ck_assert_uint_eq(common_get(COMMON(device_status), 1), GOING);
	send_text(OUT(0), "still here");
	ck_assert_str_eq(from(peer), "still here");
	(void)close(peer);
	finish_ports();
}
END_TEST

START_TEST(ports_forget_chains_at_a_reset)
{
	start_ports();
	open_port(0);
	int peer = visit(&place);
	buffer_list(IN(0), 256, true);
	serve();
	set_up(BIT64(VIRTIO_CONSOLE_F_MULTIPORT));
	/* The driver that was reset has not opened it: what comes waits. */
	ck_assert_int_eq((int)write(peer, "early", 5), 5);
	serve();
	ck_assert_uint_eq(used_index(IN(0)), 0);
	open_port(0);
	buffer_list(IN(0), 256, true);
	serve();
	ck_assert_str_eq(received(IN(0)), "early");
	/* A driver that knows one port has it open, and no messages. */
	set_up(0);
	serve();
	buffer_list(IN(0), 256, true);
	ck_assert_int_eq((int)write(peer, "plain", 5), 5);
	serve();
	ck_assert_str_eq(received(IN(0)), "plain");
	(void)close(peer);
	finish_ports();
}
END_TEST

RIG_SUITE("virtio_ports", ports_follow_who_comes_and_leaves, ports_wait_for_a_slow_peer,
	ports_have_a_pseudo_terminal, ports_are_shown, ports_take_odd_chains,
	ports_forget_chains_at_a_reset)
