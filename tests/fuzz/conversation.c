/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "conversation.h"

#include "imap.h"
#include "pop3.h"
#include "session_priv.h"
#include "smtp.h"
#include "told.h"

#define FLOWS	      8
#define CLIENT_PORT   40000
#define REPEATS	      200
#define BACK_BYTES    7
#define LINE_TAIL_MAX 64
#define SEGMENT_MAX   (FUZZ_INPUT_MAX * 2)

/** A segment on its way. */
struct parcel {
	enum mt_direction direction;
	uint8_t flags;
	uint32_t seq, ack, cut; /* cut: bytes at the end that were not captured */
	size_t len;
	uint8_t *bytes; /* room for SEGMENT_MAX */
};

static struct mt_session_shared shared;
static struct mt_banners banners;
static struct mt_counters_layout *layout;
static uint64_t *cells;
static struct guard payload;

/** One connection after the other, all between the same ends. */
static struct {
	struct mt_engine *engine;
	uint16_t server_port;
	uint64_t now_ns;
	uint32_t next[MT_DIRECTION_COUNT];  /* sequence number of the next byte to be sent */
	uint64_t given[MT_DIRECTION_COUNT]; /* bytes, to streams */
	struct mt_report parked[FLOWS];
	bool is_parked[FLOWS];
	unsigned records, certificate_bytes;
	bool is_orderly; /* everything arrived whole and in order so far */
	uint8_t line[LINE_TAIL_MAX];
	size_t line_len; /* of the client's line under way; LINE_TAIL_MAX for a longer one */
	uint8_t last[MT_DIRECTION_COUNT][BACK_BYTES];
	bool is_plain;	  /* everything travels whole and in order ... */
	bool is_bytewise; /* ... a byte at a time */
	bool has_late;
	struct parcel late;
} run;

/** What the records of a plain conversation said. */
#define TOLD_MAX 4
struct telling {
	unsigned records;
	struct mt_facts facts[TOLD_MAX];
};
static struct telling whole, bytewise;

static uint8_t parcel_bytes[SEGMENT_MAX], late_bytes[SEGMENT_MAX];

static void tell(struct telling *telling, const struct mt_facts *facts)
{
	if (telling->records < TOLD_MAX)
		memcpy(&telling->facts[telling->records++], facts,
		       offsetof(struct mt_facts, text) + facts->text_len);
}

static bool take_report(void *context, const struct mt_report *report)
{
	(void)context;
	FUZZ_MUST(!told_secret(report, mt_report_bytes(report)));
	if (report->part_bytes > 0) {
		FUZZ_MUST(report->part_at == (report->part_at == 0 ? 0 : run.certificate_bytes));
		run.certificate_bytes = report->part_at + report->part_bytes;
		FUZZ_MUST(run.certificate_bytes <= MT_MAIL_CERTIFICATE_MAX);
		return true;
	}
	if (report->has_facts) {
		FUZZ_MUST(report->certificate_bytes == run.certificate_bytes);
		run.certificate_bytes = 0;
		run.records++;
		told_check_facts(&report->facts, banners.product_count);
		tell(run.is_bytewise ? &bytewise : &whole, &report->facts);
		if (report->has_end) {
			told_check_record(report, &banners, layout);
			return true;
		}
	}
	FUZZ_MUST(report->handle < FLOWS && run.is_parked[report->handle] == report->has_end);
	struct mt_report *parked = &run.parked[report->handle];
	if (report->has_facts) {
		memcpy(parked, report, mt_report_bytes(report));
	} else {
		parked->end = report->end;
		parked->has_end = true;
		told_check_record(parked, &banners, layout);
	}
	run.is_parked[report->handle] = report->has_facts;
	return true;
}

/* What is still being read counts no byte twice, and holds no secret but in segments that wait. */
static void check_sessions(void)
{
	const struct mt_engine *engine = run.engine;

	for (uint32_t i = 0; i < engine->sessions.untouched; i++) {
		const struct session *session = mt_pool_at(&engine->sessions, i);

		if (run.is_orderly && !run.is_plain)
			FUZZ_MUST(!told_secret(session, sizeof(*session)));
		for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
			const struct mt_stream *stream = &session->side[direction].stream;

			FUZZ_MUST(stream->held_bytes <= MT_STREAM_HELD_MAX);
			FUZZ_MUST(stream->delivered_bytes + stream->repeated_bytes + stream->refused_bytes +
				      stream->unread_bytes <=
				  run.given[direction]);
			FUZZ_MUST(session->mail.framer[direction].len <=
				  session->mail.framer[direction].limit);
		}
	}
}

