/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_STATE_H
#define ENGINE_STATE_H

#include <sys/types.h>

struct err;

#define STATE_RUN_DIR "/run/usher"

/*
 * A running guest's folder, /run/usher/vm/NAME/: `lock` is held (flock) as long as the keeper
 * lives, so that two guests cannot have one name; `keeper` and `engine` hold process ids.
 */
struct state {
	char dir[128];
	int lock_fd;
};

/* Return: 0, -EBUSY when a guest of that name runs (its keeper is named), -errno. */
int state_claim(const char *name, struct state *ret, struct err *e);
/* Notes who runs the guest. Return: 0, -errno. */
int state_engine(struct state *s, pid_t pid);
void state_release(struct state *s);

#endif
