/* SPDX-License-Identifier: MIT */
#ifndef TEST_GUEST_PORT_H
#define TEST_GUEST_PORT_H

/* I/O ports of the guest's machine, and the processor's instructions for them. */
#include <stdint.h>

#define COM1 0x3f8
#define SLEEP_CONTROL 0x600
#define SLEEP_S5 0x34

static inline void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* On the console. */
static inline void say(const char *text)
{
	for (; *text; text++)
		out8(COM1, (uint8_t)*text);
}

#endif
