/* SPDX-License-Identifier: MIT */
#ifndef LIBVIRT_PLACES_H
#define LIBVIRT_PLACES_H

/*
 * Orders name a virtio device by its place in the description (wire/order.h), and libvirt knows no
 * places. So the engine sends usher-libvirt a text with one of these letters for each place.
 */
#define PLACE_DISK 'd'
#define PLACE_FIXED_DISK 'f' /* no image, or one that the guest only reads: it grows by no size */
#define PLACE_CARD 'c' /* a network card */
#define PLACE_OTHER '-'

#endif
