#!/usr/bin/env python3
"""A VLAN interface for kernels built without 8021q.

usage: vlan-interface.py PARENT PEER VLAN

PEER is one end of a veth; its other end is the VLAN interface. Frames of that VLAN that PARENT receives go to PEER without
their tag, and what PEER receives leaves by PARENT with it. As with the kernel's own, checksums and segments that one side leaves
undone are left to the other. Prints one line when it is ready.
"""
import select
import socket
import struct
import sys

ETH_P_ALL, ETH_P_8021Q = 0x0003, 0x8100
SOL_PACKET, PACKET_AUXDATA, PACKET_VNET_HDR, PACKET_OUTGOING = 263, 8, 15, 4
TP_STATUS_VLAN_VALID = 0x10
ADDRESSES, TAG = 12, 4

# In front of every frame the kernel says what is left undone (struct virtio_net_hdr): flags, the kind of segments, the length of
# all headers, that of a segment, where the checksum begins to count, where from there it is.
UNDONE = struct.Struct("=BBHHHH")
NEEDS_CSUM = 1


def listen(interface):
    """A socket that sees every frame of the interface, with the tag the kernel took off beside it."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.bind((interface, ETH_P_ALL))
    return sock


def receive(sock):
    """The next frame, behind what is left undone of it, and the control information of its tag; no frame where it is one the
    interface sends."""
    data, ancillary, _, address = sock.recvmsg(1 << 17, 256)
    if address[2] == PACKET_OUTGOING:
        return None, None
    for level, kind, content in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", content[:20])
            if status & TP_STATUS_VLAN_VALID:
                return data, tci
    return data, None


def push(data, tci):
    flags, segments, headers, segment, start, offset = UNDONE.unpack_from(data)
    undone = UNDONE.pack(
        flags & NEEDS_CSUM,
        segments,
        headers + TAG if segments else 0,
        segment,
        start + TAG if flags & NEEDS_CSUM else 0,
        offset,
    )
    frame = data[UNDONE.size :]
    return undone + frame[:ADDRESSES] + struct.pack("!HH", ETH_P_8021Q, tci) + frame[ADDRESSES:]


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
