#!/usr/bin/env python3
"""One TCP stream of random octets, or datagrams sent many at a time, and a hash at each end.

usage: stream.py receive ADDRESS | send ADDRESS MEGABYTES
       stream.py receive-udp ADDRESS | send-udp ADDRESS

Prints what it sent or received as a hash; of datagrams, as the number of different ones, each of 1,000 octets. `send-udp`
leaves it to the kernel to cut 30 datagrams out of one write (UDP_SEGMENT), and writes them again until it is ended.

example: ip netns exec c1 scripts/smoke/stream.py send 10.0.0.2 50
"""
import hashlib
import random
import socket
import sys
import time

PORT = 5001
UDP_SEGMENT = 103
DATAGRAMS, OCTETS = 30, 1000
PATIENCE_S = 40


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def receive(address):
    digest = hashlib.sha256()
    with socket.create_server((address, PORT), family=family(address)) as server:
        server.settimeout(PATIENCE_S)
        stream = server.accept()[0]
        stream.settimeout(PATIENCE_S)
        while octets := stream.recv(1 << 18):
            digest.update(octets)
    print(digest.hexdigest())


def connected(address):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection((address, PORT), timeout=PATIENCE_S)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def send(address, megabytes):
    digest = hashlib.sha256()
    with connected(address) as stream:
        for n in range(int(megabytes)):
            # Lengths that are no multiple of anything, and now and then an end before the next piece.
            octets = random.randbytes(10**6 + n)
            digest.update(octets)
            stream.sendall(octets)
            if n % 7 == 0:
                stream.sendall(octets[:1])
                digest.update(octets[:1])
    print(digest.hexdigest())


def receive_udp(address):
    with socket.socket(family(address), socket.SOCK_DGRAM) as end:
        end.bind((address, PORT))
        end.settimeout(PATIENCE_S)
        seen = set()
        while len(seen) < DATAGRAMS:
            octets = end.recv(1 << 16)
            if len(octets) != OCTETS or len(set(octets)) != 1:
                sys.exit(f"a datagram of {len(octets)} octets that nobody sent")
            seen.add(octets[0])
    print(len(seen))


def send_udp(address):
    with socket.socket(family(address), socket.SOCK_DGRAM) as end:
        end.setsockopt(socket.SOL_UDP if hasattr(socket, "SOL_UDP") else 17, UDP_SEGMENT, OCTETS)
        while True:
            end.sendto(b"".join(bytes([n]) * OCTETS for n in range(DATAGRAMS)), (address, PORT))
            time.sleep(0.1)


def main():
    work = {"receive": receive, "send": send, "receive-udp": receive_udp, "send-udp": send_udp}
    role, *arguments = sys.argv[1:] or ["help"]
    if role not in work:
        sys.exit(__doc__)
    work[role](*arguments)


if __name__ == "__main__":
    main()
