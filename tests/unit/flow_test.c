/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include <openssl/evp.h>

#include "flow.h"

/* The same numbers in every run, so that a failure comes back (a linear congruential generator). */
static uint64_t random_state;

static uint32_t random32(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 32);
}

static uint64_t random64(void)
{
	return (uint64_t)random32() << 32 | random32();
}

static struct mt_packet packet_v4(uint32_t src, unsigned src_port, uint32_t dst, unsigned dst_port)
{
	struct mt_packet packet = {
	    .ip_version = 4, .src_port = (uint16_t)src_port, .dst_port = (uint16_t)dst_port};

	for (unsigned i = 0; i < 4; i++) {
		packet.src[i] = (uint8_t)(src >> (24 - 8 * i));
		packet.dst[i] = (uint8_t)(dst >> (24 - 8 * i));
	}
	return packet;
}

static struct mt_packet random_packet(void)
{
	struct mt_packet packet = {.ip_version = random32() & 1 ? 4 : 6};
	unsigned len = packet.ip_version == 4 ? 4 : 16;

	for (unsigned i = 0; i < len; i++) {
		packet.src[i] = (uint8_t)random32();
		packet.dst[i] = random32() % 8 ? packet.src[i] : (uint8_t)random32(); /* often equal */
	}
	packet.src_port = (uint16_t)random32();
	packet.dst_port = (uint16_t)random32();
	return packet;
}

static struct mt_packet reversed(const struct mt_packet *packet)
{
	struct mt_packet ret = *packet;

	memcpy(ret.src, packet->dst, sizeof(ret.src));
	memcpy(ret.dst, packet->src, sizeof(ret.dst));
	ret.src_port = packet->dst_port;
	ret.dst_port = packet->src_port;
	return ret;
}

static void both_directions_have_one_key(void **state) /* G19 */
{
	(void)state;
	static const struct mt_flow_secret secret = {.word = {1, 2}};
	struct mt_flow_owners by_crc, by_nic;

	mt_flow_owners_init(&by_crc, 7, 0);
	mt_flow_owners_init(&by_nic, 7, 128);
	for (unsigned i = 0; i < 10000; i++) {
		struct mt_packet there = random_packet(), back = reversed(&there);
		struct mt_flow_key key, key_back;
		unsigned side = mt_flow_key_make(&key, &there, false);
		unsigned side_back = mt_flow_key_make(&key_back, &back, false);

		assert_int_equal(side ^ side_back, 1);
		assert_memory_equal(&key, &key_back, sizeof(key));
		assert_memory_equal(key.addr[side], there.src, 16);
		assert_memory_equal(key.addr[side ^ 1], there.dst, 16);
		assert_int_equal(key.port[side], there.src_port);
		assert_int_equal(key.port[side ^ 1], there.dst_port);
		assert_int_equal(key.ip_version, there.ip_version);
		int order = memcmp(key.addr[0], key.addr[1], 16);
		assert_true(order < 0 || (order == 0 && key.port[0] <= key.port[1]));
		assert_int_equal(mt_flow_fingerprint(&key, &secret), mt_flow_fingerprint(&key_back, &secret));
		assert_int_equal(mt_flow_owner(&by_crc, &key), mt_flow_owner(&by_crc, &key_back));
		assert_int_equal(mt_flow_owner(&by_nic, &key), mt_flow_owner(&by_nic, &key_back));
	}
}

static void every_byte_of_an_address_decides_the_side(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		struct mt_packet packet = {.ip_version = 6, .src_port = 1, .dst_port = 2};
		struct mt_flow_key key;

		packet.src[i] = 0x80;
		packet.dst[i] = 0x7f;
		if (i < 15)
			packet.dst[i + 1] = 0xff;
		assert_int_equal(mt_flow_key_make(&key, &packet, false), 1);
	}
	struct mt_packet loop = packet_v4(0x7f000001, 40000, 0x7f000001, 25);
	struct mt_flow_key key;
	assert_int_equal(mt_flow_key_make(&key, &loop, false), 1);
}

