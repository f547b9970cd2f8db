/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_JOB_H
#define DAEMON_JOB_H

#include "daemon/daemon.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Work that may wait for the kernel, as a child process: `usher VERB …`, with what it prints. So
 * the loop of the daemon never waits, and a job says what the command says. A job stays on the bus
 * for a while after its end, for whoever wants to read what it printed.
 */
#define JOB_OUTPUT_MAX 262144 /* [bytes] of standard output; the rest is dropped */
#define JOB_ERRORS_MAX 8192
#define JOB_WORDS_MAX 64
/* That run or stay at one time. What stays goes when its user needs the room. */
#define JOBS_MAX 64
#define JOBS_USER_MAX 16 /* of an ordinary user; root has as many beyond JOBS_MAX */

struct job {
	struct daemon *daemon;
	struct job *next;
	uint32_t id;
	char verb[16];
	uid_t user; /* who asked for it */
	pid_t pid; /* 0: it has ended */
	int status; /* exit status; 128 and a signal */
	bool cancelled, late;
	struct job_stream {
		int fd;
		char *text; /* with a NUL */
		size_t len, size;
		sd_event_source *source;
	} out, errors;
	sd_event_source *child, *timer;
	/* Called once, at the end. */
	void (*done)(struct job *j, void *arg);
	void *arg;
};

/*
 * Starts `usher @words…`. @done: may be NULL. Return: 0, with *@ret, which the daemon owns;
 * -EBUSY as many run as may; -errno.
 */
int job_start(struct daemon *d, char *const *words, uid_t user,
	void (*done)(struct job *j, void *arg), void *arg, struct job **ret);

/* "running", "done", "failed", "cancelled", "timeout". */
const char *job_state(const struct job *j);

/* The first message in its errors, without "usher: ". @buf: 512 bytes. Return: @buf. */
const char *job_message(const struct job *j, char buf[512]);

int jobs_add_vtables(struct daemon *d);

#endif
