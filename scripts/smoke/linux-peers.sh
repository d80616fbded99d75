#!/usr/bin/env bash
# Linux ↔ Linux over VXLAN: what Millrace's peers do without Millrace. Where this fails, the machine cannot run the tests
# that follow; their failures say nothing about the switch.
source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../lib-net.sh"
need_root

netns_add node1 node2 c1 c2
underlay node1 node2
address node1 ul0 192.0.2.1/24
address node2 ul0 192.0.2.2/24

# Every VNI and port the switch is tried with: the smallest usual one, and one beyond 12 bits on the older port.
kernel_vxlan node1 1 4789 192.0.2.1 learning
kernel_vxlan node2 1 4789 192.0.2.2 learning
kernel_remote node1 1 192.0.2.2
kernel_remote node2 1 192.0.2.1
kernel_bridge node1 1 c1 10.0.1.1/24
kernel_bridge node2 1 c2 10.0.1.2/24
kernel_vxlan node1 4096 8472 192.0.2.1
kernel_vxlan node2 4096 8472 192.0.2.2
kernel_remote node1 4096 192.0.2.2
kernel_remote node2 4096 192.0.2.1
address node1 vx4096 10.0.2.1/24
address node2 vx4096 10.0.2.2/24

ping_all c1=10.0.1.1 c2=10.0.1.2
ping_all node1=10.0.2.1 node2=10.0.2.2
iperf_tcp c1 c2 10.0.1.2 1
echo "TCP: $RESULT Mbit/s"
iperf_udp c2 c1 10.0.1.1 20M 1
echo "UDP: $RESULT % lost"
