/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "session_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "fault.h"

/* A packet of a connection carries numbers within a window of where its sides stand (RFC 5961 3). More than
 * is in flight between two mail servers, and wide enough that few who guess hit: one in two thousand. */
#define NEAR_BYTES (1024 * 1024)

#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define APPROACH_AHEAD	4 /* packets of a burst whose sessions come closer while one is read */

/* What an engine's memory is made of, in this order; each begins on a cache line. */
struct layout {
	size_t flows, syns, sessions, pieces, handles, known, total;
};

static size_t session_bytes(void)
{
	return (sizeof(struct session) + MT_CACHE_LINE - 1) / MT_CACHE_LINE * MT_CACHE_LINE;
}

static uint32_t piece_count(const struct mt_engine_config *config)
{
	size_t pieces = config->reassembly_bytes / MT_STREAM_PIECE_BYTES;

	return pieces > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)pieces;
}

static size_t place(size_t *offset, size_t bytes)
{
	size_t at = *offset;

	*offset = (at + bytes + MT_CACHE_LINE - 1) / MT_CACHE_LINE * MT_CACHE_LINE;
	return at;
}

static struct layout lay_out(const struct mt_engine_config *config)
{
	struct layout layout;
	size_t end = 0;

	layout.flows = place(&end, mt_flow_table_bytes(config->flows));
	/* As many handshakes as flows: a cache that forgets costs only the exact start of a session. */
	layout.syns = place(&end, mt_flow_syn_cache_bytes(config->flows));
	layout.sessions = place(&end, mt_pool_area_bytes((uint32_t)session_bytes(), config->dialogues));
	layout.pieces = place(&end, mt_pool_area_bytes(MT_STREAM_PIECE_BYTES, piece_count(config)));
	layout.handles = place(&end, sizeof(uint32_t) * config->flows);
	layout.known = place(&end, sizeof(struct mt_known));
	layout.total = end;
	return layout;
}

static void fill_env(struct mt_engine *engine)
{
	const struct mt_session_shared *shared = engine->config.shared;

	engine->env.cells = engine->config.cells;
	engine->env.banners = engine->config.banners;
	engine->env.scratch = engine->scratch;
	engine->env.mechanisms = shared->mechanisms;
	for (unsigned i = 0; i < MT_PROTOCOL_COUNT; i++) {
		engine->env.commands[i] = shared->commands[i];
		engine->env.replies[i] = shared->replies[i];
	}
}

int mt_engine_scratch_create(struct mt_match_scratch **ret, const struct mt_session_shared *shared,
			     const struct mt_banners *banners)
{
	struct mt_match_scratch *scratch = NULL;
	int result = mt_match_scratch_grow(&scratch, shared->mechanisms);

	for (unsigned i = 0; i < MT_PROTOCOL_COUNT && result == 0; i++) {
		result = mt_match_scratch_grow(&scratch, shared->commands[i]);
		if (result == 0)
			result = mt_match_scratch_grow(&scratch, shared->replies[i]);
		if (result == 0 && banners != NULL && banners->set[i] != NULL)
			result = mt_match_scratch_grow(&scratch, banners->set[i]);
	}
	if (result == 0)
		*ret = scratch;
	else
		mt_match_scratch_destroy(scratch);
	return result;
}

/*
 * Nothing is resident before it is used, and then on the node of the worker that uses it first. In huge pages
 * where the kernel has some to give: a flow is anywhere in the table, and each of a thousand small pages
 * would cost a walk of the page tables besides the flow's line.
 */
