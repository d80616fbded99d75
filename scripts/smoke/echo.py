#!/usr/bin/env python3
"""Pings, and waits for every answer as long as it takes: ping(8) gives up on the last ones after twice the longest round
trip, which on a busy machine passes for loss.

usage: echo.py ADDRESS COUNT INTERVAL_S PATIENCE_S

PATIENCE_S is how long the last answer may take. Exit code 0 where each request was answered exactly once.
"""
import os
import select
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33  # which Python does not name


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def request(identifier, number):
    head = struct.pack("!BBHHH", 8, 0, 0, identifier, number)
    payload = bytes(range(48))
    return head[:2] + struct.pack("!H", checksum(head + payload)) + head[4:] + payload


def answer(packet, identifier):
    """The number of the request that the packet answers; None where it is something else."""
    kind, _, _, who, number = struct.unpack_from("!BBHHH", packet, (packet[0] & 15) * 4)
    return number if (kind, who) == (0, identifier) else None


def main():
    address, count = sys.argv[1], int(sys.argv[2])
    interval, patience = float(sys.argv[3]), float(sys.argv[4])
    link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    identifier, sent, answers = os.getpid() & 0xFFFF, 0, {}
    due = time.monotonic()
    while sent < count or len(answers) < count:
        now = time.monotonic()
        if sent < count and now >= due:
            link.sendto(request(identifier, sent), (address, 0))
            sent, due = sent + 1, now + interval
        elif sent == count and now > due - interval + patience:
            break
        wait = due - now if sent < count else due - interval + patience - now
        if select.select([link], [], [], max(wait, 0))[0]:
            packet, sender = link.recvfrom(2048)
            number = answer(packet, identifier) if sender[0] == address else None
            if number is not None:
                answers[number] = answers.get(number, 0) + 1
    twice = sum(times - 1 for times in answers.values())
    lost = [number for number in range(count) if number not in answers]
    print(f"{address}: {count} requests, {len(answers)} answered, {twice} duplicates, unanswered: {lost[:20]}")
    sys.exit(bool(lost or twice))


main()
