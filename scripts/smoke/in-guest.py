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

# A guest at rest begins with a command within milliseconds, a busy one within a second. Where it has not said a word for so many
# seconds, the line is asleep: now and then a machine with an IOMMU, of whose switch the process has just ended, loses an
# interrupt of the serial device. To hang up and call again wakes it. The guest does nothing twice.
PATIENCE = 5


def call(path, request):
    """A new connection to the guest's line, with the request sent."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(path)
    line.sendall(request)
    return line


def answer(path, request, end, deadline):
    """All that the guest says up to its last word."""
    line, said = call(path, request), b""
    while end not in said or not said.endswith(b"\n"):
        left = deadline - time.monotonic()
        line.settimeout(max(left if said else min(left, PATIENCE), 0.001))
        try:
            more = line.recv(65536)
        except TimeoutError:
            if said or time.monotonic() >= deadline:
                raise
            line.close()
            line = call(path, request)
            continue
        if not more:
            raise ConnectionError
        said += more
    return said


def main():
    path, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    if "\n" in command:
        sys.exit("in-guest.py: a command is one line")
    # What a command before this one left on the line ends at our own mark.
    mark = f"{os.getpid()}-{os.urandom(4).hex()}"
    try:
        end = f"\n{mark} ended "
        said = answer(path, f"\n{mark} {command}\n".encode(), end.encode(), time.monotonic() + seconds)
    except (TimeoutError, ConnectionError):
        sys.exit(124)
    said, _, code = said.decode(errors="replace").rpartition(end)
    print(said.rpartition(f"{mark} begins\n")[2], end="\n" if said else "")
    sys.exit(int(code))


main()