static void send(const struct parcel *parcel)
{
	struct mt_engine_packet packet = {.time_ns = run.now_ns};
	struct mt_packet *tcp = &packet.packet;
	bool is_client = parcel->direction == MT_TO_SERVER;
	size_t captured = parcel->cut < parcel->len ? parcel->len - parcel->cut : 0;

	tcp->ip_version = 4;
	tcp->tcp_flags = parcel->flags;
	tcp->src_port = is_client ? CLIENT_PORT : run.server_port;
	tcp->dst_port = is_client ? run.server_port : CLIENT_PORT;
	memcpy(tcp->src, (uint8_t[]){192, 0, 2, is_client ? 1 : 2}, 4);
	memcpy(tcp->dst, (uint8_t[]){192, 0, 2, is_client ? 2 : 1}, 4);
	tcp->seq = parcel->seq;
	tcp->ack = parcel->ack;
	tcp->ip_bytes = 40 + (uint32_t)parcel->len;
	tcp->payload_wire_len = (uint32_t)parcel->len;
	tcp->is_truncated = captured < parcel->len;
	tcp->payload = guard_copy(&payload, parcel->bytes, captured);
	mt_engine_prepare(run.engine, &packet);
	if (mt_engine_packet(run.engine, &packet) == MT_VERDICT_DIALOGUE)
		run.given[parcel->direction] += captured;
	/* Whoever kept a pointer to the payload reads rubbish from now on. */
	memset((uint8_t *)tcp->payload.data, 0xee, captured);
	run.now_ns += run.is_plain ? MT_NS_PER_MS / 1000 : MT_NS_PER_MS;
	check_sessions();
}

/* A parcel, and behind it the one that it has overtaken. */
static void deliver(const struct parcel *parcel)
{
	send(parcel);
	if (!run.has_late)
		return;
	run.has_late = false;
	send(&run.late);
}

static void shake_hands(void)
{
	struct parcel parcel;

	/* Numbers begin shortly before they wrap, and later connections have others. */
	run.next[MT_TO_SERVER] = 0xffffffc0 + (uint32_t)run.given[MT_TO_SERVER];
	run.next[MT_TO_CLIENT] = 0xffffff80 + (uint32_t)run.given[MT_TO_CLIENT];
	run.line_len = 0;
	for (unsigned direction = 0; direction < MT_DIRECTION_COUNT; direction++) {
		parcel = (struct parcel){.direction = direction, .flags = MT_TCP_SYN, .bytes = parcel_bytes};
		parcel.seq = run.next[direction]++;
		if (direction == MT_TO_CLIENT) {
			parcel.flags |= MT_TCP_ACK;
			parcel.ack = run.next[MT_TO_SERVER];
		}
		send(&parcel);
	}
}

/*
 * Whether a password may come next: RFC 4954 4, RFC 5034 4, RFC 1939 7, RFC 9051 6.2.2 and 6.2.3. Only behind
 * words that are no commands themselves: where the beginning of the line is lost, they must not turn the rest
 * into another command, whose argument may be kept.
 */
static bool is_secret_due(void)
{
	static const char *const lines[] = {"AUTH PLAIN ",
					    "AUTH LOGIN ",
					    "AUTH XOAUTH2 ",
					    "PASS ",
					    "USER ",
					    "APOP ",
					    "A1 LOGIN ",
					    "A1 LOGIN fred ",
					    "A1 AUTHENTICATE PLAIN ",
					    "A1 AUTHENTICATE LOGIN "};

	for (size_t i = 0; i < MT_ARRAY_LEN(lines); i++)
		if (run.line_len == strlen(lines[i]) &&
		    strncasecmp((const char *)run.line, lines[i], run.line_len) == 0)
			return true;
	return false;
}

static bool is_text(uint8_t byte)
{
	return (byte >= ' ' && byte <= '~') || byte == '\t' || byte == '\r' || byte == '\n';
}

static void put(struct parcel *parcel, uint8_t byte)
{
	if (parcel->len == SEGMENT_MAX)
		return;
	if (run.is_plain && !is_text(byte))
		byte = '.';
	parcel->bytes[parcel->len++] = byte;
	if (parcel->direction != MT_TO_SERVER)
		return;
	if (byte == '\n')
		run.line_len = 0;
	else if (run.line_len < LINE_TAIL_MAX)
		run.line[run.line_len++] = byte;
}

