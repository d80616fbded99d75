#!/usr/bin/env python3
"""The other end of a memif: floods and leaves without a word, again and again, or misbehaves.

usage: memif_peer.py cut client|server SOCKET COUNT    connect (listen), flood, cut the connection, so many times
       memif_peer.py abuse SOCKET                      as a client do what a switch must refuse, and print what it says

The interface has the id 1. Version 2.0 of the protocol, as in DPDK's guide and VPP's memif.h.
"""

import array
import fcntl
import mmap
import os
import random
import socket
import struct
import sys
import time

ACK, HELLO, INIT, ADD_REGION, ADD_RING, CONNECT, CONNECTED, DISCONNECT = range(1, 9)
LOG2 = 10
RING = 128 + (16 << LOG2)
BUFFER = 2048
SIZE = 2 * RING + 2 * BUFFER * (1 << LOG2)
COOKIE = 0x3E31F20
FRAME = bytes.fromhex("020000000099 020000000042 88b5") + bytes(1500)


def message(kind, body=b""):
    return (struct.pack("=H", kind) + body).ljust(128, b"\0")


def init(number=1):
    return message(INIT, struct.pack("=HIB", 0x0200, number, 0) + b"\0" * 24 + b"smoke")


def region(index=0, size=SIZE):
    return message(ADD_REGION, struct.pack("=HQ", index, size))


def ring(to_server, index=0, where=0, offset=None, log2=LOG2):
    offset = (0 if to_server else RING) if offset is None else offset
    return message(ADD_RING, struct.pack("=HHHIBH", to_server, index, where, offset, log2, 0))


class End:
    """A connection, and the memory that goes with it."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(10)

    def tell(self, octets, *fds):
        beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([octets], beside)

    def hear(self, *kinds):
        """The next message, which has to be of one of these kinds, and the descriptor beside it."""
        octets, beside, _, _ = self.sock.recvmsg(256, 4096)
        fds = [fd for _, _, data in beside for fd in array.array("i", data)]
        if not octets:
            raise EOFError("the switch has closed the connection")
        kind = struct.unpack_from("=H", octets)[0]
        if kind not in kinds:
            said = octets[6:102].split(b"\0")[0].decode(errors="replace") if kind == DISCONNECT else octets[:16].hex()
            raise ConnectionError(said)
        return octets, fds

    def ask(self, octets, *fds):
        self.tell(octets, *fds)
        self.hear(ACK)

    def close(self):
        self.sock.close()


def memory(size=SIZE, seal=True):
    """Shared memory with two empty rings whose descriptors all lead to a frame each."""
    fd = os.memfd_create("memif", os.MFD_ALLOW_SEALING)
    if seal:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    os.ftruncate(fd, size)
    if size >= SIZE:
        with mmap.mmap(fd, size) as shared:
            for number in (0, 1):
                shared[number * RING:number * RING + 4] = struct.pack("=I", COOKIE)
                for slot in range(1 << LOG2):
                    at = 2 * RING + (number << LOG2 | slot) * BUFFER
                    shared[at:at + len(FRAME)] = FRAME
                    struct.pack_into("=HHIII", shared, number * RING + 128 + 16 * slot, 0, 0, len(FRAME), at, 0)
    return fd


def come(path):
    """Connects, and tries again while the switch has no time."""
    deadline = time.monotonic() + 10
    while True:
        end = End(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        try:
            end.sock.connect(path)
            return end
        except OSError:
            end.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def event():
    return os.eventfd(0, os.EFD_NONBLOCK)


def introduce(end, shared):
    """A client's introduction."""
    end.hear(HELLO)
    end.ask(init())
    end.ask(region(), shared)
    for to_server in (1, 0):
        eventfd = event()
        end.ask(ring(to_server), eventfd)
        os.close(eventfd)
    end.tell(message(CONNECT, b"smoke"))
    end.hear(CONNECTED)


def serve(end):
    """A server's part of an introduction; the client's memory."""
    end.tell(message(HELLO, b"smoke".ljust(32, b"\0") + struct.pack("=HHHHHB", 0x0200, 0x0200, 255, 255, 255, 14)))
    shared, rings = None, {}
    while True:
        octets, fds = end.hear(INIT, ADD_REGION, ADD_RING, CONNECT)
        kind = struct.unpack_from("=H", octets)[0]
        if kind == ADD_REGION:
            shared = mmap.mmap(fds[0], struct.unpack_from("=Q", octets, 4)[0])
        if kind == ADD_RING:
            flags, _, _, offset = struct.unpack_from("=HHHI", octets, 2)
            rings[flags & 1] = offset
        for fd in fds:
            os.close(fd)
        if kind == CONNECT:
            end.tell(message(CONNECTED, b"smoke"))
            return shared, rings
        end.tell(message(ACK))


