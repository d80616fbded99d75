#!/usr/bin/env python3
"""Datagrams of random octets there and back, in sizes around an MTU, and many written as one. Runs in guests too.

usage: datagrams.py answer
       datagrams.py ask MTU ADDRESS[/whole]...

`answer` says when it is ready to send back what comes to port 5002. `ask` sends each address datagrams of some octets, of just
the MTU, and, but for those that are to be left whole, of one octet more and of many MTUs, which kernels take to pieces; then
many in one write, which the kernel cuts (UDP_SEGMENT); then it asks to be sent as many in one write. What comes back is
compared with what was sent. One that does not come is asked for again.

For each address it prints how the many were written, here and over there: `at once`, or `one by one` where a kernel does not
cut them, as for a card that leaves it every checksum (Linux before 6.11).

example: ip netns exec c1 scripts/smoke/datagrams.py ask 1500 10.0.0.2 fd00::2
"""
# Guests are given the modules that this imports, so they are few.
import errno
import os
import socket
import sys
import time

PORT = 5002
UDP_SEGMENT = 103
MANY, OCTETS_MAX = 30, 60000
# IP and UDP.
HEADERS_4, HEADERS_6 = 28, 48
# How many datagrams to send back, which one this is, how it was written, and what else tells it from others.
COUNT, NUMBER, WRITTEN, HEAD = 0, 1, 2, 7
AT_ONCE, ONE_BY_ONE = b"\1", b"\2"
HOW = {AT_ONCE: "at once", ONE_BY_ONE: "one by one"}
TIMES, PATIENCE_S = 8, 1


def numbered(datagram, number, written=b"\0"):
    return datagram[:NUMBER] + bytes([number]) + written + datagram[WRITTEN + 1 :]


def row(datagram, count, written=b"\0"):
    """So many, of which the last is shorter."""
    datagrams = [numbered(datagram, number, written) for number in range(count)]
    datagrams[-1] = datagrams[-1][: max(HEAD, len(datagram) // 2)]
    return datagrams


def sent_at_once(end, datagrams, address):
    """Whether the kernel takes them."""
    end.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(datagrams[0]))
    try:
        end.sendto(b"".join(datagrams), address)
        return True
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return False
    finally:
        end.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)


def answer():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as end:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        end.bind(("::", PORT))
        print("ready", flush=True)
        while True:
            datagram, address = end.recvfrom(1 << 16)
            count = datagram[COUNT]
            if count == 1:
                end.sendto(datagram, address)
            elif not sent_at_once(end, row(datagram, count, AT_ONCE), address):
                for part in row(datagram, count, ONE_BY_ONE):
                    end.sendto(part, address)


def ask_for(end, requests, expected):
    """Sends the requests until every datagram of one of the expected lists has come. How they were sent, and which list came."""
    for _ in range(TIMES):
        deadline = time.monotonic() + PATIENCE_S
        written = AT_ONCE
        if len(requests) == 1 or not sent_at_once(end, requests, end.getpeername()):
            written = ONE_BY_ONE
            for request in requests:
                end.send(request)
        left = [set(datagrams) for datagrams in expected]
        while (seconds := deadline - time.monotonic()) > 0:
            end.settimeout(seconds)
            try:
                came = end.recv(1 << 16)
            except TimeoutError:
                break
            if came[WRITTEN + 1 : HEAD] != requests[0][WRITTEN + 1 : HEAD]:
                continue  # late, and asked for again since
            if not any(came in datagrams for datagrams in expected):
                raise OSError(f"a datagram of {len(came)} octets that nobody sent, asked with one of {len(requests[0])}")
            for n, datagrams in enumerate(left):
                datagrams.discard(came)
                if not datagrams:
                    return written, n
    raise OSError(f"{min(map(len, left))} of {len(expected[0])} datagrams of {len(expected[0][0])} octets did not come back")


def fresh(count, octets):
    return bytes([count, 0, 0]) + os.urandom(octets - WRITTEN - 1)


def ask(mtu, address):
    address, _, left_whole = address.partition("/")
    is_ipv6 = ":" in address
    whole = int(mtu) - (HEADERS_6 if is_ipv6 else HEADERS_4)
    count = min(MANY, OCTETS_MAX // whole)
    with socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.connect((address, PORT))
        for octets in (HEAD, 18, 1001, whole) + (() if left_whole else (whole + 1, 20001)):
            request = fresh(1, octets)
            ask_for(end, [request], [[request]])
        requests = row(fresh(1, whole), count)
        here, _ = ask_for(end, requests, [requests])
        request = fresh(count, whole)
        _, there = ask_for(end, [request], [row(request, count, AT_ONCE), row(request, count, ONE_BY_ONE)])
        print(f"{HOW[here]}, {HOW[(AT_ONCE, ONE_BY_ONE)[there]]}")


def main():
    role, *arguments = sys.argv[1:] or ["help"]
    if role == "answer" and not arguments:
        answer()
    elif role == "ask" and len(arguments) > 1:
        for address in arguments[1:]:
            try:
                ask(arguments[0], address)
            except OSError as error:
                sys.exit(f"{address}: {error}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