static void put_marked(struct parcel *parcel, struct mt_span marked)
{
	for (size_t i = 0; i < marked.len; i++) {
		if (marked.data[i] != FUZZ_MARK) {
			put(parcel, marked.data[i]);
			continue;
		}
		if (marked.data[++i] == FUZZ_MARK) {
			put(parcel, FUZZ_MARK);
			continue;
		}
		const char *word =
		    parcel->direction == MT_TO_SERVER && is_secret_due() ? TOLD_SECRET : "public";
		for (; word[0] != 0; word++)
			put(parcel, (uint8_t)word[0]);
	}
}

static void deliver_bytewise(const struct parcel *parcel)
{
	struct parcel piece = *parcel;

	piece.len = 1;
	for (size_t i = 0; i < parcel->len; i++, piece.seq++, piece.bytes++)
		deliver(&piece);
}

/* The bytes once more, and the last of what went before in front of them. */
static void go_back(struct parcel *parcel)
{
	const uint8_t *last = run.last[parcel->direction];

	if (parcel->len + BACK_BYTES > SEGMENT_MAX)
		return;
	memmove(parcel->bytes + BACK_BYTES, parcel->bytes, parcel->len);
	memcpy(parcel->bytes, last, BACK_BYTES);
	parcel->len += BACK_BYTES;
	parcel->seq -= BACK_BYTES;
}

static void remember_last(const struct parcel *parcel)
{
	if (parcel->len >= BACK_BYTES)
		memcpy(run.last[parcel->direction], parcel->bytes + parcel->len - BACK_BYTES, BACK_BYTES);
}

static void travel(struct parcel *parcel, enum conversation_manner manner)
{
	run.is_orderly &= manner == CONVERSATION_AS_SENT || manner == CONVERSATION_BYTEWISE;
	switch (manner) {
	case CONVERSATION_LOST:
		return;
	case CONVERSATION_TWICE:
		deliver(parcel);
		break;
	case CONVERSATION_LATE:
		if (run.has_late)
			break;
		run.late = *parcel;
		run.late.bytes = memcpy(late_bytes, parcel->bytes, parcel->len);
		run.has_late = true;
		return;
	case CONVERSATION_CONTRADICT:
		deliver(parcel);
		for (size_t i = 0; i < parcel->len; i += 3)
			parcel->bytes[i] ^= 0x20;
		break;
	case CONVERSATION_BLIND:
		parcel->ack = 0xffffffc1;
		break;
	case CONVERSATION_AHEAD:
		parcel->ack += 1000;
		break;
	case CONVERSATION_BYTEWISE:
		deliver_bytewise(parcel);
		return;
	case CONVERSATION_BACK:
		go_back(parcel);
		break;
	case CONVERSATION_FIN:
		parcel->flags |= MT_TCP_FIN;
		run.next[parcel->direction]++;
		break;
	case CONVERSATION_RESET:
		parcel->flags |= MT_TCP_RST;
		break;
	case CONVERSATION_CUT:
		parcel->cut = 5;
		break;
	default:
		break;
	}
	deliver(parcel);
}

/* However the bytes are cut, the end comes by itself. */
static void travel_plainly(struct parcel *parcel, enum conversation_manner manner)
{
	if (run.is_bytewise)
		deliver_bytewise(parcel);
	else if (parcel->len > 0)
		deliver(parcel);
	if (manner != CONVERSATION_FIN && manner != CONVERSATION_RESET)
		return;
	parcel->seq += (uint32_t)parcel->len;
	parcel->len = 0;
	travel(parcel, manner);
}

static void send_piece(uint8_t op, struct mt_span marked)
{
	struct parcel parcel = {.bytes = parcel_bytes};
	enum conversation_manner manner = op / MT_DIRECTION_COUNT % CONVERSATION_MANNER_COUNT;

	if (run.is_plain && manner != CONVERSATION_FIN && manner != CONVERSATION_RESET)
		manner = CONVERSATION_AS_SENT;
	if (manner == CONVERSATION_PAUSE)
		run.now_ns += 300 * MT_NS_PER_MS;
	if (manner == CONVERSATION_SILENCE)
		run.now_ns += 2000 * MT_NS_PER_SECOND;
	if (manner == CONVERSATION_AGAIN)
		shake_hands();
	parcel.direction = op % MT_DIRECTION_COUNT;
	parcel.flags = MT_TCP_ACK;
	parcel.seq = run.next[parcel.direction];
	parcel.ack = run.next[mt_opposite(parcel.direction)];
	for (unsigned i = 0; i < (manner == CONVERSATION_MANY ? REPEATS : 1); i++)
		put_marked(&parcel, marked);
	run.next[parcel.direction] += (uint32_t)parcel.len;
	if (run.is_plain)
		travel_plainly(&parcel, manner);
	else
		travel(&parcel, manner);
	if (manner != CONVERSATION_BACK)
		remember_last(&parcel);
}

