#!/usr/bin/env python3
"""One TCP stream of random octets, or datagrams sent many at a time, and a hash at each end.

usage: stream.py receive ADDRESS | send ADDRESS MEGABYTES
       stream.py exchange KILOBYTES ADDRESS...
       stream.py receive-udp ADDRESS | send-udp ADDRESS [TIMES]

Prints what it sent or received as a hash; of datagrams, as the number of different ones, each of 1,000 octets. `send-udp`
leaves it to the kernel to cut 30 datagrams out of one write (UDP_SEGMENT), and writes them TIMES, or again until it is ended.

`exchange` is for guests (scripts/lib-guest.sh): what is at an address sends a stream while it receives one, and behind it
the hashes of what it received and of what it sent. They are compared here; nothing is printed where all is well.

example: ip netns exec c1 scripts/smoke/stream.py send 10.0.0.2 50
"""
import hashlib
import random
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

PORT = 5001
UDP_SEGMENT = 103
DATAGRAMS, OCTETS = 30, 1000
PATIENCE_S = 40
# Two hashes, a space between them and an end of line.
HASHES = 2 * 64 + 2


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


def write(stream, pieces, length):
    digest = hashlib.sha256()
    for n in range(pieces):
        # Lengths that are no multiple of anything, and now and then an end before the next piece.
        octets = random.randbytes(length + n)
        digest.update(octets)
        stream.sendall(octets)
        if n % 7 == 0:
            stream.sendall(octets[:1])
            digest.update(octets[:1])
    return digest.hexdigest()


def send(address, megabytes):
    with connected(address) as stream:
        print(write(stream, int(megabytes), 10**6))


def read(stream):
    return b"".join(iter(lambda: stream.recv(1 << 18), b""))


def exchange(kilobytes, *addresses):
    for address in addresses:
        try:
            sent, answer = both_ways(address, int(kilobytes))
        except OSError as error:
            sys.exit(f"{address}: {error}")
        received = hashlib.sha256(answer[:-HASHES]).hexdigest()
        said = answer[-HASHES:].decode(errors="replace").split()
        if said != [sent, received]:
            sys.exit(f"{address} was sent {sent}, {received} came of it; it says {said}")


def both_ways(address, kilobytes):
    with connected(address) as stream, ThreadPoolExecutor() as beside:
        answer = beside.submit(read, stream)
        sent = write(stream, kilobytes // 100, 10**5)
        stream.shutdown(socket.SHUT_WR)
        return sent, answer.result()


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


def send_udp(address, times=10**9):
    with socket.socket(family(address), socket.SOCK_DGRAM) as end:
        end.setsockopt(socket.SOL_UDP if hasattr(socket, "SOL_UDP") else 17, UDP_SEGMENT, OCTETS)
        for _ in range(int(times)):
            end.sendto(b"".join(bytes([n]) * OCTETS for n in range(DATAGRAMS)), (address, PORT))
            time.sleep(0.1)


def main():
    work = {"receive": receive, "send": send, "exchange": exchange, "receive-udp": receive_udp, "send-udp": send_udp}
    role, *arguments = sys.argv[1:] or ["help"]
    if role not in work:
        sys.exit(__doc__)
    work[role](*arguments)


if __name__ == "__main__":
    main()
