#!/usr/bin/env python3
"""Front ends of vhost-user that are hostile, each in its own way, and one that is not.

usage: hostile-guests.py ways
                          prints the ways: NAME, then what the switch must say of it; `-` where nothing is wrong
       hostile-guests.py run DIRECTORY
                          one front end for each way on DIRECTORY/NAME.sock, and an honest one that answers pings on
                          DIRECTORY/honest.sock; those that are sent away come again, and all are killed by SIGTERM
"""
import fcntl
import os
import random
import signal
import struct
import sys
import time

from vhost_guest import (ADD_REGION, GET_FEATURES, GET_INFLIGHT, HEADER, LOG_SHMFD, MEMORY, NEXT, PACKED, SET_INFLIGHT, SET_LOG_BASE,
                         SET_MEM_TABLE, SET_OWNER, SIZE, TABLE, USER, WRITE, Gone, Guest, BUFFER, fork)

def pong(frame):
    """The answer to a ping; None to anything else."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[23] != 1 or frame[34] != 8:
        return None
    check = struct.unpack_from("!H", frame, 36)[0] + 0x0800
    check = (check & 0xFFFF) + (check >> 16)
    ends = frame[30:34] + frame[26:30]
    return frame[6:12] + frame[0:6] + frame[12:26] + ends + b"\0\0" + struct.pack("!H", check) + frame[38:]


def honest(path):
    guest = Guest(path).start()
    for index in range(SIZE):
        guest.post(0, index)
    while True:
        for frame in guest.collect(0):
            answer = pong(frame)
            while answer and not guest.transmit(1, answer):
                time.sleep(0.001)
        time.sleep(0.002)


def chain(*descriptors, offer=(0,), features=0):
    """A way that makes one chain of these descriptors available: (address, length, flags, link)."""

    def way(path):
        guest = Guest(path, features=features)
        for index, descriptor in enumerate(descriptors):
            guest.describe(1, index, *descriptor)
        guest.start()
        for head in offer:
            guest.offer(1, head)
        guest.wait()

    return way


def index_far(path):
    guest = Guest(path).start()
    guest.show(1, 0xFFFF)
    guest.wait()


def packed_loop(path):
    guest = Guest(path, features=PACKED)
    for index in range(SIZE):
        guest.describe(1, index, guest.buffer(1, 0), 100, 0, 0x80 | NEXT)
    guest.start().wait()


def overlay(path):
    """All buffers are the same, and one is the ring itself: the guest spoils nothing but its own frames."""
    guest = Guest(path)
    for index in range(SIZE):
        guest.describe(0, index, guest.buffer(0, 0), BUFFER, WRITE)
    guest.start()
    for index in range(SIZE):
        guest.offer(0, index)
    guest.wait()


def kicks(path):
    """A million of them. What the switch has of the descriptor is closed, so nobody hears."""
    guest = Guest(path).start()
    one, kick = struct.pack("=Q", 1), guest.kicks[1]
    for _ in range(1_000_000):
        os.write(kick, one)
    guest.wait()


def order(path):
    guest = Guest(path)
    guest.say(ADD_REGION, struct.pack("=QQQQQ", 0, 0, MEMORY, USER, 0), [guest.fd])
    guest.wait()


def half(path):
    """Half a message, and the other half much later."""
    guest = Guest(path).start()
    message = struct.pack("=III", GET_FEATURES, 1, 0)
    guest.raw(message[:5])
    time.sleep(2)
    guest.raw(message[5:])
    if len(guest.hear()) != 8:
        sys.exit("hostile-guests.py: the other half of a message was not answered")
    guest.raw(message[:7])
    guest.wait()


def flood(path):
    guest = Guest(path).start()
    guest.say(SET_OWNER, fds=[guest.fd] * 200)
    guest.wait()


def call_pipe(path):
    guest, ends = Guest(path), os.pipe()
    guest.negotiate()
    guest.calls[0] = os.dup(ends[1])
    for end in ends:
        os.close(end)
    guest.start().wait()


def disk(path):
    """Memory that is a file on a disk."""
    guest = Guest(path)
    guest.negotiate()
    with open(__file__, "rb") as file:
        guest.say(SET_MEM_TABLE, struct.pack("=QQQQQ", 1, 0, 4096, USER, 0), [file.fileno()])
    guest.wait()


def overlap(path):
    guest = Guest(path)
    guest.negotiate()
    regions = struct.pack("=QQQQQQQQQ", 2, 0, MEMORY, USER, 0, 4096, 4096, 2 * USER, 0)
    guest.say(SET_MEM_TABLE, regions, [guest.fd, guest.fd])
    guest.wait()


def truncate(path):
    """The file behind its memory shrinks while the switch reads from it: SIGBUS."""
    guest = Guest(path).start()
    for _ in range(100):
        guest.transmit(1, bytes(60))
    os.ftruncate(guest.fd, 4096)
    guest.wait()


def sluggard(path):
    """Has no buffers, and takes nothing."""
    Guest(path).start().wait()


def drip(path):
    """Takes one frame a second."""
    guest = Guest(path).start()
    guest.post(0, 0)
    while True:
        next(guest.collect(0), None)
        guest.wait(1)


def full_call(path):
    """What it is woken by is full, and made blocking again and again."""
    guest = Guest(path).start()
    os.write(guest.calls[0], struct.pack("=Q", 0xFFFFFFFFFFFFFFFE))
    for index in range(SIZE):
        guest.post(0, index)
    while True:
        fcntl.fcntl(guest.calls[0], fcntl.F_SETFL, 0)
        for _ in guest.collect(0):
            pass
        guest.wait(0.01)


def deaf(path):
    guest = Guest(path).start()
    guest.link.settimeout(0.2)
    while True:
        guest.say(GET_FEATURES)


def inflight(path):
    """Both requests about descriptors in flight, each with seven descriptors too many: CVE-2022-0669, where each of them
    stayed open. Whether the feature was negotiated or not, they must not."""
    guest = Guest(path).start()
    area = struct.pack("=QQHHI", 4096, 0, 2, SIZE, 0)
    request = random.choice([GET_INFLIGHT, SET_INFLIGHT])
    guest.say(request, area[:20], [guest.fd] * 8)
    guest.wait()


def log_base(path):
    """QEMU waits for an answer to SET_LOG_BASE although it asked for none, and a migration with it
    (Juniper/contrail-vrouter#105)."""
    guest = Guest(path, protocol=LOG_SHMFD).start()
    for _ in range(100):
        guest.say(SET_LOG_BASE, struct.pack("=QQ", 4096, 0), [guest.fd])
        guest.hear()
    guest.wait()


def truncate_log(path):
    """The dirty log is taken back while it is written."""
    guest = Guest(path, protocol=LOG_SHMFD, features=1 << 26).start()
    log = os.memfd_create("log")
    os.ftruncate(log, 4096)
    guest.say(SET_LOG_BASE, struct.pack("=QQ", 4096, 0), [log])
    guest.hear()
    os.ftruncate(log, 0)
    os.close(log)
    for index in range(SIZE):
        guest.post(0, index)
    guest.wait()


INSIDE = 0x100000
FAR = 1 << 40
TOP = (1 << 64) - 50
NOTHING = "-"
WAYS = {
    "loop": (chain((INSIDE, 100, NEXT, 1), (INSIDE, 100, NEXT, 0)), "a chain of more than 256 descriptors"),
    "loop-table": (chain((INSIDE, 16, TABLE, 0), (0, 0, 0, 0)), "a descriptor of no octets"),
    "loop-packed": (packed_loop, "a chain of more than 256 descriptors"),
    "outside": (chain((FAR, 100)), "which is not all guest memory"),
    "wrap": (chain((TOP, 100)), "which is not all guest memory"),
    "no-length": (chain((INSIDE, 0)), "a descriptor of no octets"),
    "long": (chain((INSIDE, 0xFFFFFFFF)), "which is not all guest memory"),
    "short": (chain((INSIDE, 3)), "shorter than the header"),
    "wrong-way": (chain((INSIDE, 100, WRITE)), "a descriptor of the wrong direction"),
    "far-head": (chain((INSIDE, 100), offer=(0xFFFF,)), "descriptor 65535 of a table of 256"),
    "far-index": (index_far, "65535 chains are available in a ring of 256"),
    "overlay": (overlay, NOTHING),
    "kicks": (kicks, NOTHING),
    "order": (order, "without the feature it belongs to"),
    "half": (half, NOTHING),
    "flood": (flood, "a message with more than 8 file descriptors"),
    "call-pipe": (call_pipe, "a descriptor of pipe"),
    "disk": (disk, "neither shared memory"),
    "overlap": (overlap, "overlaps another"),
    "truncate": (truncate, "shared memory was taken back"),
    "truncate-log": (truncate_log, "shared memory was taken back"),
    "sluggard": (sluggard, NOTHING),
    "drip": (drip, NOTHING),
    "full-call": (full_call, NOTHING),
    "deaf": (deaf, "it does not read the answers"),
    "inflight": (inflight, ""),
    "log-base": (log_base, NOTHING),
}


def again(way, path):
    """Lives again and again: who is sent away was at fault, as it should be."""
    while True:
        try:
            way(path)
        except (Gone, TimeoutError, ConnectionError):
            time.sleep(0.05)


def run(directory):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    children = [fork(again, way, f"{directory}/{name}.sock") for name, (way, _) in WAYS.items()]
    children.append(fork(again, honest, f"{directory}/honest.sock"))
    try:
        os.wait()
        sys.exit("hostile-guests.py: a guest met something unexpected")
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def main():
    what, *rest = sys.argv[1:] or ["--help"]
    if what == "ways":
        print("\n".join(f"{name}\t{reason}" for name, (_, reason) in WAYS.items()))
    elif what == "run":
        run(rest[0])
    else:
        sys.exit(f"hostile-guests.py: what is `{what}`?\n{__doc__}")


main()
