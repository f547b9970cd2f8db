/* SPDX-License-Identifier: MIT */
#ifndef VIEW_NEAREST_H
#define VIEW_NEAREST_H

/* Finds the word that a mistyped one most likely means. */
struct nearest {
	const char *typed;
	const char *word; /* the nearest so far; NULL: none is near */
	unsigned distance; /* of it: letters that differ, lack or are too many */
};

/* @typed and each word outlive it. */
struct nearest nearest_begin(const char *typed);
void nearest_try(struct nearest *n, const char *word);

#endif
