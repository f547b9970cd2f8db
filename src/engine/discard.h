/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_DISCARD_H
#define ENGINE_DISCARD_H

/*
 * Closes *@fd, our end of a socket to usher-vmm or to a back end, and sets it to -1. Never waits. A
 * guest that has taken over usher-vmm, or a hostile back end, may have sent descriptors that nobody
 * has received. The last close of one may wait, as long as SO_LINGER says; so a disposable process
 * closes an end with unread messages. Another descriptor than a socket is only closed.
 */
void discard_socket(int *fd);

#endif
