/* SPDX-License-Identifier: MIT */
#include "vmm/acpi/aml.h"

#include "base/endian.h"

#include <stdlib.h>
#include <string.h>

#define OP_STRING 0x0d
#define OP_ZERO 0x00
#define OP_NAME 0x08
#define OP_BYTE 0x0a
#define OP_WORD 0x0b
#define OP_DWORD 0x0c
#define OP_QWORD 0x0e
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_METHOD 0x14
#define OP_EXT 0x5b
#define OP_EXT_DEVICE 0x82
#define OP_DWORD_FIELD 0x8a
#define OP_IF 0xa0
#define OP_ELSE 0xa1

#define METHOD_SERIALIZED 0x08

#define LENGTH_BYTES 4 /* of a package length, its longest form */

#define RES_IRQ 0x22
#define RES_PORTS 0x47
#define RES_END 0x79
#define RES_MEMORY_FIXED 0x86
#define RES_DWORD 0x87
#define RES_WORD 0x88
#define RES_QWORD 0x8a

#define SPACE_MEMORY 0
#define SPACE_IO 1
#define SPACE_BUS 2
#define SPACE_FIXED 0x0c /* producer, minimum and maximum are fixed */
#define SPACE_READ_WRITE 0x01
#define SPACE_CACHEABLE 0x02
#define SPACE_IO_ENTIRE 0x03

static void put_bytes(struct aml *a, const void *data, size_t len)
{
	if (len > a->size - a->len) {
		a->full = true;
		return;
	}
	memcpy(a->buf + a->len, data, len);
	a->len += len;
}

static void put_le(struct aml *a, uint64_t v, unsigned size)
{
	uint8_t bytes[8];

	le64_put(bytes, v);
	put_bytes(a, bytes, size);
}

static void put_op(struct aml *a, uint8_t op)
{
	put_bytes(a, &op, 1);
}

static void put_segment(struct aml *a, const char *name)
{
	char segment[4] = {'_', '_', '_', '_'};

	if (*name == '\\')
		put_op(a, (uint8_t)*name++);
	for (size_t i = 0; i < sizeof(segment) && name[i]; i++)
		segment[i] = name[i];
	put_bytes(a, segment, sizeof(segment));
}

/* Reserves bytes for a block's length; the contents of the block follow. */
static size_t begin_block(struct aml *a)
{
	size_t block = a->len;

	put_le(a, 0, LENGTH_BYTES);
	return block;
}

/* Ref: ACPI 6.4, 20.2.4: two bits say that three bytes follow, four bits, then the bytes */
void aml_end(struct aml *a, size_t block)
{
	size_t len = a->len - block;

	if (a->full)
		return;
	a->buf[block] = (uint8_t)(0xc0 | (len & 0xf));
	a->buf[block + 1] = (uint8_t)(len >> 4);
	a->buf[block + 2] = (uint8_t)(len >> 12);
	a->buf[block + 3] = (uint8_t)(len >> 20);
}

size_t aml_scope(struct aml *a, const char *name)
{
	put_op(a, OP_SCOPE);
	size_t block = begin_block(a);
	put_segment(a, name);
	return block;
}

size_t aml_device(struct aml *a, const char *name)
{
	put_op(a, OP_EXT);
	put_op(a, OP_EXT_DEVICE);
	size_t block = begin_block(a);
	put_segment(a, name);
	return block;
}

size_t aml_package(struct aml *a, uint8_t count)
{
	put_op(a, OP_PACKAGE);
	size_t block = begin_block(a);
	put_op(a, count);
	return block;
}

void aml_name(struct aml *a, const char *name)
{
	put_op(a, OP_NAME);
	put_segment(a, name);
}

void aml_integer(struct aml *a, uint64_t v)
{
	if (v <= 1) {
		put_op(a, (uint8_t)(OP_ZERO + v)); /* ZeroOp, OneOp */
	} else if (v <= UINT8_MAX) {
		put_op(a, OP_BYTE);
		put_le(a, v, 1);
	} else if (v <= UINT16_MAX) {
		put_op(a, OP_WORD);
		put_le(a, v, 2);
	} else if (v <= UINT32_MAX) {
		put_op(a, OP_DWORD);
		put_le(a, v, 4);
	} else {
		put_op(a, OP_QWORD);
		put_le(a, v, 8);
	}
}

void aml_string(struct aml *a, const char *text)
{
	put_op(a, OP_STRING);
	do
		put_op(a, (uint8_t)*text);
	while (*text++);
}

