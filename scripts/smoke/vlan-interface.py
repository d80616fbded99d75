#!/usr/bin/env python3
"""A VLAN interface for kernels built without 8021q.

usage: vlan-interface.py PARENT PEER VLAN

PEER is one end of a veth; its other end is the VLAN interface. Frames of that VLAN that PARENT receives go to PEER without
their tag, and what PEER receives leaves by PARENT with it. Prints one line when it is ready.
"""
import select
import socket
import struct
import sys

ETH_P_ALL, ETH_P_8021Q = 0x0003, 0x8100
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
TP_STATUS_VLAN_VALID = 0x10
ADDRESSES = 12


def listen(interface):
    """A socket that sees every frame of the interface, with the tag the kernel took off beside it."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.bind((interface, ETH_P_ALL))
    return sock


def receive(sock):
    """The next frame and the control information of its tag; no frame where it is one the interface sends."""
    data, ancillary, _, address = sock.recvmsg(65536, 256)
    if address[2] == PACKET_OUTGOING:
        return None, None
    for level, kind, content in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", content[:20])
            if status & TP_STATUS_VLAN_VALID:
                return data, tci
    return data, None


def push(frame, tci):
    return frame[:ADDRESSES] + struct.pack("!HH", ETH_P_8021Q, tci) + frame[ADDRESSES:]


def send(sock, frame):
    try:
        sock.send(frame)
    except OSError as error:  # too long, or the interface is down: lost, as on a wire
        print(error, flush=True)


def main():
    parent, peer, vlan = listen(sys.argv[1]), listen(sys.argv[2]), int(sys.argv[3])
    print("ready", flush=True)
    while True:
        for sock in select.select([parent, peer], [], [])[0]:
            frame, tci = receive(sock)
            if frame is None:
                continue
            if sock is peer:
                inner = frame if tci is None else push(frame, tci)
                send(parent, push(inner, vlan))
            elif tci is not None and tci & 0xFFF == vlan:
                send(peer, frame)


main()