static uint8_t *map_memory(struct mt_engine *engine, size_t bytes)
{
	uint8_t *memory;

	engine->memory_bytes = bytes + HUGE_PAGE_BYTES;
	engine->memory = mmap(NULL, engine->memory_bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (engine->memory == MAP_FAILED)
		return NULL;
	memory = (uint8_t *)(((uintptr_t)engine->memory + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES *
			     HUGE_PAGE_BYTES);
	madvise(memory, bytes, MADV_HUGEPAGE); /* a wish: without, all works, at more cost */
	return memory;
}

int mt_engine_create(struct mt_engine **ret, const struct mt_engine_config *config)
{
	struct layout layout = lay_out(config);
	struct mt_engine *engine = aligned_alloc(MT_CACHE_LINE, (sizeof(*engine) + MT_CACHE_LINE - 1) /
								    MT_CACHE_LINE * MT_CACHE_LINE);
	int result = -ENOMEM;

	if (engine == NULL)
		return result;
	memset(engine, 0, sizeof(*engine));
	engine->config = *config;
	result = mt_engine_scratch_create(&engine->scratch, config->shared, config->banners);
	if (result != 0)
		goto free_engine;
	uint8_t *memory = map_memory(engine, layout.total);
	if (memory == NULL) {
		result = -ENOMEM;
		goto free_scratch;
	}
	fill_env(engine);
	mt_flow_table_init(&engine->flows, memory + layout.flows, config->flows);
	mt_flow_syn_cache_init(&engine->syns, memory + layout.syns, config->flows);
	mt_pool_init(&engine->sessions, memory + layout.sessions, (uint32_t)session_bytes(),
		     config->dialogues);
	mt_pool_init(&engine->pieces, memory + layout.pieces, MT_STREAM_PIECE_BYTES, piece_count(config));
	engine->handles = (uint32_t *)(memory + layout.handles);
	engine->env.known = (struct mt_known *)(memory + layout.known);
	for (uint32_t i = config->flows; i > 0; i--)
		engine->handles[engine->handle_count++] = i - 1;
	engine->env.cells[MT_CELL0(FLOWS_CAPACITY)] = config->flows;
	*ret = engine;
	return 0;

free_scratch:
	mt_match_scratch_destroy(engine->scratch);
free_engine:
	free(engine);
	return result;
}

void mt_engine_destroy(struct mt_engine *engine)
{
	if (engine == NULL)
		return;
	mt_wipe(&engine->hello, sizeof(engine->hello));
	mt_wipe(&engine->report, sizeof(engine->report));
	munmap(engine->memory, engine->memory_bytes);
	mt_match_scratch_destroy(engine->scratch);
	free(engine);
}

void mt_engine_use_banners(struct mt_engine *engine, const struct mt_banners *banners,
			   struct mt_match_scratch *scratch)
{
	engine->env.banners = banners;
	engine->env.scratch = scratch;
}

uint32_t mt_engine_flows(const struct mt_engine *engine)
{
	return engine->flows.used;
}

/* The connection has said goodbye: from here on it is only waited for stragglers. */
static bool is_closing(const struct mt_flow *flow)
{
	return flow->has_rst || flow->has_fin == 3 ||
	       (flow->has_fin != 0 && (flow->pkts[0] == 0 || flow->pkts[1] == 0));
}

static enum mt_reason closing_reason(const struct mt_flow *flow, enum mt_reason otherwise)
{
	if (flow->has_rst)
		return MT_REASON_RST;
	return is_closing(flow) ? MT_REASON_FIN : otherwise;
}

uint64_t mt_session_patience_ns(const struct mt_engine *engine, const struct mt_flow *flow)
{
	return is_closing(flow) || flow->state == MT_FLOW_ENDED ? LINGER_NS : engine->config.timeout_ns;
}

/*
 * A reset ends a connection for the one who sent it. What the other one had sent by then crosses it on the
 * wire: two taps, or two runs, may see it on either side of the reset, and have to say the same.
 */
static bool is_reset_over(const struct mt_flow *flow, uint64_t now_ns)
{
	return flow->has_rst && now_ns > flow->last_seen_ns && now_ns - flow->last_seen_ns > LACK_NS;
}

static bool is_timed_out(const struct mt_engine *engine, const struct mt_flow *flow, uint64_t now_ns)
{
	return now_ns > flow->last_seen_ns &&
	       now_ns - flow->last_seen_ns > mt_session_patience_ns(engine, flow);
}

/* Which side is the client: who sent the SYN; else who did not greet; else whose port is not the mail port.
 */
static unsigned find_client(const struct mt_engine *engine, const struct mt_engine_packet *packet,
			    const struct mt_flow_key *key, const struct mt_flow_syn *syn)
{
	const struct mt_identify_port *ports = engine->config.shared->ports.port;
	bool is_mail[2];

	if (syn != NULL)
		return syn->client_side;
	for (unsigned side = 0; side < 2; side++)
		is_mail[side] = ports[key->port[side]].protocol != MT_PROTOCOL_COUNT;
	if (is_mail[0] != is_mail[1])
		return is_mail[0] ? 1 : 0;
	if (mt_identify_begins_like_greeting(packet->packet.payload))
		return packet->side ^ 1;
	return key->port[0] < key->port[1] ? 1 : 0;
}

static void fill_ends(struct session *session, const struct mt_engine_packet *packet,
		      const struct mt_flow_key *key)
{
	struct mt_mail_ends *ends = &session->ends;
	unsigned client = session->client_side;

	ends->ip_version = key->ip_version;
	ends->vlan_count = packet->packet.vlan_count;
	memcpy(ends->vlan, packet->packet.vlan, sizeof(ends->vlan));
	ends->client_port = key->port[client];
	ends->server_port = key->port[client ^ 1];
	memcpy(ends->client_addr, key->addr[client], sizeof(ends->client_addr));
	memcpy(ends->server_addr, key->addr[client ^ 1], sizeof(ends->server_addr));
}

/* Where each direction begins: behind the SYNs where they were seen, else where the first payload says. */
static void set_bases(struct session *session, const struct mt_engine_packet *packet,
		      const struct mt_flow_syn *syn)
{
	enum mt_direction sender = direction_of(session, packet->side);

	for (unsigned side = 0; side < 2; side++) {
		struct side *place = &session->side[direction_of(session, side)];

		if (syn != NULL && (syn->has_isn >> side & 1)) {
			mt_stream_set_base(&place->stream, syn->isn[side] + 1, false);
			place->is_start_known = true;
			place->is_seen = true;
		} else if (syn != NULL && syn->synack_ns != 0 && side == syn->client_side) {
			/* The client's SYN is late (two taps) or never comes; the SYN-ACK tells its number.
			 */
			mt_stream_set_base(&place->stream, syn->isn[side] + 1, false);
			place->is_start_known = true;
		} else if (side == packet->side) {
			mt_stream_set_base(&place->stream, packet->packet.seq, true);
		} else if (packet->packet.tcp_flags & MT_TCP_ACK) {
			mt_stream_set_base(&place->stream, packet->packet.ack, true);
		}
	}
	/* Where one direction's beginning is known, what it acknowledges first is the other's. */
	if (session->side[sender].is_start_known && packet->packet.seq == session->side[sender].stream.next &&
	    sender == MT_TO_SERVER)
		session->side[MT_TO_CLIENT].is_start_known = true;
}

static void init_session(const struct mt_engine *engine, struct session *session,
			 const struct mt_engine_packet *packet, const struct mt_flow_syn *syn)
{
	const struct mt_identify_port *ports = engine->config.shared->ports.port;
	struct mt_mail *mail = &session->mail;
	struct mt_flow_key key;

	mt_flow_key_make(&key, &packet->packet, engine->config.vlan_in_key);
	session->client_side = (uint8_t)find_client(engine, packet, &key, syn);
	fill_ends(session, packet, &key);
	const struct mt_identify_port *port = &ports[session->ends.server_port];
	if (port->protocol == MT_PROTOCOL_COUNT)
		port = &ports[session->ends.client_port];
	session->hint = port->protocol;
	session->is_implicit_port = port->is_implicit;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		mt_stream_init(&session->side[direction].stream, MT_STREAM_HELD_MAX);
	mt_framer_init(&mail->framer[MT_TO_SERVER], MT_TO_SERVER, mail->client_line,
		       sizeof(mail->client_line));
	mt_framer_init(&mail->framer[MT_TO_CLIENT], MT_TO_CLIENT, mail->server_line,
		       sizeof(mail->server_line));
	/* The first line may be IMAP's, and end in a literal. */
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++)
		mail->framer[direction].has_literals = true;
	mail->facts.protocol = MT_PROTOCOL_COUNT;
	mail->facts.start_ns = syn != NULL ? syn->time_ns : packet->time_ns;
	mail->facts.synack_ns = syn != NULL ? syn->synack_ns : 0;
	set_bases(session, packet, syn);
}

/* An idle decided flow makes room where the table is full (DESIGN.md, decision 6). */
static bool may_evict(void *context, struct mt_flow *flow)
{
	struct mt_engine *engine = context;

	if (flow->state == MT_FLOW_DIALOGUE || engine->flows.used < engine->flows.limit)
		return false;
	if (flow->state != MT_FLOW_ENDED && engine->now_ns < flow->last_seen_ns + LINGER_NS)
		return false;
	mt_session_end(engine, flow, MT_REASON_EVICTED);
	engine->env.cells[MT_CELL1(LOST, MT_LOSS_FLOW_EVICTED)]++;
	return true;
}

static struct mt_flow *insert_flow(struct mt_engine *engine, const struct mt_engine_packet *packet)
{
	struct mt_flow *flow = NULL;

	if (mt_fault(MT_FAULT_FLOW))
		return NULL;
	flow = mt_flow_insert(&engine->flows, packet->fingerprint);
	if (flow != NULL)
		return flow;
	/* A bounded look around; what it does not find now, the next packet's look goes on to find. */
	mt_flow_sweep(&engine->flows, 64, may_evict, engine);
	return mt_flow_insert(&engine->flows, packet->fingerprint);
}

/* Result: the new flow, or NULL with the loss counted. */
static struct mt_flow *open_flow(struct mt_engine *engine, const struct mt_engine_packet *packet)
{
	struct mt_flow_syn syn;
	bool has_syn = mt_flow_syn_take(&engine->syns, packet->fingerprint, &syn);
	struct session *session = mt_fault(MT_FAULT_DIALOGUE) ? NULL : mt_pool_take(&engine->sessions);

	if (session == NULL) {
		engine->env.cells[MT_CELL1(LOST, MT_LOSS_SESSIONS_FULL)]++;
		return NULL;
	}
	struct mt_flow *flow = insert_flow(engine, packet);
	if (flow == NULL) {
		engine->env.cells[MT_CELL1(LOST, MT_LOSS_TABLE_FULL)]++;
		mt_pool_give(&engine->sessions, session);
		return NULL;
	}
	init_session(engine, session, packet, has_syn ? &syn : NULL);
	flow->state = MT_FLOW_DIALOGUE;
	flow->session = mt_pool_index(&engine->sessions, session);
	flow->handle = HANDLE_NONE;
	flow->client_side = session->client_side;
	flow->base = session->side[MT_TO_SERVER].stream.next;
	flow->end_seq[packet->side] = packet->packet.seq;
	flow->end_seq[packet->side ^ 1] = packet->packet.ack;
	engine->env.cells[MT_CELL0(FLOWS)] = engine->flows.used;
	return flow;
}

/* A packet of no known connection. */
static enum mt_verdict meet(struct mt_engine *engine, const struct mt_engine_packet *packet,
			    struct mt_flow **ret)
{
	const struct mt_packet *tcp = &packet->packet;
	bool is_mail_port = mt_identify_is_mail_port(&engine->config.shared->ports, tcp);

	*ret = NULL;
	bool is_synack = (tcp->tcp_flags & MT_TCP_ACK) != 0;

	if ((tcp->tcp_flags & MT_TCP_SYN) != 0)
		mt_flow_syn_note(&engine->syns, packet->fingerprint, packet->side, tcp->seq, is_synack,
				 packet->time_ns);
	if ((tcp->tcp_flags & MT_TCP_SYN) != 0 && is_synack)
		mt_flow_syn_note_ack(&engine->syns, packet->fingerprint, packet->side, tcp->ack);
	if (tcp->payload.len == 0)
		return (tcp->tcp_flags & MT_TCP_SYN) != 0 ? MT_VERDICT_HANDSHAKE : MT_VERDICT_NO_PAYLOAD;
	if (!is_mail_port && !mt_identify_begins_like_greeting(tcp->payload)) {
		engine->env.cells[MT_CELL0(FILTER_FALSE)]++;
		return MT_VERDICT_NOT_MAIL;
	}
	*ret = open_flow(engine, packet);
	return *ret == NULL ? MT_VERDICT_REFUSED : MT_VERDICT_DIALOGUE;
}

/* Within a window of where a side stands, on either side of it. */
static inline bool is_near(int32_t distance)
{
	return (uint32_t)distance + NEAR_BYTES <= 2 * NEAR_BYTES;
}

/* FIN and RST of a packet that is the connection's own, and what is acknowledged of a FIN. */
static void note_ending(struct mt_flow *flow, const struct mt_engine_packet *packet, uint32_t end)
{
	const struct mt_packet *tcp = &packet->packet;
	unsigned side = packet->side, other = side ^ 1;

	if ((tcp->tcp_flags & MT_TCP_RST) != 0) {
		flow->has_rst = 1;
		return;
	}
	if ((tcp->tcp_flags & MT_TCP_FIN) != 0) {
		flow->end_seq[side] = end;
		flow->has_fin |= (uint8_t)(1u << side);
	}
	if ((tcp->tcp_flags & MT_TCP_ACK) != 0 && (flow->has_fin >> other & 1) &&
	    mt_seq_diff(tcp->ack, flow->end_seq[other]) > 0)
		flow->has_fin_ack |= (uint8_t)(1u << other);
}

/*
 * Where the two sides stand, and how the connection ends.
 * Result  false where neither of the packet's numbers is near: it is somebody else's, and ends nothing. One
 * of them may be far, behind a gap in what was captured; the other one proves it. Where a device keeps
 * packets from us nothing does, and a connection whose end is believed too easily costs less than one that
 * never ends: its verdict stands.
 */
static bool follow_oddly(struct mt_flow *flow, const struct mt_engine_packet *packet)
{
	const struct mt_packet *tcp = &packet->packet;
	unsigned side = packet->side, other = side ^ 1;
	bool has_ack = (tcp->tcp_flags & MT_TCP_ACK) != 0, has_rst = (tcp->tcp_flags & MT_TCP_RST) != 0;
	uint32_t end = tcp->seq + ((tcp->tcp_flags & MT_TCP_SYN) != 0) + tcp->payload_wire_len;
	int32_t ahead = mt_seq_diff(end, flow->end_seq[side]),
		acked = mt_seq_diff(tcp->ack, flow->end_seq[other]);

	if (!is_near(ahead) && !(has_ack && is_near(acked)) && !flow->has_unseen)
		return false;
	/* A FIN's number is the last: nothing moves it. */
	if (!has_rst && !(flow->has_fin >> side & 1) && (!is_near(ahead) || ahead > 0))
		flow->end_seq[side] = end;
	if (!has_rst && has_ack && !(flow->has_fin >> other & 1) && (!is_near(acked) || acked > 0))
		flow->end_seq[other] = tcp->ack;
	note_ending(flow, packet, end);
	return true;
}

/* The same for a packet that is as most are, as quick as can be. Result  false where it is not; then
 * nothing was changed. */
static inline bool follow_plainly(struct mt_flow *flow, const struct mt_engine_packet *packet)
{
	const uint8_t odd = MT_TCP_SYN | MT_TCP_FIN | MT_TCP_RST;
	const struct mt_packet *tcp = &packet->packet;
	uint32_t *end = &flow->end_seq[packet->side], *other_end = &flow->end_seq[packet->side ^ 1];
	int32_t ahead = mt_seq_diff(tcp->seq + tcp->payload_wire_len, *end);
	int32_t acked = mt_seq_diff(tcp->ack, *other_end);

	if (mt_unlikely((tcp->tcp_flags & (odd | MT_TCP_ACK)) != MT_TCP_ACK || flow->has_fin != 0 ||
			!is_near(ahead) || !is_near(acked)))
		return false;
	*end += (uint32_t)(ahead > 0 ? ahead : 0);
	*other_end += (uint32_t)(acked > 0 ? acked : 0);
	return true;
}

static inline bool follow(struct mt_flow *flow, const struct mt_engine_packet *packet)
{
	return follow_plainly(flow, packet) || follow_oddly(flow, packet);
}

static void end_if_over(struct mt_engine *engine, struct mt_flow *flow)
{
	if (flow->has_fin_ack != 3)
		return;
	/* One direction may be late: what it still owes is waited for, up to LINGER_NS. */
	if (flow->state == MT_FLOW_DIALOGUE &&
	    !mt_session_is_settled(engine, mt_pool_at(&engine->sessions, flow->session)))
		return;
	mt_session_end(engine, flow, closing_reason(flow, MT_REASON_FIN));
}

/* Up to where the packet acknowledges bytes: a FIN takes a number, but is none. */
static uint32_t acked_bytes(const struct mt_flow *flow, const struct mt_engine_packet *packet)
{
	unsigned other = packet->side ^ 1;
	bool is_fin = (flow->has_fin >> other & 1) && packet->packet.ack == flow->end_seq[other] + 1;

	return packet->packet.ack - is_fin;
}

static void read_dialogue(struct mt_engine *engine, struct mt_flow *flow,
			  const struct mt_engine_packet *packet, bool is_own)
{
	struct session *session = mt_pool_at(&engine->sessions, flow->session);
	const struct mt_packet *tcp = &packet->packet;
	enum mt_direction direction = direction_of(session, packet->side);
	bool has_ack = (tcp->tcp_flags & MT_TCP_ACK) != 0;
	bool has_syn = (tcp->tcp_flags & MT_TCP_SYN) != 0;

	session->now_ns = packet->time_ns;
	mt_session_give_up(engine, session);
	session->side[direction].is_seen = true;
	session->side[direction].has_fin = flow->has_fin >> packet->side & 1;
	if (mt_unlikely(tcp->is_truncated)) {
		session->mail.facts.is_truncated = true;
		engine->env.cells[MT_CELL0(TRUNCATED)]++;
	}
	if (has_syn) {
		mt_stream_set_base(&session->side[direction].stream, tcp->seq + 1, false);
		session->side[direction].is_start_known = true;
	}
	/* What resets a connection need not be one of its ends, and may acknowledge anything. */
	if (has_ack && is_own && (tcp->tcp_flags & MT_TCP_RST) == 0 && !mt_session_is_decided(session))
		mt_session_prove(session, direction, acked_bytes(flow, packet));
	if (tcp->payload.len > 0 && !mt_session_is_decided(session)) {
		struct mt_segment segment = {.payload = tcp->payload,
					     .seq = tcp->seq + has_syn,
					     .ack = tcp->ack,
					     .has_ack = has_ack,
					     .time_ns = packet->time_ns};

		mt_session_offer(engine, session, direction, &segment);
	}
	if (mt_session_is_decided(session))
		mt_session_park(engine, flow, session);
}

/* A SYN, or the SYN-ACK where the client was not captured, that begins another connection. */
static bool is_new_syn(const struct mt_flow *flow, const struct mt_packet *tcp)
{
	if ((tcp->tcp_flags & MT_TCP_SYN) == 0)
		return false;
	return ((tcp->tcp_flags & MT_TCP_ACK) != 0 ? tcp->ack : tcp->seq + 1) != flow->base;
}

/* The flow that a known connection's packet goes on with; NULL where the packet begins another one. */
static struct mt_flow *go_on(struct mt_engine *engine, struct mt_flow *flow,
			     const struct mt_engine_packet *packet)
{
	bool is_new = is_new_syn(flow, &packet->packet);

	if (mt_unlikely(is_reset_over(flow, packet->time_ns)))
		mt_session_end(engine, flow, MT_REASON_RST);
	if (!is_new && !is_timed_out(engine, flow, packet->time_ns))
		return flow;
	mt_session_end(engine, flow, closing_reason(flow, is_new ? MT_REASON_REUSE : MT_REASON_TIMEOUT));
	mt_flow_remove(&engine->flows, flow);
	engine->env.cells[MT_CELL0(FLOWS)] = engine->flows.used;
	return NULL;
}

/*
 * A packet of a decided flow that ends nothing, which is what most are: a few adds.
 * Result  false where there is more to it
 */
static inline bool count_decided(const struct mt_engine *engine, struct mt_flow *flow,
				 const struct mt_engine_packet *packet)
{
	uint64_t seen_ns = flow->last_seen_ns;

	if (flow->state != MT_FLOW_DECIDED || flow->has_rst || flow->has_fin != 0 ||
	    (packet->time_ns > seen_ns && packet->time_ns - seen_ns > engine->config.timeout_ns) ||
	    !follow_plainly(flow, packet))
		return false;
	flow->last_seen_ns = packet->time_ns > seen_ns ? packet->time_ns : seen_ns;
	flow->pkts[packet->side]++;
	flow->bytes[packet->side] += packet->packet.ip_bytes;
	return true;
}

/* A packet of a connection that is known, or becomes so. */
static __attribute__((noinline)) enum mt_verdict take_packet(struct mt_engine *engine, struct mt_flow *flow,
							     const struct mt_engine_packet *packet)
{
	if (flow != NULL)
		flow = go_on(engine, flow, packet);
	if (flow == NULL) {
		enum mt_verdict verdict = meet(engine, packet, &flow);

		if (flow == NULL)
			return verdict;
	}
	if (packet->time_ns > flow->last_seen_ns)
		flow->last_seen_ns = packet->time_ns;
	if (flow->state == MT_FLOW_ENDED)
		return MT_VERDICT_AFTER_END;
	bool is_own = follow(flow, packet);
	engine->env.cells[MT_CELL0(STRAY_PACKETS)] += !is_own;
	if (flow->state == MT_FLOW_NOT_MAIL)
		return MT_VERDICT_NOT_MAIL_FLOW;
	flow->pkts[packet->side]++;
	flow->bytes[packet->side] += packet->packet.ip_bytes;
	enum mt_verdict verdict = flow->state == MT_FLOW_DECIDED ? MT_VERDICT_DECIDED : MT_VERDICT_DIALOGUE;
	if (flow->state == MT_FLOW_DIALOGUE)
		read_dialogue(engine, flow, packet, is_own);
	end_if_over(engine, flow);
	return verdict;
}

static inline void prepare(struct mt_engine *engine, struct mt_engine_packet *packet)
{
	struct mt_flow_name name =
	    mt_flow_name(&packet->packet, engine->config.vlan_in_key, &engine->config.secret);

	packet->fingerprint = name.fingerprint;
	packet->side = name.side;
}

/* What a packet soon to be taken will need beside its flow, as far as can be said before those in front of it
 * are taken: a hint. */
static inline void approach(const struct mt_engine *engine, const struct mt_engine_packet *packet)
{
	const struct mt_flow *flow = mt_flow_probe(&engine->flows, packet->fingerprint);

	if (flow->fingerprint != packet->fingerprint) {
		if ((packet->packet.tcp_flags & MT_TCP_SYN) != 0 || packet->packet.payload.len > 0)
			mt_flow_syn_prefetch(&engine->syns, packet->fingerprint);
	} else if (flow->state == MT_FLOW_DIALOGUE) {
		mt_session_prefetch(mt_pool_at(&engine->sessions, flow->session),
				    packet->packet.payload.len > 0);
	}
}

static inline enum mt_verdict take(struct mt_engine *engine, const struct mt_engine_packet *packet)
{
	struct mt_flow *flow = mt_flow_find(&engine->flows, packet->fingerprint);

	engine->now_ns = packet->time_ns;
	if (mt_likely(flow != NULL) && mt_likely(count_decided(engine, flow, packet)))
		return MT_VERDICT_DECIDED;
	return take_packet(engine, flow, packet);
}

void mt_engine_prepare(struct mt_engine *engine, struct mt_engine_packet *packet)
{
	prepare(engine, packet);
	mt_flow_prefetch(&engine->flows, packet->fingerprint);
}

enum mt_verdict mt_engine_packet(struct mt_engine *engine, const struct mt_engine_packet *packet)
{
	return take(engine, packet);
}

void mt_engine_burst(struct mt_engine *engine, struct mt_engine_packet *packets, unsigned count)
{
	uint64_t *verdicts = &engine->env.cells[MT_CELL1(PACKETS, 0)];
	uint32_t decided = 0;

	for (unsigned i = 0; i < count; i++)
		prepare(engine, &packets[i]);
	/* All together: they wait for memory side by side. */
	for (unsigned i = 0; i < count; i++)
		mt_flow_prefetch(&engine->flows, packets[i].fingerprint);
	for (unsigned i = 0; i < count && i < APPROACH_AHEAD; i++)
		approach(engine, &packets[i]);
	for (unsigned i = 0; i < count; i++) {
		if (mt_likely(i + APPROACH_AHEAD < count))
			approach(engine, &packets[i + APPROACH_AHEAD]);
		enum mt_verdict verdict = take(engine, &packets[i]);

		if (mt_likely(verdict == MT_VERDICT_DECIDED))
			decided++;
		else
			verdicts[verdict]++;
	}
	verdicts[MT_VERDICT_DECIDED] += decided;
}

void mt_engine_note_unseen(struct mt_engine *engine, uint64_t fingerprint, uint64_t now_ns)
{
	struct mt_flow *flow = mt_flow_find(&engine->flows, fingerprint);

	if (flow == NULL || flow->state != MT_FLOW_DECIDED || is_closing(flow))
		return;
	flow->has_unseen = 1;
	if (now_ns > flow->last_seen_ns)
		flow->last_seen_ns = now_ns;
}

static bool age(void *context, struct mt_flow *flow)
{
	struct mt_engine *engine = context;

	/* Its place is kept: who has not seen the reset sends again. */
	if (is_reset_over(flow, engine->now_ns))
		mt_session_end(engine, flow, MT_REASON_RST);
	if (!is_timed_out(engine, flow, engine->now_ns))
		return false;
	mt_session_end(engine, flow, closing_reason(flow, MT_REASON_TIMEOUT));
	return true;
}

bool mt_engine_sweep(struct mt_engine *engine, uint32_t places, uint64_t now_ns)
{
	engine->now_ns = now_ns;
	if (places == MT_ENGINE_WHOLE)
		places = engine->flows.mask + 1;
	bool is_round = mt_flow_sweep(&engine->flows, places, age, engine);
	engine->env.cells[MT_CELL0(FLOWS)] = engine->flows.used;
	return is_round;
}

static bool finish(void *context, struct mt_flow *flow)
{
	struct mt_engine *engine = context;
	bool is_late = is_timed_out(engine, flow, engine->now_ns);

	mt_session_end(engine, flow, closing_reason(flow, is_late ? MT_REASON_TIMEOUT : MT_REASON_SHUTDOWN));
	return true;
}

void mt_engine_finish(struct mt_engine *engine, uint64_t last_ns)
{
	engine->now_ns = last_ns;
	mt_flow_sweep(&engine->flows, engine->flows.mask + 1, finish, engine);
	engine->env.cells[MT_CELL0(FLOWS)] = engine->flows.used;
}