static void a_vlan_is_in_the_key_on_request(void **state) /* G19 */
{
	(void)state;
	struct mt_packet untagged = packet_v4(1, 2, 3, 4), tagged = untagged;
	struct mt_flow_key key, other;

	tagged.vlan_count = 2;
	tagged.vlan[0] = 10;
	tagged.vlan[1] = 20;
	mt_flow_key_make(&key, &untagged, false);
	mt_flow_key_make(&other, &tagged, false);
	assert_memory_equal(&key, &other, sizeof(key));
	mt_flow_key_make(&key, &untagged, true);
	assert_int_equal(key.vlan, 0);
	mt_flow_key_make(&other, &tagged, true);
	assert_int_equal(other.vlan, 10);
}

/* SipHash-1-3 of the bytes 00 to 27, as OpenSSL's EVP_MAC SIPHASH and (for the key of zeros) CPython's
 * hash() of bytes compute it. */
static void the_fingerprint_is_siphash(void **state)
{
	(void)state;
	static const struct mt_flow_secret zeros = {.word = {0, 0}};
	static const struct mt_flow_secret counting = {.word = {0x0706050403020100, 0x0f0e0d0c0b0a0908}};
	struct mt_flow_key key;

	for (unsigned i = 0; i < sizeof(key); i++)
		((uint8_t *)&key)[i] = (uint8_t)i;
	assert_true(mt_flow_fingerprint(&key, &zeros) == 0x95bc321ab41d8206);
	assert_true(mt_flow_fingerprint(&key, &counting) == 0xc1d2363299e41531);
}

/* The CBC-MAC of the key's blocks, by OpenSSL. */
static uint64_t cbc_mac(const struct mt_flow_key *key, const struct mt_flow_secret *secret)
{
	uint8_t in[48], out[48];
	int len = 0, blocks = key->ip_version == 4 ? 1 : 3;
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	static const uint8_t zeros[16] = {0};
	uint64_t hash;

	memcpy(in, key->addr[0], 4);
	memcpy(in + 4, key->addr[1], 4);
	memcpy(in + 8, key->port, 8);
	memcpy(in + 16, key->addr[0], 16);
	memcpy(in + 32, key->addr[1], 16);
	assert_non_null(context);
	assert_true(
	    EVP_EncryptInit_ex(context, EVP_aes_128_cbc(), NULL, (const uint8_t *)secret->word, zeros));
	assert_true(EVP_EncryptUpdate(context, out, &len, in, blocks * 16));
	assert_int_equal(len, blocks * 16);
	EVP_CIPHER_CTX_free(context);
	memcpy(&hash, out + len - 16, sizeof(hash));
	return hash;
}

static void with_aes_the_fingerprint_is_its_cbc_mac(void **state)
{
	(void)state;
	struct mt_flow_secret secret;

	mt_flow_secret_init(&secret, 0x0706050403020100, 0x0f0e0d0c0b0a0908);
	if (!secret.has_aes)
		skip();
	for (unsigned i = 0; i < 1000; i++) {
		struct mt_packet packet = random_packet();
		struct mt_flow_key key;

		packet.vlan[0] = (uint16_t)(random32() & 0xfff);
		mt_flow_key_make(&key, &packet, i % 2 != 0);
		assert_true(mt_flow_fingerprint(&key, &secret) == cbc_mac(&key, &secret));
	}
}

static void a_name_is_side_and_fingerprint(void **state)
{
	(void)state;
	struct mt_flow_secret secrets[2] = {{.word = {1, 2}}};

	mt_flow_secret_init(&secrets[1], 1, 2);
	for (unsigned i = 0; i < 20000; i++) {
		const struct mt_flow_secret *secret = &secrets[i % 2];
		struct mt_packet packet = random_packet();
		bool vlan_in_key = i / 2 % 2 != 0;
		struct mt_flow_key key;

		packet.vlan[0] = (uint16_t)(random32() & 0xfff);
		unsigned side = mt_flow_key_make(&key, &packet, vlan_in_key);
		struct mt_flow_name name = mt_flow_name(&packet, vlan_in_key, secret);
		assert_int_equal(name.side, side);
		assert_true(name.fingerprint == mt_flow_fingerprint(&key, secret));
		assert_int_equal(key.vlan, vlan_in_key ? packet.vlan[0] : 0);
	}
}

