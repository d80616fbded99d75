#!/usr/bin/env python3
"""Steady UDP traffic whose every packet has a number, to count what a failure costs.

usage: paced.py send ADDRESS PORT RATE SECONDS [FLOWS]
                          RATE packets a second, from FLOWS source ports in turn (1)
       paced.py receive PORT SECONDS
                          prints {"sent", "received", "lost", "twice", "gap_ms"} when the sender has ended; waits for it
                          SECONDS at most

`gap_ms` is the longest time without a packet. A sender that was kept from its pace catches up.
"""
import json
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33  # which Python does not name
END = 0xFFFFFFFF
ENDS = 20


def send(address, port, rate, seconds, flows):
    links = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(flows)]
    for link in links:
        link.connect((address, port))
    start, count = time.monotonic(), int(rate * seconds)
    for number in range(count):
        ahead = start + number / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        transmit(links[number % flows], number, count)
    for _ in range(ENDS):
        time.sleep(0.02)
        transmit(links[0], END, count)


def transmit(link, number, count):
    try:
        link.send(struct.pack("!II", number, count) + bytes(92))
    except OSError:
        pass  # not sent: the receiver misses it


def receive(port, seconds):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    link.bind(("0.0.0.0", port))
    link.settimeout(seconds)
    seen, received, last, gap = set(), 0, None, 0.0
    while True:
        number, count = struct.unpack_from("!II", link.recv(2048))
        if number == END:
            break
        now = time.monotonic()
        gap, last = max(gap, now - (last or now)), now
        received += 1
        seen.add(number)
    lost, twice = count - len(seen), received - len(seen)
    print(json.dumps({"sent": count, "received": received, "lost": lost, "twice": twice, "gap_ms": round(gap * 1000)}))


def main():
    what, *rest = sys.argv[1:]
    if what == "send":
        address, port, rate, seconds, *flows = rest
        send(address, int(port), float(rate), float(seconds), int(flows[0]) if flows else 1)
    elif what == "receive":
        receive(int(rest[0]), float(rest[1]))
    else:
        sys.exit(f"paced.py: what is `{what}`?\n{__doc__}")


main()
