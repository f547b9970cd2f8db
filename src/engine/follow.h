/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_FOLLOW_H
#define ENGINE_FOLLOW_H

struct keeper_news;

/*
 * A client of a keeper: hands on each piece of news that comes over the socket @fd, until the
 * keeper's last. What the keeper had to leave out comes as KEEPER_LOST.
 * Return: 0; -EPIPE the keeper ended without its last word; -EPROTO.
 */
int follow_keeper(int fd, void (*tell)(void *arg, const struct keeper_news *n), void *arg);

#endif