/* Toeplitz as Microsoft's text on RSS has it: for every bit of the input that is set, the 32 bits of the key
 * from that place on are added. Bit by bit, over a tuple as it stands in the packet. */
static uint32_t toeplitz(const uint8_t *key, const uint8_t *input, size_t len)
{
	uint32_t hash = 0;

	for (size_t bit = 0; bit < len * 8; bit++)
		for (size_t i = 0; i < 32 && (input[bit / 8] >> (7 - bit % 8) & 1); i++)
			hash ^= (uint32_t)(key[(bit + i) / 8] >> (7 - (bit + i) % 8) & 1) << (31 - i);
	return hash;
}

static size_t tuple_bytes(const struct mt_packet *packet, uint8_t *ret)
{
	size_t addr_bytes = packet->ip_version == 4 ? 4 : 16;
	const uint16_t ports[] = {packet->src_port, packet->dst_port};

	memcpy(ret, packet->src, addr_bytes);
	memcpy(ret + addr_bytes, packet->dst, addr_bytes);
	for (size_t i = 0; i < 2; i++) {
		ret[2 * addr_bytes + 2 * i] = (uint8_t)(ports[i] >> 8);
		ret[2 * addr_bytes + 2 * i + 1] = (uint8_t)ports[i];
	}
	return 2 * addr_bytes + 4;
}

static void toeplitz_is_what_microsoft_computes(void **state)
{
	(void)state;
	/* The text's own key and its first example: 66.9.149.187:2794 to 161.142.100.80:1766. */
	static const uint8_t key[] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
				      0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
				      0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
				      0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
	static const uint8_t input[] = {66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6};

	assert_int_equal(toeplitz(key, input, 12), 0x51ccc178);
	assert_int_equal(toeplitz(key, input, 8), 0x323e8fc2);
}

/* What the NIC computes over the tuple as it stands in either direction, and what we compute of the key. */
static void the_rss_hash_is_the_nics(void **state)
{
	(void)state;
	uint8_t nic_key[52], input[36];

	for (size_t i = 0; i < sizeof(nic_key); i++)
		nic_key[i] = i % 2 == 0 ? 0x6d : 0x5a;
	for (unsigned i = 0; i < 2000; i++) {
		struct mt_packet there = random_packet(), back = reversed(&there);
		struct mt_flow_key key;

		mt_flow_key_make(&key, &there, false);
		size_t len = tuple_bytes(&there, input);
		assert_int_equal(mt_flow_rss_hash(&key), toeplitz(nic_key, input, len));
		len = tuple_bytes(&back, input);
		assert_int_equal(mt_flow_rss_hash(&key), toeplitz(nic_key, input, len));
		/* A fragment: addresses alone. */
		there.src_port = there.dst_port = 0;
		mt_flow_key_make(&key, &there, false);
		assert_int_equal(mt_flow_rss_hash(&key), toeplitz(nic_key, input, len - 4));
	}
}

static void the_owner_is_the_worker_of_the_nics_queue(void **state)
{
	(void)state;
	struct mt_flow_owners owners;

	mt_flow_owners_init(&owners, 6, 128);
	for (unsigned i = 0; i < 2000; i++) {
		struct mt_packet packet = random_packet();
		struct mt_flow_key key;

		mt_flow_key_make(&key, &packet, false);
		/* A redirection table whose entry i is queue i % 6. */
		assert_int_equal(mt_flow_owner(&owners, &key), mt_flow_rss_hash(&key) % 128 % 6);
	}
}

