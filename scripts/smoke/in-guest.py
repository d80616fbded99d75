#!/usr/bin/env python3
"""Runs a command in a QEMU guest of lib-guest.sh, by its second serial line.

usage: in-guest.py SOCKET SECONDS COMMAND

Prints what the command prints, and exits with its code; with 124 where the guest has not answered in SECONDS. What the
command leaves running in the background must have its output elsewhere.
"""
import os
import socket
import sys


def main():
    path, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    if "\n" in command:
        sys.exit("in-guest.py: a command is one line")
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(seconds)
    line.connect(path)
    # What a command before this one left on the line ends at our own mark.
    mark = f"{os.getpid()}-{os.urandom(4).hex()}"
    try:
        line.sendall(f"\n{mark} {command}\n".encode())
        said = b""
        while f"\n{mark} ended ".encode() not in said or not said.endswith(b"\n"):
            more = line.recv(65536)
            if not more:
                sys.exit(124)
            said += more
    except (TimeoutError, ConnectionError):
        sys.exit(124)
    said, _, code = said.decode(errors="replace").rpartition(f"\n{mark} ended ")
    print(said.rpartition(f"{mark} begins\n")[2], end="\n" if said else "")
    sys.exit(int(code))


main()
