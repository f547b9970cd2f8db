/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_JOB_H
#define DAEMON_JOB_H

#include "daemon/daemon.h"
#include "daemon/news.h"
#include "daemon/unit.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * Work that may wait for the kernel, as a child process: `usher VERB …`, with what it prints. So
 * the loop of the daemon never waits, and a job says what the command says. A job stays on the bus
 * for a while after its end, for whoever wants to read what it printed.
 */
#define JOB_OUTPUT_MAX 4194304 /* [bytes] of standard output; the rest is dropped */
#define JOB_ERRORS_MAX 8192
#define JOB_PROGRESS_MAX 256
#define JOB_WAITERS_MAX 8 /* calls of Wait */
#define JOB_LIMIT_S 300
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
	char unit[UNIT_NAME_MAX]; /* in which systemd runs the command; "": it does not */
	struct job_stream {
		int fd;
		char *text; /* with a NUL */
		size_t len, size, most;
		sd_event_source *source;
	} out, errors;
	sd_event_source *child, *timer;
	struct news news; /* that the bus does not have yet */
	bool is_lending; /* for a caller of Lease, who waits */
	bool is_told; /* the bus knows the object */
	bool has_news, has_ended; /* which the bus does not know yet: of progress, of the end */
	char progress[JOB_PROGRESS_MAX]; /* the last whole line of its errors */
	size_t waiter_count;
	/* The answers, not the calls: a call may have 16 descriptors that nobody has asked for. */
	sd_bus_message *waiters[JOB_WAITERS_MAX];
	/* Called once, at the end. */
	void (*done)(struct job *j, void *arg);
	void *arg;
};

/* What `usher @words…` gets. */
struct job_task {
	char *const *words;
	uid_t user;
	uint64_t limit_s; /* 0: JOB_LIMIT_S */
	/* The caller's. -1: the daemon keeps what it prints; there is no file for it to write */
	int output_fd, file_fd;
	bool is_lending; /* a caller of Lease waits, whose answer does not have its path */
};

/*
 * Starts `usher @words…`, which is told to end after @limit_s; 0: after JOB_LIMIT_S. Return: 0,
 * with *@ret, which the daemon owns, and for which the caller may set done(); -EBUSY as many run
 * as may; -errno.
 */
int job_start(struct daemon *d, char *const *words, uid_t user, uint64_t limit_s, struct job **ret);
/* The same, for a task with descriptors. */
int job_start_task(struct daemon *d, const struct job_task *t, struct job **ret);

/* Whether it runs, and a caller of Wait or Lease waits for that. */
static inline bool job_is_awaited(const struct job *j)
{
	return j->pid && (j->is_lending || j->waiter_count);
}

/* Whether a job runs for a caller of Lease. */
bool jobs_lend(const struct daemon *d);

/* "running", "done", "failed", "cancelled", "timeout". */
const char *job_state(const struct job *j);

/* What its errors say, without "usher: " and the last newline. @buf: 1024 bytes. Return: @buf. */
const char *job_message(const struct job *j, char buf[1024]);

int jobs_add_vtables(struct daemon *d);

#endif
