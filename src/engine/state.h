/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_STATE_H
#define ENGINE_STATE_H

#include <sys/types.h>

struct err;

/*
 * A running guest's folder, /run/usher/vm/NAME/, or a lease's, /run/usher/lease/NAME/: `lock` is
 * held (flock) as long as the keeper lives, so that two guests cannot have one name; `keeper` and
 * `engine` hold process ids; `socket` is the keeper's, for its clients. The keeper removes the
 * folder at its end.
 */
enum state_kind { STATE_GUEST, STATE_LEASE };

struct state {
	enum state_kind kind;
	char dir[128];
	int lock_fd;
};

/*
 * Where the guests of this user have their folders: /run/usher; of an ordinary user, who may not
 * write there, the folder 'usher' in $XDG_RUNTIME_DIR, if there is one. Static.
 */
const char *state_run_dir(void);

#define STATE_NONE ((struct state){.lock_fd = -1})

/*
 * @run_dir: BIND_STATE_DIR. Return: 0, -EBUSY when a guest of that name runs (its keeper is named),
 * -errno.
 */
int state_claim(const char *run_dir, const char *name, struct state *ret, struct err *e);
/* Why an ordinary user may not claim a guest's name: @r of state_claim(). Return: @r. */
int state_explain(int r, struct err *e);
int state_claim_lease(const char *run_dir, const char *name, struct state *ret, struct err *e);
/* Notes who runs the guest. Return: 0, -errno. */
int state_engine(struct state *s, pid_t pid);
void state_release(struct state *s);

/* Removes the folders of keepers that were killed. Return: how many. */
unsigned state_sweep(const char *run_dir);

#endif