def flood(shared, seconds, head, tail, full):
    """Keeps a ring full: what the other side has taken is offered again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(64):
            taken = struct.unpack_from("=H", shared, tail)[0]
            struct.pack_into("=H", shared, head, taken + full & 0xFFFF)


def cut(role, path, count):
    shared = memory()
    view = mmap.mmap(shared, SIZE)
    if role == "server":
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(path)
        listener.listen(8)
        listener.settimeout(10)
    for number in range(count):
        seconds = random.uniform(0.002, 0.03)
        if role == "client":
            end = come(path)
            introduce(end, shared)
            # From client to server: the head is ours. Cut short, or with a farewell, by turns.
            flood(view, seconds, 6, 64, 1 << LOG2)
        else:
            end = End(listener.accept()[0])
            theirs, rings = serve(end)
            # To the client: what it has set out, up to its head, is given back.
            flood(theirs, seconds, rings[0] + 64, rings[0] + 6, 0)
        if number % 3 == 2:
            end.tell(message(DISCONNECT, struct.pack("=I", 0) + b"farewell"))
        end.close()
    print(f"{count} connections cut")


def abuses():
    """What a client can do wrong: a name, and a function of a connection to which HELLO was said."""

    def known(end, *steps):
        end.ask(init())
        for step in steps:
            end.ask(*step)

    shared = memory()

    def after_connected(octets, *fds):
        def act(end):
            known(end, (region(), shared), (ring(1), event()), (ring(0), event()))
            end.tell(message(CONNECT))
            end.hear(CONNECTED)
            end.tell(octets, *fds)
            end.hear()

        return act

    yield "garbage", lambda end: end.ask(random.randbytes(128))
    yield "no type that there is", lambda end: end.ask(message(99))
    yield "half a message", lambda end: end.ask(init()[:64])
    yield "a message too long", lambda end: end.ask(init() + b"x")
    yield "nobody's id", lambda end: end.ask(init(77))
    yield "a region first", lambda end: end.ask(region(), shared)
    yield "a region without memory", lambda end: known(end, (region(),))
    yield "a region with too many descriptors", lambda end: known(end, (region(), shared, shared, shared))
    yield "memory that can be cut short", lambda end: known(end, (region(), memory(seal=False)))
    yield "memory that is too short", lambda end: known(end, (region(), memory(size=4096)))
    yield "memory that is a pipe", lambda end: known(end, (region(), os.pipe()[0]))
    yield "a region out of turn", lambda end: known(end, (region(index=3), shared))
    yield "a region of no size", lambda end: known(end, (region(size=0), shared))
    yield "a region of all sizes", lambda end: known(end, (region(size=1 << 63), shared))
    yield "a ring in no region", lambda end: known(end, (region(), shared), (ring(1, where=9), event()))
    yield "a ring beyond its region", lambda end: known(end, (region(), shared), (ring(1, offset=SIZE - 64), event()))
    yield "a ring too large", lambda end: known(end, (region(), shared), (ring(1, log2=200), event()))
    yield "a ring too many", lambda end: known(end, (region(), shared), (ring(1), event()), (ring(1, index=1), event()))
    yield "a ring twice", lambda end: known(end, (region(), shared), (ring(1), event()), (ring(1), event()))
    yield "a ring without an eventfd", lambda end: known(end, (region(), shared), (ring(1),))
    yield "a ring with a pipe", lambda end: known(end, (region(), shared), (ring(1), os.pipe()[0]))
    yield "too few rings", lambda end: (known(end, (region(), shared), (ring(1), event())), end.ask(message(CONNECT)))
    yield "HELLO after CONNECTED", after_connected(message(HELLO))
    yield "a region after CONNECTED", after_connected(region(index=1), shared)
    yield "garbage after CONNECTED", after_connected(random.randbytes(128))


def abuse(path):
    for name, act in abuses():
        # Who was refused several times in a row is left alone longer and longer; one that behaves ends that.
        good = come(path)
        introduce(good, memory())
        good.close()
        end = come(path)
        try:
            end.hear(HELLO)
            act(end)
            sys.exit(f"{name}: was not refused")
        except ConnectionError as refusal:
            print(f"{name}: {refusal}")
        end.close()
    # Memory that was sealed and is cut short all the same: it is not.
    shared = memory()
    end = come(path)
    introduce(end, shared)
    try:
        os.ftruncate(shared, 0)
        sys.exit("sealed memory was cut short")
    except PermissionError:
        print("memory cut short after CONNECTED: the kernel refuses")
    end.tell(message(DISCONNECT, struct.pack("=I", 0) + b"\x1b[2Jfarewell"))
    end.close()


if __name__ == "__main__":
    if sys.argv[1] == "cut":
        cut(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        abuse(sys.argv[2])