static void check_wiped(const struct mt_pool *pool)
{
	FUZZ_MUST(pool->free_pieces == pool->pieces);
	for (uint32_t i = 0; i < pool->untouched; i++) {
		const uint8_t *piece = mt_pool_at(pool, i);

		/* The first number of a free piece is the pool's. */
		FUZZ_MUST(piece[sizeof(uint32_t)] == 0 &&
			  memcmp(piece + sizeof(uint32_t), piece + sizeof(uint32_t) + 1,
				 pool->piece_bytes - sizeof(uint32_t) - 1) == 0);
	}
}

/* Everything is given back and accounted for. */
static void check_end(void)
{
	uint64_t closed = 0;

	FUZZ_MUST(mt_engine_flows(run.engine) == 0 && run.engine->handle_count == FLOWS);
	check_wiped(&run.engine->sessions);
	check_wiped(&run.engine->pieces);
	for (unsigned reason = 0; reason < MT_REASON_COUNT; reason++)
		closed += cells[MT_CELL1(FLOWS_CLOSED, reason)];
	FUZZ_MUST(cells[MT_CELL0(SESSIONS_OPENED)] == closed);
	FUZZ_MUST(cells[MT_CELL0(RECORDS_MADE)] == run.records);
	FUZZ_MUST(cells[MT_CELL0(STREAM_DELIVERED)] + cells[MT_CELL0(STREAM_REPEATED)] +
		      cells[MT_CELL0(STREAM_REFUSED)] <=
		  run.given[MT_TO_SERVER] + run.given[MT_TO_CLIENT]);
}

static void compile(void)
{
	static const struct mt_dialogue *const dialogues[MT_PROTOCOL_COUNT] = {
	    [MT_PROTOCOL_SMTP] = &mt_smtp_dialogue,
	    [MT_PROTOCOL_IMAP] = &mt_imap_dialogue,
	    [MT_PROTOCOL_POP3] = &mt_pop3_dialogue,
	};
	static struct mt_identify_ports ports;
	char error[256];

	FUZZ_MUST(mt_banners_load(&banners, BANNERS_FILE, error, sizeof(error)) == 0);
	FUZZ_MUST(mt_identify_ports_parse(&ports, NULL, error, sizeof(error)) == 0);
	FUZZ_MUST(mt_session_shared_init(&shared, dialogues, &ports, error, sizeof(error)) == 0);
	FUZZ_MUST(mt_counters_layout_create(&layout, banners.products, banners.product_count, 1, 1) == 0);
	cells = mt_counters_cells_create(layout);
	FUZZ_MUST(cells != NULL);
	payload = guard_make(SEGMENT_MAX);
}

static void begin(uint16_t server_port)
{
	struct mt_engine_config config = {.shared = &shared,
					  .banners = &banners,
					  .secret = {.word = {1, 2}},
					  .emit = take_report,
					  .flows = FLOWS,
					  .dialogues = 2,
					  .reassembly_bytes = 64 * 1024,
					  .timeout_ns = 1800 * MT_NS_PER_SECOND};

	if (layout == NULL)
		compile();
	memset(cells, 0, layout->cell_count * sizeof(*cells));
	config.cells = cells;
	memset(&run, 0, sizeof(run));
	run.server_port = server_port;
	run.now_ns = 1700000000 * MT_NS_PER_SECOND;
	run.is_orderly = true;
	FUZZ_MUST(mt_engine_create(&run.engine, &config) == 0);
}

static void converse(struct mt_span rest)
{
	struct mt_span marked;
	uint8_t op;

	/* The first byte says whether the handshake was captured. */
	if ((fuzz_byte(&rest) & 1) == 0)
		shake_hands();
	while (fuzz_piece(&rest, &op, &marked))
		send_piece(op, marked);
	mt_engine_finish(run.engine, run.now_ns);
	check_end();
	mt_engine_destroy(run.engine);
}

void conversation_run(uint16_t server_port, const uint8_t *data, size_t len)
{
	begin(server_port);
	whole.records = 0;
	converse(fuzz_input(data, len));
}

void conversation_cut(uint16_t server_port, const uint8_t *data, size_t len)
{
	whole.records = bytewise.records = 0;
	for (unsigned way = 0; way < 2; way++) {
		begin(server_port);
		run.is_plain = true;
		run.is_bytewise = way > 0;
		converse(fuzz_input(data, len));
	}
	FUZZ_MUST(whole.records == bytewise.records);
	for (unsigned i = 0; i < whole.records; i++)
		told_compare(&whole.facts[i], &bytewise.facts[i]);
}
