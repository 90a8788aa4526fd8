/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#define ALLOW_EXPERIMENTAL_API /* the table's expiry: experimental in name since 2018, and the only one */
#include "fragments.h"

#include <errno.h>
#include <rte_ether.h>
#include <rte_ip_frag.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <stdlib.h>

#include "counters.h"

/* Fragments of one datagram leave their sender within milliseconds; RFC 8200 4.5 allows a minute. */
#define WAIT_NS (2 * MT_NS_PER_SECOND)

/* A copy within this time is the other tap's (CONTRACT.md 2). */
#define COPY_NS (10 * MT_NS_PER_MS)

#define SEEN_PLACES 1024 /* fragments remembered, a power of two; each takes the place of one before */
#define BUCKET	    8	 /* entries that DPDK's table searches for an address pair */

struct seen {
	uint64_t fingerprint;
	uint64_t time_ns;
};

struct mt_fragments {
	struct rte_ip_frag_tbl *table;
	struct rte_ip_frag_death_row dead; /* given back at the end of every call */
	uint64_t *cells;
	uint64_t whole_flag; /* in ol_flags */
	struct mt_flow_secret secret;
	struct seen seen[SEEN_PLACES];
};

static void lose(struct mt_fragments *fragments, enum mt_loss reason, uint32_t count)
{
	fragments->cells[MT_CELL1(LOST, reason)] += count;
}

/* ---- Seen before ---- */

/* The datagram's identification, and the word with offset and "more", as they stand in the header that
 * fragments have (RFC 791 3.1, RFC 8200 4.5). */
static void read_identity(const uint8_t *ip, const struct mt_packet *packet, uint32_t *id, uint16_t *offset)
{
	if (packet->ip_version == 4) {
		*id = mt_read_be16(ip + 4);
		*offset = mt_read_be16(ip + 6);
	} else {
		*id = mt_read_be32(ip + packet->ip_header_bytes - 4);
		*offset = mt_read_be16(ip + packet->ip_header_bytes - 6);
	}
}

static bool is_copy(struct mt_fragments *fragments, const uint8_t *ip, const struct mt_packet *packet,
		    uint64_t now_ns)
{
	struct mt_flow_key key;
	uint32_t id;
	uint16_t offset;
	unsigned side = mt_flow_key_make(&key, packet, false);

	read_identity(ip, packet, &id, &offset);
	key.port[0] = (uint16_t)(id >> 16);
	key.port[1] = (uint16_t)id;
	key.vlan = offset;
	key.ip_version |= (uint8_t)(side << 7);
	uint64_t fingerprint = mt_flow_fingerprint(&key, &fragments->secret);
	struct seen *seen = &fragments->seen[fingerprint % SEEN_PLACES];
	bool is_known = seen->fingerprint == fingerprint && now_ns - seen->time_ns <= COPY_NS;

	if (!is_known)
		*seen = (struct seen){fingerprint, now_ns};
	return is_known;
}

/* ---- The table ---- */

static void bury(struct mt_fragments *fragments)
{
	rte_ip_frag_free_death_row(&fragments->dead, 0);
}

/** Which bytes of the datagram a fragment brings. */
struct range {
	uint32_t from, to;
};

static struct range range_of(const struct rte_mbuf *mbuf)
{
	const uint8_t *ip = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	bool is_v4 = ip[0] >> 4 == 4;
	uint32_t offset =
	    is_v4 ? (mt_read_be16(ip + 6) & 0x1fffu) * 8 : mt_read_be16(ip + mbuf->l3_len - 6) & 0xfff8u;

	return (struct range){offset, offset + mbuf->pkt_len - mbuf->l3_len};
}

/* DPDK says that it gave fragments up, not why. One that it had begun to put together is a chain. */
static bool do_overlap(const struct rte_ip_frag_death_row *dead)
{
	for (uint32_t i = 0; i < dead->cnt; i++) {
		struct range one = range_of(dead->row[i]);

		if (dead->row[i]->nb_segs > 1)
			return true;
		for (uint32_t j = 0; j < i; j++) {
			struct range other = range_of(dead->row[j]);

			if (one.from < other.to && other.from < one.to)
				return true;
		}
	}
	return false;
}

static enum mt_loss why_given_up(const struct rte_ip_frag_death_row *dead)
{
	if (do_overlap(dead))
		return MT_LOSS_FRAGMENT_OVERLAP;
	return dead->cnt == 1 ? MT_LOSS_FRAGMENT_TABLE_FULL : MT_LOSS_FRAGMENT_TOO_MANY;
}

static void count_given_up(struct mt_fragments *fragments, enum mt_loss reason)
{
	const struct rte_ip_frag_death_row *dead = &fragments->dead;

	for (uint32_t i = 0; i < dead->cnt; i++)
		lose(fragments, reason, dead->row[i]->nb_segs);
}

static struct rte_mbuf *put_in_table(struct mt_fragments *fragments, struct rte_mbuf *mbuf,
				     const struct mt_packet *packet, uint64_t now_ns)
{
	void *ip = rte_pktmbuf_mtod(mbuf, void *);

	mbuf->l2_len = 0;
	mbuf->l3_len = packet->ip_header_bytes;
	if (packet->ip_version == 4)
		return rte_ipv4_frag_reassemble_packet(fragments->table, &fragments->dead, mbuf, now_ns, ip);
	return rte_ipv6_frag_reassemble_packet(fragments->table, &fragments->dead, mbuf, now_ns, ip,
					       rte_ipv6_frag_get_ipv6_fragment_header(ip));
}

