#!/usr/bin/env python3
"""Sends frames that no honest sender sends, from the interface it is given, for the smoke tests.

usage: frames.py IFACE malformed DST SRC            wrong in every header; prints {"reason": frames} to be dropped for it
       frames.py IFACE underlay DST SRC SRC_IP DST_IP VNI PORT
                                                    wrong as VXLAN, and right with each of the former inside; prints the same
       frames.py IFACE vxlan DST SRC SRC_IP DST_IP VNI PORT OCTETS
                                                    one good VXLAN packet around a broadcast frame of OCTETS
       frames.py IFACE sources DST COUNT            one IPv4 frame from each of COUNT MACs, 02:aa:00:00:00:00 and up
       frames.py IFACE long DST SRC OCTETS          one frame of OCTETS
       frames.py IFACE broadcast SRC COUNT          COUNT of them, as fast as it goes

IFACE may be a file that ends in .pcap: they are written there. Every wrong frame is sent three times. Byte order is the wire's; checksums are right unless they are the point.
"""
import json
import socket
import struct
import sys

TIMES = 3
IPV4, IPV6, ARP, VLAN = 0x0800, 0x86DD, 0x0806, 0x8100
ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
HOP_BY_HOP, FRAGMENT, DESTINATION = 0, 44, 60


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(payload, protocol=UDP, version=4, words=5, total=None, flags=0, src="10.0.0.1", dst="10.0.0.2", wrong_sum=0):
    total = 20 + len(payload) if total is None else total
    head = struct.pack("!BBHHHBBH", version << 4 | words, 0, total, 1, flags, 64, protocol, 0)
    head += socket.inet_aton(src) + socket.inet_aton(dst)
    return head[:10] + struct.pack("!H", checksum(head) ^ wrong_sum) + head[12:] + payload


def ipv6(payload, following=UDP, version=6, length=None):
    length = len(payload) if length is None else length
    return struct.pack("!IHBB", version << 28, length, following, 64) + bytes.fromhex("fd00" + "00" * 13 + "01") * 2 + payload


def extension(following, words=0, size=None):
    return struct.pack("!BB", following, words) + b"\0" * (8 * words + 6 if size is None else size)


def fragment(following, offset_and_more):
    return struct.pack("!BBHI", following, 0, offset_and_more, 1)


def udp(payload=b"x" * 8, length=None, dport=9):
    return struct.pack("!HHHH", 9, dport, 8 + len(payload) if length is None else length, 0) + payload


def tcp(words):
    return struct.pack("!HHIIBBHHH", 9, 9, 0, 0, words << 4, 2, 0, 0, 0)


def solicitation(options=b""):
    return struct.pack("!BBHI", 135, 0, 0, 0) + b"\xfd" * 16 + options


# Reason, ethertype, what follows the Ethernet header.
MALFORMED = [
    ("vlan-truncated", VLAN, b"\0\1"),
    ("vlan-truncated", VLAN, struct.pack("!HHH", 1, VLAN, 2)),
    ("arp-truncated", ARP, b""),
    ("arp-truncated", ARP, struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + b"\0" * 19),
    ("arp-malformed", ARP, struct.pack("!HHBBH", 2, IPV4, 6, 4, 1) + b"\0" * 20),
    ("arp-malformed", ARP, struct.pack("!HHBBH", 1, IPV4, 255, 255, 1) + b"\0" * 20),
    ("ipv4-truncated", IPV4, b""),
    ("ipv4-truncated", IPV4, ipv4(b"")[:19]),
    ("ipv4-version", IPV4, ipv4(udp(), version=6)),
    ("ipv4-header-length", IPV4, ipv4(udp(), words=4)),
    ("ipv4-header-length", IPV4, ipv4(udp(), words=15)),
    ("ipv4-total-length", IPV4, ipv4(udp(), total=19)),
    ("ipv4-total-length", IPV4, ipv4(udp(), total=65535)),
    ("ipv6-truncated", IPV6, ipv6(b"")[:39]),
    ("ipv6-version", IPV6, ipv6(udp(), version=4)),
    ("ipv6-payload-length", IPV6, ipv6(udp(), length=65535)),
    ("ipv6-extension-truncated", IPV6, ipv6(extension(UDP, 255, 100), HOP_BY_HOP)),
    ("ipv6-extension-truncated", IPV6, ipv6(b"\0", DESTINATION)),
    ("ipv6-extension-headers", IPV6, ipv6(extension(DESTINATION) * 40 + udp(), DESTINATION)),
    ("ipv6-hop-by-hop", IPV6, ipv6(extension(HOP_BY_HOP) + extension(UDP) + udp(), DESTINATION)),
    ("ipv6-first-fragment", IPV6, ipv6(fragment(UDP, 1) + b"\0\0", FRAGMENT)),
    ("udp-truncated", IPV4, ipv4(udp()[:7])),
    ("udp-truncated", IPV6, ipv6(udp()[:7])),
    ("udp-length", IPV4, ipv4(udp(length=7))),
    ("udp-length", IPV4, ipv4(udp(length=65535))),
    ("udp-length", IPV6, ipv6(udp(length=0))),
    ("tcp-truncated", IPV4, ipv4(tcp(5)[:19], TCP)),
    ("tcp-header-length", IPV4, ipv4(tcp(4), TCP)),
    ("tcp-header-length", IPV6, ipv6(tcp(15), TCP)),
    ("sctp-truncated", IPV4, ipv4(b"\0" * 11, SCTP)),
    ("icmp-truncated", IPV4, ipv4(b"\x08\0\0", ICMP)),
    ("icmpv6-truncated", IPV6, ipv6(b"\x80\0\0", ICMPV6)),
    ("nd-truncated", IPV6, ipv6(solicitation()[:23], ICMPV6)),
    ("nd-truncated", IPV6, ipv6(solicitation(b"\1\4" + b"\0" * 6), ICMPV6)),
    ("nd-options", IPV6, ipv6(solicitation(b"\1\0" + b"\0" * 6), ICMPV6)),
    ("nd-fragment", IPV6, ipv6(fragment(ICMPV6, 1) + solicitation(), FRAGMENT)),
]


