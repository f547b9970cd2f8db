/* SPDX-License-Identifier: MIT */
#ifndef CLI_TOPIC_H
#define CLI_TOPIC_H

/*
 * `usher help TOPIC`: the words of the field, a paragraph each, and what they come to on this
 * host.
 */
struct topic {
	const char *name; /* "group" */
	const char *title; /* "IOMMU group" */
	const char *text; /* a paragraph without line breaks */
};

#define TOPIC_WIDTH 80 /* [columns] */

/* How wide topics and their facts are printed. */
unsigned topic_width(void);

/* By its name or a synonym; NULL when there is no such topic. */
const struct topic *topic_find(const char *name);

/* In the order of the table; NULL after the last. */
const struct topic *topic_at(unsigned i);

/*
 * Prints a topic, and the facts of the host in @file (NULL: this one). Return: LEAVE_*.
 */
int topic_print(const struct topic *t, const char *file);

#endif
