/* SPDX-License-Identifier: MIT */
#ifndef CLI_VIRTIO_H
#define CLI_VIRTIO_H

#include <stdbool.h>

struct guest_spec;
struct json;
struct verb;

/* The virtio devices of a guest: the words that ask for them, and what a plan shows of them. */

/* --rng. Return: 0, or an exit status with the reason told. */
int virtio_take_rng(struct guest_spec *s, const struct verb *v, const char *text);

/* --vsock. Return: likewise. */
int virtio_take_vsock(struct guest_spec *s, const char *text);

/* --rings. Return: likewise. */
int virtio_take_rings(struct guest_spec *s, const struct verb *v, const char *text);

/* --disk, --net, --share and --port, appended to @s. Return: likewise. */
int virtio_take_disk(struct guest_spec *s, const struct verb *v, const char *text);
int virtio_take_net(struct guest_spec *s, const struct verb *v, const char *text);
int virtio_take_share(struct guest_spec *s, const char *text);
int virtio_take_port(struct guest_spec *s, const char *text);

/* --console. Return: likewise. */
int virtio_take_console(struct guest_spec *s, const struct verb *v, const char *text);

/* A line of the plan for each one. @links: usher makes a link to a pseudo terminal. */
void virtio_print(const struct guest_spec *s, bool links);
/* "console", and the lists "virtio" and "ports", in the guest of a plan. */
void virtio_put(struct json *guest, const struct guest_spec *s);

#endif
