/* SPDX-License-Identifier: MIT */
#ifndef BASE_SIZED_H
#define BASE_SIZED_H

#include <stddef.h>

/*
 * Structures of a public interface that grow at their end.
 *
 * How it works. The caller says by sizeof which fields it was compiled with. Either side may be
 * the newer one. A field that the other side does not know is zero, which means its default: so
 * new fields are chosen. Ref: openat2(2), 'Extensibility', has the same rule.
 *
 * @least: the size of the structure's first version.
 */

/* The bytes from the start of a structure to the end of @field. */
#define SIZE_UP_TO(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

/*
 * Writes @from, of @known bytes, to the caller's structure of @size bytes. What the caller has
 * beyond @known becomes zero. Return: 0; -EINVAL @size is below @least.
 */
int sized_write(void *to, size_t size, size_t least, const void *from, size_t known);

/*
 * Reads the caller's structure of @size bytes into @to, of @known bytes. What the caller does not
 * have becomes zero.
 * Return: 0; -EINVAL @size is below @least; -E2BIG a field that is not known here is not zero.
 */
int sized_read(void *to, size_t known, size_t least, const void *from, size_t size);

#endif