/* A block of clients at one server: neighbours in address and port, as real traffic has them. */
static void owners_are_spread_evenly(void **state)
{
	(void)state;
	enum { FLOWS = 1 << 16 };
	static const unsigned worker_counts[] = {1, 2, 3, 4, 5, 7, 8, 16, 24, 64};

	for (size_t i = 0; i < MT_ARRAY_LEN(worker_counts); i++)
		for (unsigned shape = 0; shape < 3; shape++) {
			unsigned workers = worker_counts[i], counts[64] = {0};
			struct mt_flow_owners owners;

			mt_flow_owners_init(&owners, workers, 0);

			for (unsigned n = 0; n < FLOWS; n++) {
				static const unsigned shifts[] = {0, 8, 16}; /* how much of n is the port */
				unsigned low = n & ((1u << shifts[shape]) - 1);
				struct mt_packet packet =
				    packet_v4(0x0a000000 + (n >> shifts[shape]), low, 0xc0000201, 25);
				struct mt_flow_key key;
				mt_flow_key_make(&key, &packet, false);
				unsigned owner = mt_flow_owner(&owners, &key);
				assert_true(owner < workers);
				counts[owner]++;
			}
			/* Six standard deviations of a binomial distribution, squared: npq * 36. */
			for (unsigned w = 0; w < workers; w++) {
				double expected = (double)FLOWS / workers, off = counts[w] - expected;
				assert_true(off * off <= 36 * expected);
			}
		}
}

static struct mt_flow_table make_table(uint32_t flows)
{
	struct mt_flow_table table;
	size_t bytes = mt_flow_table_bytes(flows);
	void *memory = aligned_alloc(MT_CACHE_LINE, bytes);

	assert_non_null(memory);
	memset(memory, 0, bytes);
	mt_flow_table_init(&table, memory, flows);
	/* A line a slot, and a bit. */
	assert_true(bytes >= ((size_t)table.mask + 1) * sizeof(struct mt_flow) + (table.mask + 8) / 8);
	return table;
}

static void tables_are_large_enough_and_not_twice(void **state)
{
	(void)state;
	static const uint32_t flows[] = {0, 1, 2, 3, 4, 6, 7, 1000, 1 << 20, 3 << 20, (3 << 20) + 1};

	for (size_t i = 0; i < MT_ARRAY_LEN(flows); i++) {
		struct mt_flow_table table = make_table(flows[i]);
		uint64_t places = (uint64_t)table.mask + 1;

		assert_int_equal(places & (places - 1), 0);
		assert_true(flows[i] <= 0.8 * places);
		assert_true(places <= 2 || flows[i] > 0.75 * places / 2);
		assert_true(mt_flow_table_bytes(flows[i]) <
			    places * sizeof(struct mt_flow) * 1.01 + 2 * MT_CACHE_LINE);
		free(table.slots);
	}
}

static void a_full_table_refuses(void **state)
{
	(void)state;
	struct mt_flow_table table = make_table(100);

	for (uint64_t i = 1; i <= 100; i++)
		assert_non_null(mt_flow_insert(&table, i << 32 | 5)); /* all at one home */
	assert_null(mt_flow_insert(&table, 101));
	assert_int_equal(table.used, 100);
	assert_null(mt_flow_find(&table, 101));
	for (uint64_t i = 1; i <= 100; i++)
		assert_non_null(mt_flow_find(&table, i << 32 | 5));
	mt_flow_remove(&table, mt_flow_find(&table, (uint64_t)50 << 32 | 5));
	assert_int_equal(table.used, 99);
	struct mt_flow *flow = mt_flow_insert(&table, 101);
	assert_non_null(flow);
	static const struct mt_flow fresh = {.fingerprint = 101};
	assert_memory_equal(flow, &fresh, sizeof(fresh));
	free(table.slots);
}

