/* SPDX-License-Identifier: MIT */
#ifndef REGS_EDU_H
#define REGS_EDU_H

/* Registers of QEMU's educational device, in BAR 0. Ref: QEMU docs/specs/edu. */
#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define EDU_BAR_SIZE 0x100000u

#define EDU_ID 0x00 /* RR.rr.00.ed: major, minor, 0, 0xed */
#define EDU_ID_MASK 0x0000ffffu
#define EDU_ID_IS 0x000000edu
#define EDU_LIVENESS 0x04 /* reads as the inverse of what was written */
#define EDU_FACTORIAL 0x08
#define EDU_STATUS 0x20
#define EDU_STATUS_COMPUTING 0x01u
#define EDU_STATUS_IRQ 0x80u /* raise EDU_IRQ_FACTORIAL when done */
#define EDU_IRQ_STATUS 0x24
#define EDU_IRQ_RAISE 0x60
#define EDU_IRQ_ACK 0x64
#define EDU_IRQ_FACTORIAL 0x001u
#define EDU_IRQ_DMA 0x100u
#define EDU_DMA_SOURCE 0x80
#define EDU_DMA_TARGET 0x88
#define EDU_DMA_COUNT 0x90
#define EDU_DMA_COMMAND 0x98
#define EDU_DMA_RUN 0x01u
#define EDU_DMA_FROM_DEVICE 0x02u /* 0: from memory to the device */
#define EDU_DMA_IRQ 0x04u

/* The device's own memory, as addresses of its DMA engine; not reachable through the BAR. */
#define EDU_MEMORY 0x40000u
#define EDU_MEMORY_SIZE 4096u
/* QEMU aborts on a copy that reaches the last byte: its check is off by one. */
#define EDU_MEMORY_USABLE 4095u
#define EDU_DMA_MASK 0x0fffffffu /* 28 address lines by default */

#endif
