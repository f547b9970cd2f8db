/* SPDX-License-Identifier: MIT */
#ifndef VMM_VHOST_USER_KIND_H
#define VMM_VHOST_USER_KIND_H

#include "vmm/vhost_user/device.h"

struct err;
struct vhost_user_link;

/* The types of virtio devices that a vhost-user back end can serve, as a table. */
struct vhost_user_kind {
	enum virtio_type type;
	const char *name;
	uint32_t class; /* of the PCI function */
	uint64_t features; /* that the driver may accept, if the back end offers them */
	uint64_t own_features; /* that need nothing of the back end */
	uint32_t config_size; /* [bytes] */
	bool asks_config; /* the back end has the configuration; else all of it is ours */
	unsigned more_queues; /* beside those for requests */
	/* Sets in @config, as the back end has it, what is ours. */
	void (*config_fill)(const struct vhost_user_spec *s, uint8_t *config);
	/* The back end is lost: what a driver can learn of it there. NULL: nothing. */
	void (*config_lose)(uint8_t *config);
};

/* Return: NULL: there is no such kind. */
const struct vhost_user_kind *vhost_user_kind_find(enum virtio_type type);

/*
 * Whether the back end of @l serves as many queues as @s needs, and what a driver reads of it:
 * @config has room for VHOST_USER_CONFIG_MAX bytes. Return: 0; -EOPNOTSUPP it cannot; -errno.
 */
int vhost_user_kind_agree(const struct vhost_user_kind *k, const struct vhost_user_spec *s,
	struct vhost_user_link *l, uint8_t *config, struct err *e);

/* What a driver is offered. @features: of the back end. */
uint64_t vhost_user_kind_offered(
	const struct vhost_user_kind *k, const struct vhost_user_spec *s, uint64_t features);

#endif
