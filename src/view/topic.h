/* SPDX-License-Identifier: MIT */
#ifndef VIEW_TOPIC_H
#define VIEW_TOPIC_H

struct fact_source;
struct facts;

/*
 * The topics of `usher help TOPIC`: the terms of the field, a paragraph each, with the facts of
 * one host below it.
 */
struct topic {
	const char *name; /* "group" */
	const char *title; /* "IOMMU group" */
	const char *text; /* a paragraph without line breaks */
};

#define TOPIC_WIDTH 80 /* [columns] */

/* By its name or a synonym; NULL when there is no such topic. */
const struct topic *topic_find(const char *name);

/* In the order of the table; NULL after the last. */
const struct topic *topic_at(unsigned i);

/* Adds the sentences of topic @t to @f, which starts as zeros. */
void topic_facts(const struct topic *t, const struct fact_source *s, struct facts *f);

/* Writes the paragraph and the sentences below it. @f: NULL for none. @whose: "this host". */
void topic_text(const struct topic *t, const struct facts *f, const char *whose);

#endif
