#!/usr/bin/env python3
"""The non-drop rate by binary search (RFC 2544 section 26.1), and latency at 10, 50 and 90 % of it, with TRex.

Not run by the project, which has no NIC. Needs a TRex server (t-rex-64 -i) with two ports.
"""
import argparse

from trex.stl.api import (
    Ether, IP, UDP, STLClient, STLFlowLatencyStats, STLPktBuilder, STLStream, STLTXCont,
)

PORTS = (0, 1)
LATENCY_PPS = 1000


def packet(port, size):
    """A packet from one port's host to the other's, of `size` octets with FCS."""
    macs = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
    headers = (
        Ether(src=macs[port], dst=macs[1 - port])
        / IP(src=f"10.0.{port}.1", dst=f"10.0.{1 - port}.1")
        / UDP(sport=1024, dport=9)
    )
    return STLPktBuilder(pkt=headers / (b"x" * max(0, size - 4 - len(headers))))


def streams(port, size, with_latency):
    load = [STLStream(packet=packet(port, size), mode=STLTXCont(percentage=100))]
    if with_latency:
        probe = STLFlowLatencyStats(pg_id=port + 1)
        load.append(STLStream(packet=packet(port, size), mode=STLTXCont(pps=LATENCY_PPS), flow_stats=probe))
    return load


def trial(client, size, percent, seconds, with_latency=False):
    """Sends both ways; what share was lost, and TRex's latency by direction."""
    client.reset(ports=list(PORTS))
    for port in PORTS:
        client.add_streams(streams(port, size, with_latency), ports=[port])
    client.clear_stats()
    client.start(ports=list(PORTS), mult=f"{percent}%", duration=seconds, force=True)
    client.wait_on_traffic(ports=list(PORTS))
    stats = client.get_stats()
    sent = sum(stats[port]["opackets"] for port in PORTS)
    received = sum(stats[port]["ipackets"] for port in PORTS)
    lost = max(sent - received, 0) / sent if sent else 1.0
    return lost, stats.get("latency", {})


def search(client, size, allowed, seconds, step):
    """The highest share of line rate, in per cent, at which no more than `allowed` is lost."""
    good, bad = 0.0, 100.0
    if trial(client, size, bad, seconds)[0] <= allowed:
        return bad
    while bad - good > step:
        rate = (good + bad) / 2
        if trial(client, size, rate, seconds)[0] <= allowed:
            good = rate
        else:
            bad = rate
    return good


def show_latency(client, size, rate, seconds):
    for share in (10, 50, 90):
        _, latency = trial(client, size, rate * share / 100, seconds, with_latency=True)
        for port in PORTS:
            figures = latency.get(port + 1, {}).get("latency", {})
            print(f"  {share} %, port {port}: average {figures.get('average')} us, max {figures.get('total_max')} us, "
                  f"histogram {figures.get('histogram')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="127.0.0.1")
    parser.add_argument("--size", type=int, default=64, help="octets with FCS")
    parser.add_argument("--seconds", type=int, default=60, help="of one trial")
    parser.add_argument("--loss", type=float, default=0.001, help="share that may be lost in the second search")
    parser.add_argument("--step", type=float, default=0.5, help="per cent of line rate at which a search ends")
    arguments = parser.parse_args()
    client = STLClient(server=arguments.server)
    client.connect()
    try:
        client.acquire(ports=list(PORTS), force=True)
        client.set_port_attr(ports=list(PORTS), promiscuous=True)
        # So that the node knows both MACs.
        trial(client, arguments.size, 1, 2)
        for allowed in (0.0, arguments.loss):
            rate = search(client, arguments.size, allowed, arguments.seconds, arguments.step)
            print(f"{arguments.size} octets, {allowed:.2%} lost: {rate:.2f} % of line rate")
            show_latency(client, arguments.size, rate, arguments.seconds)
    finally:
        client.disconnect()


if __name__ == "__main__":
    main()