static void a_chain_wraps_around_the_end(void **state)
{
	(void)state;
	struct mt_flow_table table = make_table(10); /* 16 places */
	static const uint64_t names[] = {0x10e, 0x20e, 0x30e, 0x40f, 0x500, 0x60e};

	assert_int_equal(table.mask, 15);
	for (size_t i = 0; i < MT_ARRAY_LEN(names); i++) /* places 14, 15, 0, 1, 2, 3 */
		mt_flow_insert(&table, names[i])->handle = (uint32_t)names[i];
	assert_int_equal(table.slots[0].fingerprint, 0x30e);
	assert_int_equal(table.slots[2].fingerprint, 0x500);
	mt_flow_remove(&table, mt_flow_find(&table, 0x10e));
	/* Each moves back as far as its home allows: 0x500 stays at or behind place 0. */
	assert_int_equal(table.slots[14].fingerprint, 0x20e);
	assert_int_equal(table.slots[15].fingerprint, 0x30e);
	assert_int_equal(table.slots[0].fingerprint, 0x40f);
	assert_int_equal(table.slots[1].fingerprint, 0x500);
	assert_int_equal(table.slots[2].fingerprint, 0x60e);
	assert_int_equal(table.slots[3].fingerprint, 0);
	for (size_t i = 1; i < MT_ARRAY_LEN(names); i++)
		assert_int_equal(mt_flow_find(&table, names[i])->handle, names[i]);
	free(table.slots);
}

/** The naive model: every flow there may be, and whether it is. */
struct model {
	uint64_t names[160];
	bool is_in[160];
	unsigned visits[160];
	unsigned keep_every; /* the sweep removes all but each one of so many; 0 keeps all */
	unsigned removed;
};

static unsigned index_of(const struct model *model, uint64_t name)
{
	unsigned i = 0;

	while (model->names[i] != name)
		assert_true(++i < MT_ARRAY_LEN(model->names));
	return i;
}

static bool visit_flow(void *context, struct mt_flow *flow)
{
	struct model *model = context;
	unsigned i = index_of(model, flow->fingerprint);

	assert_true(model->is_in[i]); /* removed ones do not come back */
	assert_int_equal(flow->handle, i + 1);
	model->visits[i]++;
	if (model->keep_every == 0 || i % model->keep_every == 0)
		return false;
	model->is_in[i] = false;
	model->removed++;
	return true;
}

/* Names crowd at a few homes around the table's end, so that chains are long, cross and wrap. */
static void fill_model(struct model *model, uint32_t mask)
{
	*model = (struct model){0};
	for (unsigned i = 0; i < MT_ARRAY_LEN(model->names); i++)
		model->names[i] = (uint64_t)(i + 1) << 32 |
				  ((random32() % 3 ? mask - 10 + random32() % 20 : random32()) & mask);
}

static void assert_same(struct mt_flow_table *table, const struct model *model)
{
	unsigned used = 0;

	for (unsigned i = 0; i < MT_ARRAY_LEN(model->names); i++) {
		struct mt_flow *flow = mt_flow_find(table, model->names[i]);
		assert_int_equal(flow != NULL, model->is_in[i]);
		if (flow != NULL)
			assert_int_equal(flow->handle, i + 1);
		used += model->is_in[i];
	}
	assert_int_equal(table->used, used);
}

static void change_one(struct mt_flow_table *table, struct model *model)
{
	unsigned i = random32() % MT_ARRAY_LEN(model->names);

	if (model->is_in[i]) {
		mt_flow_remove(table, mt_flow_find(table, model->names[i]));
		model->is_in[i] = false;
	} else {
		bool is_full = table->used == table->limit;
		struct mt_flow *flow = mt_flow_insert(table, model->names[i]);
		assert_int_equal(flow == NULL, is_full);
		if (flow != NULL) {
			assert_int_equal(flow->handle, 0); /* nothing is left of who stood there */
			flow->handle = i + 1;
			model->is_in[i] = true;
		}
	}
}

static void the_table_agrees_with_a_naive_one(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 20; seed++) {
		struct mt_flow_table table = make_table(96); /* exactly 3/4 of 128 places */
		struct model model;

		random_state = seed;
		fill_model(&model, table.mask);
		for (unsigned step = 0; step < 4000; step++) {
			change_one(&table, &model);
			if (step % 16 == 0)
				assert_same(&table, &model);
			if (step % 64 == 0) {
				model.keep_every = random32() % 4;
				mt_flow_sweep(&table, random32() % 40, visit_flow, &model);
				assert_same(&table, &model);
			}
		}
		for (uint32_t place = 0; place <= table.mask; place++)
			assert_int_equal(table.taken[place / 64] >> place % 64 & 1,
					 table.slots[place].fingerprint != 0);
		free(table.slots);
	}
}

