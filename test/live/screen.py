#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A desktop for tests: it has a virtual terminal in graphics mode, is the master of the display,
sets a mode and draws. At SIGTERM it gives the terminal back and ends.
screen.py NODE TERMINAL
Ref: include/uapi/drm/drm.h, drm_mode.h, include/uapi/linux/kd.h, vt.h.
"""
import array
import fcntl
import mmap
import os
import signal
import struct
import sys

KDSETMODE, KD_TEXT, KD_GRAPHICS = 0x4b3a, 0, 1
VT_ACTIVATE, VT_WAITACTIVE = 0x5606, 0x5607
SET_MASTER = 0x641e
MODES = 64
MODE_SIZE = 68  # struct drm_mode_modeinfo


def drm(fd, number, form, *values):
    """The ioctl DRM_IOWR(number) with a structure of that form; returns its fields."""
    data = bytearray(struct.pack(form, *values))
    fcntl.ioctl(fd, 3 << 30 | len(data) << 16 | ord("d") << 8 | number, data)
    return struct.unpack(form, data)


def take_terminal(number):
    console = os.open("/dev/tty0", os.O_RDWR | os.O_NOCTTY)
    terminal = os.open(f"/dev/tty{number}", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(console, VT_ACTIVATE, number)
    fcntl.ioctl(console, VT_WAITACTIVE, number)
    fcntl.ioctl(terminal, KDSETMODE, KD_GRAPHICS)
    return terminal


def find_output(fd):
    """The first CRTC, the first connector and its first mode."""
    crtcs, connectors = array.array("I", [0] * 4), array.array("I", [0] * 4)
    drm(fd, 0xa0, "4Q8I", 0, crtcs.buffer_info()[0], connectors.buffer_info()[0], 0,
        0, 4, 4, 0, 0, 0, 0, 0)
    modes = (array.array("B", bytes(MODES * MODE_SIZE)))
    form = "4Q12I"
    found = drm(fd, 0xa7, form, *[0] * 7, 0, connectors[0], *[0] * 7)
    count = found[4]
    drm(fd, 0xa7, form, 0, modes.buffer_info()[0], 0, 0, min(count, MODES), 0, 0, 0,
        connectors[0], *[0] * 7)
    return crtcs[0], connectors, bytes(modes[:MODE_SIZE])


def draw(fd, width, height):
    """A frame buffer with a picture; returns its number."""
    _, _, _, _, handle, pitch, size = drm(fd, 0xb2, "6IQ", height, width, 32, 0, 0, 0, 0)
    fb = drm(fd, 0xae, "7I", 0, width, height, pitch, 32, 24, handle)[0]
    offset = drm(fd, 0xb3, "2IQ", handle, 0, 0)[2]
    pixels = mmap.mmap(fd, size, offset=offset)
    row = b"".join(struct.pack("<I", x * 0x010305 & 0xffffff) for x in range(pitch // 4))
    for y in range(height):
        pixels[y * pitch:(y + 1) * pitch] = row[y * 4:] + row[:y * 4]
    return fb


def main(node, terminal):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    terminal = take_terminal(int(terminal))
    fd = os.open(node, os.O_RDWR)
    fcntl.ioctl(fd, SET_MASTER)
    crtc, connectors, mode = find_output(fd)
    width, height = struct.unpack_from("<H", mode, 4)[0], struct.unpack_from("<H", mode, 14)[0]
    fb = draw(fd, width, height)
    drm(fd, 0xa2, f"Q7I{MODE_SIZE}s", connectors.buffer_info()[0], 1, crtc, fb, 0, 0, 0, 1, mode)
    print("drawn", flush=True)
    signal.sigwait([signal.SIGTERM])
    fcntl.ioctl(terminal, KDSETMODE, KD_TEXT)


main(*sys.argv[1:])
