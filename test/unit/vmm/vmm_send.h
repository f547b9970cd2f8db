/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_VMM_SEND_H
#define TEST_UNIT_VMM_SEND_H

#include "base/num.h"
#include "wire/machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A small keeper: describes a guest without devices to usher-vmm, from words of a command line. */

static inline void send_fail(const char *what, const char *word)
{
	(void)fprintf(stderr, "vmm_send: %s '%s'\n", what, word);
	exit(126);
}

static inline uint32_t send_open(struct wire_fds *fds, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		send_fail("cannot open", path);
	return (uint32_t)wire_add(fds, fd);
}

static inline void send_word(
	struct wire_machine *m, struct wire_fds *fds, const char *word, const char *value)
{
	uint64_t n;

	if (strcmp(word, "--name") == 0)
		(void)snprintf(m->name, sizeof(m->name), "%s", value);
	else if (strcmp(word, "--cmdline") == 0)
		(void)snprintf(m->cmdline, sizeof(m->cmdline), "%s", value);
	else if (strcmp(word, "--kernel") == 0)
		m->kernel = send_open(fds, value, O_RDONLY);
	else if (strcmp(word, "--initrd") == 0)
		m->initrd = send_open(fds, value, O_RDONLY);
	else if (strcmp(word, "--kvm") == 0)
		m->kvm = send_open(fds, value, O_RDWR);
	else if (strcmp(word, "--memory") == 0 && num_parse_size(value, &m->memory) == 0)
		return;
	else if (strcmp(word, "--backing") == 0 && strcmp(value, "shared") == 0)
		m->backing = WIRE_BACKING_SHARED;
	else if (strcmp(word, "--cpus") == 0 && num_parse(value, 10, UINT32_MAX, &n) == 0)
		m->cpus = (uint32_t)n;
	else if (strcmp(word, "--slots") == 0 && num_parse(value, 10, UINT32_MAX, &n) == 0)
		m->slots = (uint32_t)n;
	else
		send_fail("wrong word", word);
}

/*
 * @calls: usher-vmm's end of the socket for calls, -1 for none. Return: the socket for usher-vmm;
 * *@ret_line: its other end; closing it ends the guest.
 */
static inline int send_words_calling(const char *const *words, int calls, int *ret_line)
{
	struct wire_machine m, go;
	struct wire_fds fds = {0};
	int line[2];

	wire_machine_init(&m, WIRE_MACHINE);
	if (calls >= 0)
		m.calls = (uint32_t)wire_add(&fds, calls);
	(void)strcpy(m.name, "guest");
	m.cpus = 1;
	for (size_t i = 0; words[i]; i++) {
		if (strcmp(words[i], "--timing") == 0) {
			m.flags |= WIRE_TIMING;
		} else if (strcmp(words[i], "--no-reboot") == 0) {
			m.flags |= WIRE_NO_REBOOT;
		} else if (strcmp(words[i], "--rng") == 0) {
			m.virtio[m.virtio_count++] =
				(struct wire_virtio){.type = WIRE_VIRTIO_RNG, .fd = WIRE_FD_NONE};
		} else {
			if (!words[i + 1])
				send_fail("no value behind", words[i]);
			send_word(&m, &fds, words[i], words[i + 1]);
			i++;
		}
	}
	if (m.kvm == WIRE_FD_NONE)
		m.kvm = send_open(&fds, "/dev/kvm", O_RDWR);
	wire_machine_init(&go, WIRE_DEVICES);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, line) < 0 ||
		wire_send(line[0], &m, sizeof(m), &fds) < 0 ||
		wire_send(line[0], &go, sizeof(go), NULL) < 0)
		send_fail("cannot send", "the description");
	wire_close(&fds);
	*ret_line = line[0];
	return line[1];
}

static inline int send_words(const char *const *words, int *ret_line)
{
	return send_words_calling(words, -1, ret_line);
}

#endif
