# SPDX-License-Identifier: MIT
"""Uses a network interface in a way that needs no address, until it is killed.

usage: hold_net.py pppoe|packet|xdp INTERFACE
"""
import ctypes
import os
import socket
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
PF_PPPOX = 24
SYS_BPF = {"x86_64": 321, "aarch64": 280}
BPF_PROG_LOAD, BPF_LINK_CREATE = 5, 28
BPF_PROG_TYPE_XDP, BPF_XDP = 6, 37
XDP_FLAGS_SKB_MODE = 2
ETH_P_ALL = 3


def hold_pppoe(interface):
    """A session that is established without a word to the peer: the kernel's part of it."""
    sock = LIBC.socket(PF_PPPOX, socket.SOCK_STREAM, 0)
    name = interface.encode().ljust(16, b"\0")
    address = struct.pack("=HI", PF_PPPOX, 0) + struct.pack(">H", 0x1234)
    address += bytes([0x52, 0x54, 0, 1, 2, 3]) + name
    return LIBC.connect(sock, address, len(address))


def hold_packet(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((interface, ETH_P_ALL))
    return sock


def bpf(command, attributes):
    buf = ctypes.create_string_buffer(attributes.ljust(128, b"\0"))
    result = LIBC.syscall(SYS_BPF[os.uname().machine], command, buf, len(buf) - 1)
    if result < 0:
        raise OSError(ctypes.get_errno(), "bpf")
    return result


def hold_xdp(interface):
    """A program that passes each packet."""
    program = ctypes.create_string_buffer(struct.pack("=BBhiBBhi", 0xB7, 0, 0, 2, 0x95, 0, 0, 0))
    licence = ctypes.create_string_buffer(b"MIT")
    loaded = bpf(BPF_PROG_LOAD, struct.pack("=IIQQ", BPF_PROG_TYPE_XDP, 2,
                                            ctypes.addressof(program), ctypes.addressof(licence)))
    index = socket.if_nametoindex(interface)
    return bpf(BPF_LINK_CREATE, struct.pack("=IIII", loaded, index, BPF_XDP, XDP_FLAGS_SKB_MODE))


def main():
    kind, interface = sys.argv[1:]
    held = {"pppoe": hold_pppoe, "packet": hold_packet, "xdp": hold_xdp}[kind](interface)
    if held == -1:
        raise OSError(ctypes.get_errno(), kind)
    print("held", flush=True)
    time.sleep(600)


main()
