/* SPDX-License-Identifier: MIT */
#ifndef TEST_UNIT_MODEL_KERNEL_H
#define TEST_UNIT_MODEL_KERNEL_H

/*
 * The kernel's VFIO, played by the models of libusher.
 *
 * How it works. The linker replaces the system calls of the whole test program (-Wl,--wrap, see
 * meson.build): an open() of /dev/vfio/vfio is a model's container, of /dev/vfio/N the group of a
 * plugged model, and ioctl(), pread(), pwrite(), mmap() and close() of such descriptors come here.
 * This file takes the structures of linux/vfio.h apart and checks them as the kernel does; the
 * rules behind them are src/model's. So vfio/type1.c and vfio/kernel_device.c run without a kernel,
 * and without a seam of their own.
 */

#endif