/* Ref: ACPI 6.4, 19.6.38: three letters of five bits, four digits of four, big-endian */
void aml_eisa(struct aml *a, const char *id)
{
	uint32_t product = (uint32_t)strtoul(id + 3, NULL, 16);
	uint32_t v = (uint32_t)((id[0] - 0x40) & 0x1f) << 26 |
		     (uint32_t)((id[1] - 0x40) & 0x1f) << 21 |
		     (uint32_t)((id[2] - 0x40) & 0x1f) << 16 | product;

	put_op(a, OP_DWORD);
	put_le(a, __builtin_bswap32(v), 4);
}

void aml_buffer(struct aml *a, const uint8_t *bytes, uint8_t len)
{
	put_op(a, OP_BUFFER);
	size_t block = begin_block(a);
	aml_integer(a, len);
	put_bytes(a, bytes, len);
	aml_end(a, block);
}

/* Serialized: names that a method creates would clash if two threads ran it at a time. */
size_t aml_method(struct aml *a, const char *name, uint8_t args)
{
	put_op(a, OP_METHOD);
	size_t block = begin_block(a);
	put_segment(a, name);
	put_op(a, args | METHOD_SERIALIZED);
	return block;
}

size_t aml_if(struct aml *a)
{
	put_op(a, OP_IF);
	return begin_block(a);
}

size_t aml_else(struct aml *a)
{
	put_op(a, OP_ELSE);
	return begin_block(a);
}

void aml_op(struct aml *a, unsigned op)
{
	put_op(a, (uint8_t)op);
}

void aml_reference(struct aml *a, const char *name)
{
	put_segment(a, name);
}

void aml_dword_field(struct aml *a, unsigned arg, uint8_t off, const char *name)
{
	put_op(a, OP_DWORD_FIELD);
	aml_op(a, AML_ARG + arg);
	aml_integer(a, off);
	put_segment(a, name);
}

/* A buffer. Its length is an AML object of a fixed form: aml_resources_end() fills it in. */
size_t aml_resources(struct aml *a)
{
	put_op(a, OP_BUFFER);
	size_t block = begin_block(a);
	put_op(a, OP_DWORD);
	put_le(a, 0, 4);
	return block;
}

void aml_resources_end(struct aml *a, size_t block)
{
	size_t data = block + LENGTH_BYTES + 5;

	put_op(a, RES_END);
	put_op(a, 0); /* checksum: 0 means none */
	if (!a->full)
		le32_put(a->buf + data - 4, (uint32_t)(a->len - data));
	aml_end(a, block);
}

/* An address space descriptor; its fields are @width bytes each. */
static void put_space(struct aml *a, uint8_t op, unsigned width, const uint8_t type_flags[2],
	uint64_t base, uint64_t size)
{
	put_op(a, op);
	put_le(a, 3 + 5 * width, 2);
	put_op(a, type_flags[0]);
	put_op(a, SPACE_FIXED);
	put_op(a, type_flags[1]);
	put_le(a, 0, width); /* granularity */
	put_le(a, base, width);
	put_le(a, base + size - 1, width);
	put_le(a, 0, width); /* translation */
	put_le(a, size, width);
}

void aml_bus_range(struct aml *a, uint16_t first, uint16_t count)
{
	put_space(a, RES_WORD, 2, (const uint8_t[]){SPACE_BUS, 0}, first, count);
}

void aml_port_range(struct aml *a, uint16_t first, uint32_t count)
{
	put_space(a, RES_WORD, 2, (const uint8_t[]){SPACE_IO, SPACE_IO_ENTIRE}, first, count);
}

void aml_memory_range(struct aml *a, uint32_t base, uint32_t size)
{
	put_space(a, RES_DWORD, 4, (const uint8_t[]){SPACE_MEMORY, SPACE_READ_WRITE}, base, size);
}

void aml_memory64_range(struct aml *a, uint64_t base, uint64_t size)
{
	put_space(a, RES_QWORD, 8,
		(const uint8_t[]){SPACE_MEMORY, SPACE_READ_WRITE | SPACE_CACHEABLE}, base, size);
}

void aml_ports(struct aml *a, uint16_t base, uint8_t count)
{
	put_op(a, RES_PORTS);
	put_op(a, 1); /* all 16 address lines are decoded */
	put_le(a, base, 2);
	put_le(a, base, 2);
	put_op(a, 1); /* alignment */
	put_op(a, count);
}

void aml_memory(struct aml *a, uint32_t base, uint32_t size)
{
	put_op(a, RES_MEMORY_FIXED);
	put_le(a, 9, 2);
	put_op(a, SPACE_READ_WRITE);
	put_le(a, base, 4);
	put_le(a, size, 4);
}

void aml_irq(struct aml *a, unsigned pin)
{
	put_op(a, RES_IRQ);
	put_le(a, UINT64_C(1) << pin, 2);
}
