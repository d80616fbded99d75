/* What the Rust side sees of DPDK: the headers bindgen reads, the shim's functions, and constants that bindgen cannot
 * evaluate by itself (casts and shifts in macros). Names of our own start with millrace_ / MILLRACE_. */
#ifndef MILLRACE_DPDK_H
#define MILLRACE_DPDK_H

#include <stddef.h>
#include <stdint.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_net.h>
#include <rte_version.h>
#include <rte_vhost.h>

/* Where the fields of rte_mbuf lie, as this DPDK was built; Rust compares them with frame::Header at compile time. */
enum {
	MILLRACE_AT_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	MILLRACE_AT_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	MILLRACE_AT_REFCNT = offsetof(struct rte_mbuf, refcnt),
	MILLRACE_AT_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	MILLRACE_AT_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	MILLRACE_AT_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	MILLRACE_AT_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	MILLRACE_AT_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	MILLRACE_AT_POOL = offsetof(struct rte_mbuf, pool),
	MILLRACE_AT_NEXT = offsetof(struct rte_mbuf, next),
	MILLRACE_AT_TX_OFFLOAD = offsetof(struct rte_mbuf, tx_offload),
	MILLRACE_MBUF_SIZE = sizeof(struct rte_mbuf),
};

/* An mbuf whose bytes lie in somebody else's buffer. */
static const uint64_t MILLRACE_MBUF_BORROWED = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;

/* Fields that receive-side scaling can hash: addresses, and ports by protocol; of the outermost headers. */
static const uint64_t MILLRACE_RSS_IPV4 = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER;
static const uint64_t MILLRACE_RSS_IPV6 =
	RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER | RTE_ETH_RSS_IPV6_EX;
static const uint64_t MILLRACE_RSS_UDP_IPV4 = RTE_ETH_RSS_NONFRAG_IPV4_UDP;
static const uint64_t MILLRACE_RSS_UDP_IPV6 = RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_IPV6_UDP_EX;
static const uint64_t MILLRACE_RSS_TCP = RTE_ETH_RSS_TCP;
static const uint64_t MILLRACE_RSS_SCTP = RTE_ETH_RSS_SCTP;
static const uint64_t MILLRACE_RSS_OUTERMOST = RTE_ETH_RSS_LEVEL_OUTERMOST;

/* Frees what was sent without looking at it: all frames of a queue are plain and of one pool. */
static const uint64_t MILLRACE_TX_FAST_FREE = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;

/* What a device can do to what it sends, and what it is told of one packet. */
static const uint64_t MILLRACE_TX_IPV4_CKSUM = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
static const uint64_t MILLRACE_TX_L4_CKSUM = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
static const uint64_t MILLRACE_TX_TCP_TSO = RTE_ETH_TX_OFFLOAD_TCP_TSO;
static const uint64_t MILLRACE_TX_VXLAN_TSO = RTE_ETH_TX_OFFLOAD_VXLAN_TNL_TSO | RTE_ETH_TX_OFFLOAD_OUTER_IPV4_CKSUM |
					      RTE_ETH_TX_OFFLOAD_OUTER_UDP_CKSUM;
static const uint64_t MILLRACE_TX_IP_CHECKSUM = RTE_MBUF_F_TX_IP_CKSUM;
static const uint64_t MILLRACE_TX_IPV4 = RTE_MBUF_F_TX_IPV4;
static const uint64_t MILLRACE_TX_IPV6 = RTE_MBUF_F_TX_IPV6;
static const uint64_t MILLRACE_TX_OUTER_IP_CHECKSUM = RTE_MBUF_F_TX_OUTER_IP_CKSUM;
static const uint64_t MILLRACE_TX_OUTER_UDP_CHECKSUM = RTE_MBUF_F_TX_OUTER_UDP_CKSUM;
static const uint64_t MILLRACE_TX_OUTER_IPV4 = RTE_MBUF_F_TX_OUTER_IPV4;
static const uint64_t MILLRACE_TX_OUTER_IPV6 = RTE_MBUF_F_TX_OUTER_IPV6;
static const uint64_t MILLRACE_TX_VXLAN = RTE_MBUF_F_TX_TUNNEL_VXLAN;

/* Flags of a device: it tells of its link and of its removal; its MAC cannot change while it runs. */
static const uint32_t MILLRACE_TELLS_LINK = RTE_ETH_DEV_INTR_LSC;
static const uint32_t MILLRACE_TELLS_REMOVAL = RTE_ETH_DEV_INTR_RMV;
static const uint32_t MILLRACE_MAC_FIXED = RTE_ETH_DEV_NOLIVE_MAC_ADDR;

/* Takes one log line or a part of one; not terminated by a zero byte. */
typedef void (*millrace_log_sink)(const char *text, size_t len);

/* Sends everything DPDK logs to `sink`. 0, or -1 where no stream could be made. */
int millrace_log_to(millrace_log_sink sink);

/* Where DPDK's drivers are, as it was built. */
#define MILLRACE_DRIVERS RTE_EAL_PMD_PATH

/* From now on the EAL loads none of them by itself: see plugins.c. */
void millrace_drivers_by_name(void);

/* Loads one, for good. NULL, or why not: a text that lives until this thread's next call. */
const char *millrace_load_driver(const char *file);

/* rte_errno of this thread. */
int millrace_errno(void);

/* DPDK's number for this thread (LCORE_ID_ANY where it is not registered). */
unsigned int millrace_lcore_id(void);

/* 1: the link is up, 0: it is down, or a negative errno; `mbps` gets its speed (0 or UINT32_MAX: unknown). */
int millrace_link(uint16_t port, uint32_t *mbps);

/* rte_eth_rx_burst and rte_eth_tx_burst. */
uint16_t millrace_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);
uint16_t millrace_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);

/* Writes into a packet what drivers expect in front of their own work (sums of pseudo headers, zeros), and lets the driver
 * prepare it. 1, or 0 where the driver will not take it. */
int millrace_tx_prepare(uint16_t port, uint16_t queue, struct rte_mbuf *mbuf);

/* All of `count` mbufs, reset, or none: 0 or a negative errno. */
int millrace_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count);

/* Frees mbufs that are whole packets: one segment, one reference, their own buffer (what every Frame is). */
void millrace_free_plain(struct rte_mbuf **mbufs, unsigned int count);

/* Frees any mbuf, chained, shared or borrowed. */
void millrace_free_any(struct rte_mbuf *mbuf);

/* Bytes that `count` packet buffers with `data_room` bytes behind the mbuf take in a pool, padding included. */
size_t millrace_pool_bytes(uint32_t count, uint16_t data_room);

#endif
