/* SPDX-License-Identifier: MIT */
#ifndef VMM_VIRTIO_QUEUE_PACKED_H
#define VMM_VIRTIO_QUEUE_PACKED_H

/*
 * A virtqueue in packed form; vmm/virtio/queue.c calls this for one, and nobody else does. Each
 * call is that of the same name without 'packed' there.
 */
#include "vmm/virtio/queue.h"

/* Rings that cannot be break the queue. */
void packed_virtq_enable(struct virtq *q);
int packed_virtq_take(struct virtq *q, struct virtq_chain *ret);
void packed_virtq_return_together(struct virtq *q, const struct virtq_done *done, unsigned count);
void packed_virtq_untake(struct virtq *q, const struct virtq_done *done, unsigned count);
/* After a fence; @q is neither off nor broken. */
bool packed_virtq_wants_interrupt(struct virtq *q);
void packed_virtq_silence(struct virtq *q);
bool packed_virtq_listen(struct virtq *q);

#endif
