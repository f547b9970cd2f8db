/* SPDX-License-Identifier: MIT */
#ifndef VMM_ACPI_AML_H
#define VMM_ACPI_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes ACPI machine language from front to back. A call opens a block, aml_end() closes it. A
 * block's length always takes four bytes, which the encoding allows for any length.
 * Ref: ACPI 6.4, 20.2 AML grammar; 6.4 resource data types
 */
struct aml {
	uint8_t *buf;
	size_t size;
	size_t len;
	bool full; /* the buffer was too small; len counts the bytes that fit */
};

/* A name is one segment of up to four characters; a leading '\' makes it start at the root. */
size_t aml_scope(struct aml *a, const char *name); /* Scope (name) { … aml_end() */
size_t aml_device(struct aml *a, const char *name); /* Device (name) { … aml_end() */
size_t aml_package(struct aml *a, uint8_t count); /* Package (count) { … aml_end() */
void aml_end(struct aml *a, size_t block);

void aml_name(struct aml *a, const char *name); /* Name (name, …: one object has to follow */
void aml_integer(struct aml *a, uint64_t v);
void aml_string(struct aml *a, const char *text); /* ASCII */
void aml_eisa(struct aml *a, const char *id); /* EISAID ("PNP0A08") */

void aml_buffer(struct aml *a, const uint8_t *bytes, uint8_t len); /* Buffer (len) { bytes } */

/*
 * Code. Operands follow their operator, then the target of the result. AML_ARG and AML_LOCAL take a
 * number from 0 to 6: AML_ARG + 3 is Arg3.
 */
enum aml_op {
	AML_LOCAL = 0x60,
	AML_ARG = 0x68,
	AML_STORE = 0x70, /* value, target */
	AML_AND = 0x7b, /* a, b, target */
	AML_OR = 0x7d,
	AML_NOTIFY = 0x86, /* a device, value */
	AML_NOT = 0x92, /* of a condition: a */
	AML_EQUAL = 0x93, /* a, b */
	AML_RETURN = 0xa4,
};

size_t aml_method(struct aml *a, const char *name, uint8_t args); /* serialized; … aml_end() */
size_t aml_if(struct aml *a); /* a condition has to follow; … aml_end() */
size_t aml_else(struct aml *a); /* right after the end of an If; … aml_end() */
void aml_op(struct aml *a, unsigned op);
void aml_reference(struct aml *a, const char *name); /* a name as an operand */
/* CreateDWordField (ArgN, off, name) */
void aml_dword_field(struct aml *a, unsigned arg, uint8_t off, const char *name);

/* Resource template: Buffer { descriptors … aml_resources_end() */
size_t aml_resources(struct aml *a);
void aml_resources_end(struct aml *a, size_t block);
void aml_bus_range(struct aml *a, uint16_t first, uint16_t count);
void aml_port_range(struct aml *a, uint16_t first, uint32_t count);
void aml_memory_range(struct aml *a, uint32_t base, uint32_t size); /* a window, 32 bits */
void aml_memory64_range(struct aml *a, uint64_t base, uint64_t size); /* a window, cacheable */
void aml_ports(struct aml *a, uint16_t base, uint8_t count); /* a device's own */
void aml_memory(struct aml *a, uint32_t base, uint32_t size); /* a device's own */
void aml_irq(struct aml *a, unsigned pin); /* edge, active high */

#endif
