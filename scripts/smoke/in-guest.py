#!/usr/bin/env python3
"""Runs a command in a QEMU guest of lib-guest.sh, by its second serial line.

usage: in-guest.py SOCKET SECONDS COMMAND

Prints what the command prints, and exits with its code; with 124 where the guest has not answered in SECONDS. What the
command leaves running in the background must have its output elsewhere.
"""
import os
import socket
import sys
import time

# Seconds of silence after which to hang up and ask again: now and then a machine with an IOMMU, of whose switch the process has
# just ended, loses an interrupt of its serial device, and the line is asleep until somebody hangs up. The guest does nothing
# twice, but answers as often as it is asked.
PATIENCE = 10


def call(path, request, deadline):
    """A new connection to the guest's line, with the request sent."""
    while True:
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            line.connect(path)
            line.sendall(request)
            return line
        except BlockingIOError:
            # Those who hung up are still in the queue.
            line.close()
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(0.05)


def answer(path, mark, command, deadline):
    """What the guest says between "begins" and "ended", and the command's exit code."""
    request = f"\n{mark} {command} {mark}\n".encode()
    begins, ended = f"{mark} begins\n".encode(), f"\n{mark} ended ".encode()
    line, said = call(path, request, deadline), b""
    # What a command before this one left on the line is in front of our own mark.
    while begins not in said or ended not in said or not said.endswith(b"\n"):
        left = deadline - time.monotonic()
        line.settimeout(max(min(left, PATIENCE), 0.001))
        try:
            more = line.recv(65536)
        except TimeoutError:
            if time.monotonic() >= deadline:
                raise
            line.close()
            line, said = call(path, request, deadline), b""
            continue
        if not more:
            raise ConnectionError
        said += more
    said, _, code = said.rpartition(ended)
    return said.rpartition(begins)[2].decode(errors="replace"), int(code)


def main():
    path, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    if "\n" in command:
        sys.exit("in-guest.py: a command is one line")
    mark = f"{os.getpid()}-{os.urandom(4).hex()}"
    try:
        said, code = answer(path, mark, command, time.monotonic() + seconds)
    except (TimeoutError, ConnectionError):
        sys.exit(124)
    print(said, end="\n" if said else "")
    sys.exit(code)


main()