static void a_whole_sweep_leaves_nothing_out(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 200; seed++) {
		struct mt_flow_table table = make_table(96);
		struct model model;

		random_state = seed;
		fill_model(&model, table.mask);
		for (unsigned step = 0; step < 1000; step++)
			change_one(&table, &model);
		table.sweep = random32() & table.mask;
		model.keep_every = 1 + seed % 5;
		model.removed = 0;
		memset(model.visits, 0, sizeof(model.visits));
		unsigned before = table.used;
		bool was_in[MT_ARRAY_LEN(model.is_in)];
		memcpy(was_in, model.is_in, sizeof(was_in));

		mt_flow_sweep(&table, table.mask + 1, visit_flow, &model);
		assert_int_equal(table.used, before - model.removed);
		for (unsigned i = 0; i < MT_ARRAY_LEN(model.names); i++) {
			assert_int_equal(model.visits[i] > 0, was_in[i]);
			assert_int_equal(model.is_in[i], was_in[i] && i % model.keep_every == 0);
		}
		assert_same(&table, &model);
		free(table.slots);
	}
}

static void a_sweep_says_when_a_round_is_complete(void **state)
{
	(void)state;
	struct mt_flow_table table = make_table(96);
	struct model model = {0};

	assert_false(mt_flow_sweep(&table, 127, visit_flow, &model));
	assert_true(mt_flow_sweep(&table, 1, visit_flow, &model));
	assert_false(mt_flow_sweep(&table, 100, visit_flow, &model));
	assert_true(mt_flow_sweep(&table, 100, visit_flow, &model));
	assert_int_equal(table.sweep, 72);
	free(table.slots);
}

/* What the SYN cache's tests speak of. */
enum { A, B };
#define CACHED_FLOW 0xfeedfacecafebeefu
#define MS	    MT_NS_PER_MS

static struct mt_flow_syn_cache make_cache(uint32_t entries)
{
	struct mt_flow_syn_cache cache;
	size_t bytes = mt_flow_syn_cache_bytes(entries);
	void *memory = aligned_alloc(MT_CACHE_LINE, bytes);

	assert_non_null(memory);
	memset(memory, 0, bytes);
	mt_flow_syn_cache_init(&cache, memory, entries);
	return cache;
}

/** One packet, or what is expected of the cache after the packets before it. */
struct syn_step {
	unsigned side;
	uint32_t seq;
	bool is_synack;
	uint64_t time_ns;
};

