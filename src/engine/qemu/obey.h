/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_QEMU_OBEY_H
#define ENGINE_QEMU_OBEY_H

#include "wire/order.h"

struct monitor;

/* Has QEMU obey @o, and fills @d but for its header. */
void monitor_obey(struct monitor *m, const struct wire_order *o, struct wire_done *d);

#endif