def malformed(dst, src):
    return [(reason, dst + src + struct.pack("!H", kind) + rest) for reason, kind, rest in MALFORMED]


def vxlan(inner, vni, flags=0x08):
    return struct.pack("!BBHI", flags, 0xFF, 0xFFFF, vni << 8 | 0xFF) + inner


def underlay(dst, src, src_ip, dst_ip, vni, port):
    """No fragments of the outer packet: net_af_packet lets the kernel wait for the rest of them."""
    head, fake = dst + src + struct.pack("!H", IPV4), b"\x02\0\0\0\0\xee"
    good = b"\xff" * 6 + fake + struct.pack("!H", IPV4) + ipv4(udp())

    def around(payload, **changes):
        return head + ipv4(udp(payload, dport=port), **{"src": src_ip, "dst": dst_ip, **changes})

    spoiled = bytearray(around(vxlan(good, vni)))
    spoiled[40:42] = b"\xde\xad"  # the UDP checksum, neither 0 nor right
    frames = [
        ("vxlan-truncated", around(b"")),
        ("vxlan-truncated", around(vxlan(b"", vni)[:7])),
        ("vxlan-no-vni", around(vxlan(good, vni, flags=0xF7))),
        ("outer-ipv4-checksum", around(vxlan(good, vni), wrong_sum=0x0101)),
        ("outer-udp-checksum", bytes(spoiled)),
        ("unknown-vtep", around(vxlan(good, vni), src="192.0.2.200")),
        ("unknown-vni", around(vxlan(good, vni ^ 1))),
        ("uplink-udp-port", head + ipv4(udp(vxlan(good, vni), dport=port + 1), src=src_ip, dst=dst_ip)),
        ("uplink-protocol", head + ipv4(tcp(5), TCP, src=src_ip, dst=dst_ip)),
        ("uplink-protocol", dst + src + struct.pack("!H", 0x88CC) + b"\0" * 46),
        ("uplink-other-address", around(vxlan(good, vni), dst="192.0.2.99")),
        ("uplink-other-mac", b"\x02\0\0\0\0\x77" + around(vxlan(good, vni))[6:]),
        ("source-mac-invalid", around(vxlan(good[:6] + b"\1\0\0\0\0\1" + good[12:], vni))),
        ("reserved-mac", around(vxlan(mac("01:80:c2:00:00:0e") + good[6:], vni))),
        ("ethernet-truncated", around(vxlan(b"", vni))),
        ("ethernet-truncated", around(vxlan(good[:13], vni))),
    ]
    inner = malformed(b"\xff" * 6, fake)
    # Neighbour discovery is looked into for the overlay only, and the kernel takes a tag off before net_af_packet sees it.
    outer = [(reason, frame) for reason, frame in malformed(dst, src) if reason[:3] not in ("nd-", "vla")]
    return frames + outer + [(reason, around(vxlan(frame, vni))) for reason, frame in inner]


class Capture:
    """A file to which frames are written as if it were a link, in the classic pcap format."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("=IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))

    def send(self, frame):
        self.file.write(struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame)


def open_link(place):
    if place.endswith(".pcap"):
        return Capture(place)
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind((place, 0))
    return link


def send_all(link, frames):
    counts = {}
    for reason, frame in frames:
        for _ in range(TIMES):
            link.send(frame)
        counts[reason] = counts.get(reason, 0) + TIMES
    print(json.dumps(counts))


def main():
    interface, what, *rest = sys.argv[1:]
    link = open_link(interface)
    if what == "malformed":
        send_all(link, malformed(mac(rest[0]), mac(rest[1])))
    elif what == "underlay":
        dst, src, src_ip, dst_ip, vni, port = rest
        send_all(link, underlay(mac(dst), mac(src), src_ip, dst_ip, int(vni), int(port)))
    elif what == "vxlan":
        dst, src, src_ip, dst_ip, vni, port, octets = rest
        inner = b"\xff" * 6 + b"\x02\0\0\0\0\xee" + struct.pack("!H", 0x88B5)
        inner += b"\0" * (int(octets) - len(inner))
        packet = ipv4(udp(vxlan(inner, int(vni)), dport=int(port)), src=src_ip, dst=dst_ip)
        link.send(mac(dst) + mac(src) + struct.pack("!H", IPV4) + packet)
    elif what == "sources":
        for number in range(int(rest[1])):
            src = b"\x02\xaa" + number.to_bytes(4, "big")
            link.send(mac(rest[0]) + src + struct.pack("!H", IPV4) + ipv4(udp()))
    elif what == "long":
        head = mac(rest[0]) + mac(rest[1]) + struct.pack("!H", 0x88B5)
        link.send(head + b"\0" * (int(rest[2]) - len(head)))
    elif what == "broadcast":
        frame = b"\xff" * 6 + mac(rest[0]) + struct.pack("!H", 0x88B5) + b"\0" * 46
        for _ in range(int(rest[1])):
            link.send(frame)
    else:
        sys.exit(f"frames.py: what is `{what}`?\n{__doc__}")


main()
