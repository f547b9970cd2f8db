/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_CONSOLE_PEER_H
#define VMM_VIRTIO_CONSOLE_PEER_H

#include "vmm/loop.h"
#include "vmm/outbox.h"
#include "vmm/virtio/console_port.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * Who is at the host's end of a port: whoever connects to a socket, or opens a pseudo terminal; a
 * file; this process's standard input and output; or nobody but viewers.
 *
 * How it works. A socket and a pseudo terminal never block: without room for output the port waits,
 * and the guest with it. A file and standard output may block, so an outbox writes them
 * (vmm/outbox.h); when that is full, the port waits likewise. While nobody is there, output is
 * dropped, as from an unplugged line. One peer at a time: a second one waits until the first one
 * leaves.
 *
 * What a peer has written before it left still reaches the guest; then the peer counts as gone.
 *
 * Context: main thread, without a lock.
 */
enum console_peer_kind {
	CONSOLE_PEER_NONE,
	CONSOLE_PEER_SOCKET, /* fd: it listens */
	CONSOLE_PEER_PTY, /* fd: the master, which does not block; door: an inotify of the slave */
	CONSOLE_PEER_FILE, /* fd: open for writing */
	CONSOLE_PEER_STDIO,
};

struct console_peer_spec {
	enum console_peer_kind kind;
	int fd; /* -1: none; taken over, and so is door_fd */
	int door_fd;
	uint64_t limit; /* [bytes] of a file; what follows is dropped */
};

struct console_peer {
	struct console_end end;
	struct console_peer_spec spec;
	struct loop *loop;
	const char *guest, *name; /* for messages */
	/*
	 * There is input, or room, or somebody has come or left. Context: main thread; that of an
	 * outbox for room.
	 */
	void (*changed)(struct console_peer *p);
	bool present; /* somebody is there */
	bool hung; /* it has left, and what it wrote is still to be read */
	bool silent; /* it writes no more, and reads on */
	bool wants_input, wants_room;
	uint64_t written; /* [bytes] to the file */
	struct outbox outbox;
	struct loop_source link; /* the peer itself */
	uint32_t watched; /* EPOLL… of it, 0: it is not watched */
	struct loop_source door; /* by which the next peer comes */
	bool door_watched;
};

/* Takes over the descriptors of @s, for console_peer_fini(). */
void console_peer_prepare(struct console_peer *p, const struct console_peer_spec *s);
/* `guest`, `name` and `changed` are set. Return: 0, -ENOMEM, -errno. */
int console_peer_init(struct console_peer *p, struct loop *l, struct err *e);
void console_peer_fini(struct console_peer *p);

#endif
