/* SPDX-License-Identifier: MIT */
#ifndef IMAGE_DEBIAN_SCRIPT_H
#define IMAGE_DEBIAN_SCRIPT_H

/*
 * What the shell does for debian_make(). All values come in variables, so no word of a user's is
 * ever a part of a script:
 *
 *	WORK      the folder that all of it happens in
 *	SUITE, MIRROR, PACKAGES
 *	IMAGE     the descriptor of the image, of KIB KiB
 */

/* With commas between. What a guest needs to boot, to be logged in to, and to be looked at. */
extern const char debian_script_packages[];

/* As root, in a mount namespace and a PID namespace of its own. */
extern const char debian_script_root[];
/* The same without mmdebstrap. */
extern const char debian_script_old[];
/* As an ordinary user: mmdebstrap makes a user namespace, and fakeroot remembers the owners. */
extern const char debian_script_user[];
/* In the new root, whose path is the first word. $WORK has `key` and `hook` if these were given. */
extern const char debian_script_finish[];
#endif