static const struct syn_case {
	const char *name;
	struct syn_step steps[4]; /* time 0 ends them */
	struct mt_flow_syn expect;
} syn_cases[] = {
    {"SYN", {{A, 100, false, 5 * MS}}, {.time_ns = 5 * MS, .isn = {100}, .has_isn = 1, .client_side = A}},
    {"SYN of the other side",
     {{B, 100, false, 5 * MS}},
     {.time_ns = 5 * MS, .isn = {0, 100}, .has_isn = 2, .client_side = B}},
    {"SYN and SYN-ACK",
     {{A, 100, false, 5 * MS}, {B, 200, true, 7 * MS}},
     {.time_ns = 5 * MS, .synack_ns = 7 * MS, .isn = {100, 200}, .has_isn = 3, .client_side = A}},
    {"SYN from B and SYN-ACK",
     {{B, 100, false, 5 * MS}, {A, 200, true, 7 * MS}},
     {.time_ns = 5 * MS, .synack_ns = 7 * MS, .isn = {200, 100}, .has_isn = 3, .client_side = B}},
    {"both repeated",
     {{A, 100, false, 5 * MS}, {A, 100, false, 6 * MS}, {B, 200, true, 7 * MS}, {B, 200, true, 8 * MS}},
     {.time_ns = 5 * MS, .synack_ns = 7 * MS, .isn = {100, 200}, .has_isn = 3, .client_side = A}},
    {"SYN repeated after the SYN-ACK",
     {{A, 100, false, 5 * MS}, {B, 200, true, 7 * MS}, {A, 100, false, 3000 * MS}},
     {.time_ns = 5 * MS, .synack_ns = 7 * MS, .isn = {100, 200}, .has_isn = 3, .client_side = A}},
    {"SYN with another number", /* G17 */
     {{A, 100, false, 5 * MS}, {B, 200, true, 7 * MS}, {A, 300, false, 9 * MS}},
     {.time_ns = 9 * MS, .isn = {300}, .has_isn = 1, .client_side = A}},
    {"the other side becomes the client", /* G17 */
     {{A, 100, false, 5 * MS}, {B, 200, true, 7 * MS}, {B, 300, false, 9 * MS}},
     {.time_ns = 9 * MS, .isn = {0, 300}, .has_isn = 2, .client_side = B}},
    {"SYN-ACK alone",
     {{B, 200, true, 7 * MS}},
     {.time_ns = 7 * MS, .synack_ns = 7 * MS, .isn = {0, 200}, .has_isn = 2, .client_side = A}},
    {"SYN-ACK before its SYN", /* G19 */
     {{B, 200, true, 7 * MS}, {A, 100, false, 6 * MS}},
     {.time_ns = 6 * MS, .synack_ns = 7 * MS, .isn = {100, 200}, .has_isn = 3, .client_side = A}},
    {"SYN long after a SYN-ACK",
     {{B, 200, true, 7 * MS}, {A, 100, false, 1007 * MS}},
     {.time_ns = 1007 * MS, .isn = {100}, .has_isn = 1, .client_side = A}},
    {"SYN-ACK with another number",
     {{A, 100, false, 5 * MS}, {B, 200, true, 7 * MS}, {B, 201, true, 9 * MS}},
     {.time_ns = 5 * MS, .synack_ns = 9 * MS, .isn = {100, 201}, .has_isn = 3, .client_side = A}},
    {"SYN-ACK from the side of the SYN",
     {{A, 100, false, 5 * MS}, {A, 300, true, 7 * MS}},
     {.time_ns = 7 * MS, .synack_ns = 7 * MS, .isn = {300}, .has_isn = 1, .client_side = B}},
};

static void handshakes_leave_what_was_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < MT_ARRAY_LEN(syn_cases); i++) {
		struct mt_flow_syn_cache cache = make_cache(64);
		struct mt_flow_syn expect = syn_cases[i].expect, syn;

		print_message("%s\n", syn_cases[i].name);
		for (const struct syn_step *step = syn_cases[i].steps;
		     step < syn_cases[i].steps + MT_ARRAY_LEN(syn_cases[i].steps) && step->time_ns != 0;
		     step++)
			mt_flow_syn_note(&cache, CACHED_FLOW, step->side, step->seq, step->is_synack,
					 step->time_ns);
		expect.fingerprint = CACHED_FLOW;
		assert_true(mt_flow_syn_take(&cache, CACHED_FLOW, &syn));
		assert_memory_equal(&syn, &expect, sizeof(syn));
		assert_false(mt_flow_syn_take(&cache, CACHED_FLOW, &syn));
		free(cache.sets);
	}
}

static void the_oldest_of_a_set_makes_room(void **state)
{
	(void)state;
	struct mt_flow_syn_cache cache = make_cache(64);
	static const unsigned times[] = {30, 10, 40, 20, 50}; /* the fifth drives the second out */
	struct mt_flow_syn syn;

	assert_int_equal(mt_flow_syn_cache_bytes(64), 64 * 32);
	for (unsigned i = 0; i < 5; i++)
		mt_flow_syn_note(&cache, (uint64_t)(i + 1) << 32, A, i, false, times[i] * MS);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(mt_flow_syn_take(&cache, (uint64_t)(i + 1) << 32, &syn), i != 1);
		assert_true(i == 1 || (syn.isn[A] == i && syn.time_ns == times[i] * MS));
	}
	free(cache.sets);
}

