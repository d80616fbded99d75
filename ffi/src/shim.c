/* The static inlines, macros and thread-locals of DPDK that Rust cannot link. No logic lives here. */
#define _GNU_SOURCE
#include <stdio.h>

#include "dpdk.h"

/* The layout frame::Header mirrors. Where one of these fails, DPDK has moved a field: frame/src/header.rs follows. */
_Static_assert(sizeof(struct rte_mbuf) == 128, "rte_mbuf is no longer two cache lines");
_Static_assert(offsetof(struct rte_mbuf, buf_addr) == 0, "rte_mbuf.buf_addr moved");
_Static_assert(offsetof(struct rte_mbuf, buf_iova) == 8, "rte_mbuf.buf_iova moved");
_Static_assert(offsetof(struct rte_mbuf, data_off) == 16, "rte_mbuf.data_off moved");
_Static_assert(offsetof(struct rte_mbuf, refcnt) == 18, "rte_mbuf.refcnt moved");
_Static_assert(offsetof(struct rte_mbuf, nb_segs) == 20, "rte_mbuf.nb_segs moved");
_Static_assert(offsetof(struct rte_mbuf, port) == 22, "rte_mbuf.port moved");
_Static_assert(offsetof(struct rte_mbuf, ol_flags) == 24, "rte_mbuf.ol_flags moved");
_Static_assert(offsetof(struct rte_mbuf, pkt_len) == 36, "rte_mbuf.pkt_len moved");
_Static_assert(offsetof(struct rte_mbuf, data_len) == 40, "rte_mbuf.data_len moved");
_Static_assert(offsetof(struct rte_mbuf, buf_len) == 54, "rte_mbuf.buf_len moved");
_Static_assert(offsetof(struct rte_mbuf, pool) == 56, "rte_mbuf.pool moved");
_Static_assert(offsetof(struct rte_mbuf, next) == 64, "rte_mbuf.next moved");
_Static_assert(offsetof(struct rte_mbuf, tx_offload) == 72, "rte_mbuf.tx_offload moved");
_Static_assert(RTE_PKTMBUF_HEADROOM == 128, "this DPDK was built with another headroom than frame::HEADROOM");

static ssize_t
log_write(void *cookie, const char *text, size_t len)
{
	(*(millrace_log_sink *)cookie)(text, len);
	return len;
}

int
millrace_log_to(millrace_log_sink sink)
{
	static millrace_log_sink kept;
	const cookie_io_functions_t functions = { .write = log_write };
	FILE *stream;

	kept = sink;
	stream = fopencookie(&kept, "w", functions);
	if (stream == NULL)
		return -1;
	return rte_openlog_stream(stream);
}

int
millrace_errno(void)
{
	return rte_errno;
}

unsigned int
millrace_lcore_id(void)
{
	return rte_lcore_id();
}

int
millrace_link(uint16_t port, uint32_t *mbps)
{
	struct rte_eth_link link = { 0 };
	int error = rte_eth_link_get_nowait(port, &link);

	if (error < 0)
		return error;
	*mbps = link.link_speed;
	return link.link_status == RTE_ETH_LINK_UP;
}

uint16_t
millrace_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, mbufs, count);
}

uint16_t
millrace_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

int
millrace_tx_prepare(uint16_t port, uint16_t queue, struct rte_mbuf *mbuf)
{
	return rte_net_intel_cksum_prepare(mbuf) == 0 && rte_eth_tx_prepare(port, queue, &mbuf, 1) == 1;
}

int
millrace_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, count);
}

void
millrace_free_plain(struct rte_mbuf **mbufs, unsigned int count)
{
	unsigned int from = 0, to;

	/* One bulk put for each run of mbufs of one pool: as a rule, one in all. */
	while (from < count) {
		struct rte_mempool *pool = mbufs[from]->pool;

		for (to = from + 1; to < count && mbufs[to]->pool == pool; to++)
			;
		rte_mempool_put_bulk(pool, (void **)&mbufs[from], to - from);
		from = to;
	}
}

void
millrace_free_any(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

size_t
millrace_pool_bytes(uint32_t count, uint16_t data_room)
{
	struct rte_mempool_objsz sizes;
	uint32_t element = sizeof(struct rte_mbuf) + data_room;

	return (size_t)rte_mempool_calc_obj_size(element, 0, &sizes) * count;
}
