/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_PLAIN_MODEL_H
#define TEST_UNIT_PLAIN_MODEL_H

#include <usher/model.h>

/*
 * "model:plain": a device with every kind of interrupt. BAR 0 has 4 KiB of registers that keep what
 * is written; a write to offset 0x100 triggers an action (PLAIN_*). BAR 2 is 8 KiB of mapped
 * memory.
 */
#define PLAIN_ASK 0x100
#define PLAIN_RAISE_MSI 1
#define PLAIN_RAISE_INTX 2
#define PLAIN_LOWER_INTX 3
#define PLAIN_VANISH 4
#define PLAIN_REQUEST 5
#define PLAIN_ERROR 6

/* To be called once in a program. */
void plain_model_register(void);

#endif