/* A time of 0 is a time like any other, and a place given back is taken before anything is overwritten. */
static void a_free_way_goes_first(void **state)
{
	(void)state;
	struct mt_flow_syn_cache cache = make_cache(4);
	struct mt_flow_syn syn;

	for (unsigned i = 0; i < 4; i++)
		mt_flow_syn_note(&cache, (uint64_t)(i + 1) << 32, B, i, false, 0);
	assert_true(mt_flow_syn_take(&cache, (uint64_t)3 << 32, &syn));
	mt_flow_syn_note(&cache, (uint64_t)9 << 32, B, 9, false, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(mt_flow_syn_take(&cache, (uint64_t)(i + 1) << 32, &syn), i != 2);
	assert_true(mt_flow_syn_take(&cache, (uint64_t)9 << 32, &syn));
	free(cache.sets);
}

/* Flags live in the fingerprint's lowest bits: neighbours must not be taken for each other. */
static void neighbours_are_told_apart(void **state)
{
	(void)state;
	struct mt_flow_syn_cache cache = make_cache(1000);
	struct mt_flow_syn syn;

	for (uint64_t i = 0; i < 16; i++)
		mt_flow_syn_note(&cache, CACHED_FLOW + i, i & 1, (uint32_t)i, false, 1 + i);
	for (uint64_t i = 0; i < 16; i++) {
		assert_true(mt_flow_syn_take(&cache, CACHED_FLOW + i, &syn));
		assert_true(syn.fingerprint == CACHED_FLOW + i);
		assert_int_equal(syn.isn[i & 1], i);
		assert_int_equal(syn.client_side, i & 1);
		assert_int_equal(syn.time_ns, 1 + i);
	}
	free(cache.sets);
}

/* Decision 4 of the design: nothing is ever refused, and what came last is there. */
static void a_flood_overwrites_and_never_grows(void **state)
{
	(void)state;
	struct mt_flow_syn_cache cache = make_cache(256);
	struct mt_flow_syn syn;

	assert_false(mt_flow_syn_take(&cache, 3, &syn)); /* small enough to be all flags */
	random_state = 1;
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t name = random64() | 1;
		mt_flow_syn_note(&cache, name, i & 1, i, false, i);
		if (i % 97 == 0) {
			assert_true(mt_flow_syn_take(&cache, name, &syn));
			assert_int_equal(syn.isn[i & 1], i);
		}
	}
	free(cache.sets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_directions_have_one_key),
	    cmocka_unit_test(every_byte_of_an_address_decides_the_side),
	    cmocka_unit_test(a_vlan_is_in_the_key_on_request),
	    cmocka_unit_test(the_fingerprint_is_siphash),
	    cmocka_unit_test(with_aes_the_fingerprint_is_its_cbc_mac),
	    cmocka_unit_test(a_name_is_side_and_fingerprint),
	    cmocka_unit_test(toeplitz_is_what_microsoft_computes),
	    cmocka_unit_test(the_rss_hash_is_the_nics),
	    cmocka_unit_test(the_owner_is_the_worker_of_the_nics_queue),
	    cmocka_unit_test(owners_are_spread_evenly),
	    cmocka_unit_test(tables_are_large_enough_and_not_twice),
	    cmocka_unit_test(a_full_table_refuses),
	    cmocka_unit_test(a_chain_wraps_around_the_end),
	    cmocka_unit_test(the_table_agrees_with_a_naive_one),
	    cmocka_unit_test(a_whole_sweep_leaves_nothing_out),
	    cmocka_unit_test(a_sweep_says_when_a_round_is_complete),
	    cmocka_unit_test(handshakes_leave_what_was_seen),
	    cmocka_unit_test(the_oldest_of_a_set_makes_room),
	    cmocka_unit_test(a_free_way_goes_first),
	    cmocka_unit_test(neighbours_are_told_apart),
	    cmocka_unit_test(a_flood_overwrites_and_never_grows),
	};
	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