/* Leave the IP datagram alone in the mbuf. Result  false where that cannot be, with the loss counted. */
static bool strip(struct mt_fragments *fragments, struct rte_mbuf *mbuf, const struct mt_packet *packet)
{
	uint32_t header_end = packet->ip_at + packet->ip_header_bytes;

	/* DPDK reads a fragment header right behind the IPv6 header, and what it reads must lie in one piece.
	 */
	if (header_end > mbuf->data_len ||
	    (packet->ip_version == 6 && packet->ip_header_bytes != sizeof(struct rte_ipv6_hdr) + 8)) {
		lose(fragments, MT_LOSS_FRAGMENT_HEADERS, 1);
		return false;
	}
	if (packet->ip_at + packet->ip_bytes > mbuf->pkt_len) {
		lose(fragments, MT_LOSS_FRAGMENT_CUT, 1);
		return false;
	}
	uint32_t padding = mbuf->pkt_len - packet->ip_at - packet->ip_bytes;
	if (rte_pktmbuf_trim(mbuf, (uint16_t)padding) != 0) {
		lose(fragments, MT_LOSS_FRAGMENT_HEADERS, 1);
		return false;
	}
	rte_pktmbuf_adj(mbuf, (uint16_t)packet->ip_at);
	return true;
}

/* In front of the datagram stands what every decoder knows: Ethernet, and the tags that the fragment had. */
static struct rte_mbuf *dress(struct mt_fragments *fragments, struct rte_mbuf *mbuf,
			      const struct mt_packet *packet)
{
	uint16_t type = packet->ip_version == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
	size_t bytes = sizeof(struct rte_ether_hdr) + packet->vlan_count * sizeof(struct rte_vlan_hdr);
	struct rte_ether_hdr *ethernet = (struct rte_ether_hdr *)rte_pktmbuf_prepend(mbuf, (uint16_t)bytes);

	if (ethernet == NULL) {
		rte_pktmbuf_free(mbuf);
		lose(fragments, MT_LOSS_FRAGMENT_HEADERS, 1);
		return NULL;
	}
	memset(ethernet, 0, sizeof(*ethernet));
	ethernet->ether_type = rte_cpu_to_be_16(packet->vlan_count > 0 ? RTE_ETHER_TYPE_VLAN : type);
	struct rte_vlan_hdr *tag = (struct rte_vlan_hdr *)(ethernet + 1);
	for (unsigned i = 0; i < packet->vlan_count; i++) {
		bool is_last = i + 1 == packet->vlan_count;

		tag[i].vlan_tci = rte_cpu_to_be_16(packet->vlan[i]);
		tag[i].eth_proto = rte_cpu_to_be_16(is_last ? type : RTE_ETHER_TYPE_VLAN);
	}
	mbuf->ol_flags |= fragments->whole_flag;
	return mbuf;
}

struct rte_mbuf *mt_fragments_take(struct mt_fragments *fragments, struct rte_mbuf *mbuf,
				   const struct mt_packet *packet, uint64_t now_ns)
{
	if (!strip(fragments, mbuf, packet) ||
	    is_copy(fragments, rte_pktmbuf_mtod(mbuf, const uint8_t *), packet, now_ns)) {
		rte_pktmbuf_free(mbuf);
		return NULL;
	}
	mt_fragments_expire(fragments, now_ns);
	struct rte_mbuf *whole = put_in_table(fragments, mbuf, packet, now_ns);

	count_given_up(fragments, why_given_up(&fragments->dead));
	bury(fragments);
	return whole == NULL ? NULL : dress(fragments, whole, packet);
}

bool mt_fragments_is_whole(const struct mt_fragments *fragments, const struct rte_mbuf *mbuf)
{
	return (mbuf->ol_flags & fragments->whole_flag) != 0;
}

void mt_fragments_expire(struct mt_fragments *fragments, uint64_t now_ns)
{
	uint32_t given_up;

	/* The row of the dead is bounded, so that a table may take several turns. */
	do {
		rte_ip_frag_table_del_expired_entries(fragments->table, &fragments->dead, now_ns);
		given_up = fragments->dead.cnt;
		count_given_up(fragments, MT_LOSS_FRAGMENT_TIMEOUT);
		bury(fragments);
	} while (given_up > 0);
}

/* ---- Making one ---- */

/* The same flag for all workers: registering it again gives the first one's number. */
static int register_flag(uint64_t *ret)
{
	static const struct rte_mbuf_dynflag flag = {.name = "mailtap_whole_datagram"};
	int bit = rte_mbuf_dynflag_register(&flag);

	if (bit < 0)
		return -ENOTSUP;
	*ret = UINT64_C(1) << bit;
	return 0;
}

int mt_fragments_create(struct mt_fragments **ret, uint32_t datagrams, const struct mt_flow_secret *secret,
			uint64_t *cells)
{
	struct mt_fragments *fragments = calloc(1, sizeof(*fragments));
	uint32_t buckets = datagrams / BUCKET + 1;

	if (fragments == NULL)
		return -ENOMEM;
	fragments->secret = *secret;
	fragments->cells = cells;
	int rc = register_flag(&fragments->whole_flag);
	if (rc != 0)
		goto free_fragments;
	fragments->table = rte_ip_frag_table_create(buckets, BUCKET, datagrams, WAIT_NS, SOCKET_ID_ANY);
	if (fragments->table == NULL) {
		rc = -ENOMEM;
		goto free_fragments;
	}
	*ret = fragments;
	return 0;

free_fragments:
	free(fragments);
	return rc;
}

void mt_fragments_destroy(struct mt_fragments *fragments)
{
	if (fragments == NULL)
		return;
	mt_fragments_expire(fragments, UINT64_MAX);
	rte_ip_frag_table_destroy(fragments->table);
	free(fragments);
}
