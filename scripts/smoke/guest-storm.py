#!/usr/bin/env python3
"""Guests that start, move frames and die, again and again.

usage: guest-storm.py DIRECTORY COUNT

COUNT front ends on DIRECTORY/vmN.sock set up rings (odd ones two queue pairs), send frames to each other and to everybody,
and die, by SIGKILL or in order. On SIGTERM all die, and how many lives there were is printed.
"""
import contextlib
import os
import random
import signal
import struct
import sys
import time

from vhost_guest import GET_BASE, SIZE, Gone, Guest, fork


def mac(number):
    return bytes([2, 0, 0, 0, 1, number])


def move(guest, number, count, odds):
    """Sends and receives for a while."""
    end = time.monotonic() + odds.uniform(0.02, 0.4)
    while time.monotonic() < end:
        to = mac((number + 1) % count) if odds.random() < 0.9 else b"\xff" * 6
        for ring in range(1, 2 * guest.pairs, 2):
            guest.transmit(ring, to + mac(number) + b"\x88\xb5" + bytes(46))
            for _ in guest.collect(ring - 1):
                pass
        time.sleep(0.0005)


def short_life(path, number, count, odds):
    """Sets up rings, sends to the next guest and to everybody, takes what comes, and dies."""
    guest = Guest(path, pairs=1 + number % 2).start()
    for ring in range(0, 2 * guest.pairs, 2):
        for index in range(SIZE // 2):
            guest.post(ring, index)
    move(guest, number, count, odds)
    if odds.random() < 0.5:
        os.kill(os.getpid(), signal.SIGKILL)
    if odds.random() < 0.5:
        guest.say(GET_BASE, struct.pack("=II", 1, 0))
    guest.close()


def life(*arguments):
    try:
        short_life(*arguments)
    except Gone:
        pass  # its port was taken away


def storm(directory, count):
    running, lives = {}, 0

    def end(*_):
        for child in running:
            # One may have just been waited for.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        print(lives)
        sys.exit()

    signal.signal(signal.SIGTERM, end)
    while True:
        for number in set(range(count)) - set(running.values()):
            odds = random.Random(lives)
            running[fork(life, f"{directory}/vm{number}.sock", number, count, odds)] = number
            lives += 1
        child, code = os.wait()
        if code not in (0, signal.SIGKILL):
            sys.exit(f"guest-storm.py: a guest ended with {code}")
        del running[child]


storm(sys.argv[1], int(sys.argv[2]))
