/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "certificate.h"
#include "certificate_samples.h"

#define DER_MAX 1024

static struct mt_certificates *certificates;

static int start(void **state)
{
	(void)state;
	certificates = mt_certificates_create(8);
	return certificates == NULL;
}

static int stop(void **state)
{
	(void)state;
	mt_certificates_destroy(certificates);
	return 0;
}

static uint8_t digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct mt_span der_of(const struct certificate_sample *sample, uint8_t bytes[DER_MAX])
{
	size_t len = strlen(sample->der) / 2;

	assert_true(len <= DER_MAX);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(digit(sample->der[2 * i]) << 4 | digit(sample->der[2 * i + 1]));
	return mt_span(bytes, len);
}

static const struct certificate_sample *sample_of(const char *name)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(CERTIFICATES); i++)
		if (strcmp(CERTIFICATES[i].name, name) == 0)
			return &CERTIFICATES[i];
	fail_msg("no sample %s", name);
	return NULL;
}

/* Read at the edge of a page that nobody may touch. */
static void read_bytes(struct mt_span der, const char *host, struct mt_mail_certificate *ret)
{
	static const uint8_t nothing[DER_MAX];
	static struct mt_span room;

	if (room.data == NULL)
		room = guarded(nothing, sizeof(nothing));

	uint8_t *place = (uint8_t *)(uintptr_t)room.data + room.len - der.len;

	memcpy(place, der.data, der.len);
	mt_certificates_read(certificates, mt_span(place, der.len), mt_span_text(host), ret);
}

static void read_sample(const char *name, const char *host, struct mt_mail_certificate *ret)
{
	uint8_t bytes[DER_MAX];

	read_bytes(der_of(sample_of(name), bytes), host, ret);
}

static void assert_sha256(const struct mt_mail_certificate *found, const char *expected)
{
	char text[65] = "";

	for (size_t i = 0; i < sizeof(found->sha256); i++)
		snprintf(text + 2 * i, 3, "%02x", found->sha256[i]);
	assert_string_equal(text, expected);
}

/* As far as it is kept, which is never in the middle of a character of two bytes. */
static void assert_name(struct mt_span found, const char *expected)
{
	size_t len = strlen(expected);

	if (len > MT_MAIL_DN_MAX)
		len = MT_MAIL_DN_MAX - 1;
	assert_int_equal(found.len, len);
	assert_memory_equal(found.data, expected, len);
}

static void assert_read(const struct certificate_sample *sample, const struct mt_mail_certificate *found)
{
	assert_false(found->is_malformed);
	assert_sha256(found, sample->sha256);
	assert_name(found->subject, sample->subject);
	assert_name(found->issuer, sample->issuer);
	assert_int_equal(found->not_before_s, sample->not_before_s);
	assert_int_equal(found->not_after_s, sample->not_after_s);
	assert_int_equal(found->is_self_signed, strcmp(sample->name, "self_signed") == 0);
}

/* The second time round they are remembered; the third time, with one place for all, they are not. */
static void certificates_say_what_openssl_says(void **state)
{
	(void)state;
	struct mt_mail_certificate found;

	for (unsigned round = 0; round < 3; round++) {
		if (round == 2) {
			mt_certificates_destroy(certificates);
			certificates = mt_certificates_create(1);
		}
		for (size_t i = 0; i < MT_ARRAY_LEN(CERTIFICATES); i++) {
			read_sample(CERTIFICATES[i].name, "", &found);
			assert_read(&CERTIFICATES[i], &found);
			assert_int_equal(found.names_host, MT_SEEN_NEVER);
		}
	}
}

/* By `openssl x509 -checkhost` and -checkip. */
static void a_certificate_names_its_hosts_alone(void **state)
{
	(void)state;
	static const struct {
		const char *name, *host;
		bool is_named;
	} rows[] = {
	    {"signed", "mail.example.org", true},
	    {"signed", "MAIL.example.ORG", true},
	    {"signed", "mail.example.org.", true}, /* the same name, rooted */
	    {"signed", "a.mx.example.org", true},
	    {"signed", "a.b.mx.example.org", false},
	    {"signed", "mx.example.org", false},
	    {"signed", "example.org", false},
	    {"signed", ".", false},
	    {"signed", "192.0.2.25", true},
	    {"signed", "192.0.2.26", false},
	    {"self_signed", "mail.example.org", true},
	    {"self_signed", "a.mx.example.org", false},
	    {"hostile", "mail.example.org", false},
	};
	struct mt_mail_certificate found;

	for (unsigned round = 0; round < 2; round++)
		for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
			read_sample(rows[i].name, rows[i].host, &found);
			assert_int_equal(found.names_host, rows[i].is_named ? MT_SEEN_YES : MT_SEEN_NO);
		}
	read_sample("signed", "", &found);
	assert_int_equal(found.names_host, MT_SEEN_NEVER);
}

/* A zero in the name that was asked for ends nothing. */
static void a_host_with_a_zero_is_not_named(void **state)
{
	(void)state;
	static const char host[] = "mail.example.org\0.example.net";
	uint8_t bytes[DER_MAX];
	struct mt_mail_certificate found;

	mt_certificates_read(certificates, der_of(sample_of("signed"), bytes),
			     mt_span(host, sizeof(host) - 1), &found);
	assert_int_equal(found.names_host, MT_SEEN_NO);
}

/* Cut anywhere, or with something behind it, it is no certificate; its fingerprint is known all the same. */
static void a_part_of_a_certificate_is_malformed(void **state)
{
	(void)state;
	uint8_t bytes[DER_MAX] = {0};
	struct mt_span der = der_of(sample_of("signed"), bytes);
	struct mt_mail_certificate found;

	for (size_t len = 1; len < der.len; len++) {
		read_bytes(mt_span_first(der, len), "mail.example.org", &found);
		assert_true(found.is_malformed);
		assert_int_equal(found.subject.len, 0);
		assert_int_equal(found.names_host, MT_SEEN_NEVER);
	}
	read_bytes(mt_span(der.data, der.len + 1), "", &found);
	assert_true(found.is_malformed);
	read_bytes(mt_span("x", 1), "", &found);
	assert_true(found.is_malformed);
	assert_sha256(&found, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
}

/* Whatever is wrong with it, and whatever that makes of it, it is read without harm. */
static void a_damaged_certificate_does_no_harm(void **state)
{
	(void)state;
	static const uint8_t masks[] = {0x01, 0x80, 0xff};
	uint8_t bytes[DER_MAX];
	unsigned malformed = 0;

	for (size_t i = 0; i < MT_ARRAY_LEN(CERTIFICATES); i++) {
		struct mt_span der = der_of(&CERTIFICATES[i], bytes);

		for (size_t at = 0; at < der.len * MT_ARRAY_LEN(masks); at++) {
			struct mt_mail_certificate found;

			bytes[at % der.len] ^= masks[at / der.len];
			read_bytes(der, "mail.example.org", &found);
			malformed += found.is_malformed;
			assert_true(found.subject.len <= MT_MAIL_DN_MAX &&
				    found.issuer.len <= MT_MAIL_DN_MAX);
			bytes[at % der.len] ^= masks[at / der.len];
		}
	}
	assert_true(malformed > 0);
}

static struct mt_report *make_part(uint16_t at, struct mt_span bytes)
{
	static struct mt_report report;

	report.part_at = at;
	report.part_bytes = (uint16_t)bytes.len;
	memcpy(report.part, bytes.data, bytes.len);
	return &report;
}

/* Parts that follow each other make up the certificate; anything else makes up none. */
static void parts_are_joined_in_their_order_alone(void **state)
{
	(void)state;
	static const struct {
		size_t cut, skip; /* bytes of the first part; bytes that are lost behind it */
		bool begins_anew; /* a part of another certificate, whose end never came, goes ahead */
		int off;	  /* the report speaks of so many bytes more */
		bool is_joined;
	} rows[] = {
	    {100, 0, false, 0, true},  {1, 0, false, 0, true},	  {100, 0, true, 0, true},
	    {100, 1, false, 0, false}, {100, 0, false, 1, false}, {100, 0, false, -1, false},
	};
	static struct mt_certificate_parts parts;
	static struct mt_report report;
	uint8_t bytes[DER_MAX];
	struct mt_span der = der_of(sample_of("signed"), bytes);
	struct mt_mail_certificate found;

	for (size_t i = 0; i < MT_ARRAY_LEN(rows); i++) {
		size_t second = rows[i].cut + rows[i].skip;

		memset(&report, 0, sizeof(report));
		if (rows[i].begins_anew)
			mt_certificate_add_part(&parts, make_part(0, mt_span_first(der, 7)));
		mt_certificate_add_part(&parts, make_part(0, mt_span_first(der, rows[i].cut)));
		mt_certificate_add_part(&parts, make_part((uint16_t)second, mt_span_after(der, second)));
		report.certificate_bytes = (uint16_t)((int)der.len + rows[i].off);
		assert_true(mt_certificate_join(certificates, &parts, &report));
		assert_int_equal(mt_facts_certificate(&report.facts, &found), rows[i].is_joined);
		if (rows[i].is_joined)
			assert_read(sample_of("signed"), &found);
	}
	/* What was joined is used up: the next report without a certificate has none. */
	mt_certificate_add_part(&parts, make_part(0, der));
	memset(&report, 0, sizeof(report));
	assert_true(mt_certificate_join(certificates, &parts, &report));
	report.certificate_bytes = (uint16_t)der.len;
	assert_true(mt_certificate_join(certificates, &parts, &report));
	assert_false(mt_facts_certificate(&report.facts, &found));
}

static void more_parts_than_room_are_let_go(void **state)
{
	(void)state;
	static struct mt_certificate_parts parts;
	static uint8_t zeros[MT_MAIL_TEXT_MAX];
	unsigned at = 0;

	for (; at < MT_MAIL_CERTIFICATE_MAX; at += sizeof(zeros))
		mt_certificate_add_part(&parts, make_part((uint16_t)at, mt_span(zeros, sizeof(zeros))));
	assert_true(parts.bytes <= MT_MAIL_CERTIFICATE_MAX);
	assert_true(at > MT_MAIL_CERTIFICATE_MAX);
	assert_int_equal(parts.bytes, at - sizeof(zeros));
}

static void a_certificate_without_room_is_told(void **state)
{
	(void)state;
	static struct mt_certificate_parts parts;
	static struct mt_report report;
	uint8_t bytes[DER_MAX];
	struct mt_span der = der_of(sample_of("signed"), bytes);

	mt_certificate_add_part(&parts, make_part(0, der));
	report.certificate_bytes = (uint16_t)der.len;
	report.facts.text_len = MT_MAIL_TEXT_MAX - 10;
	assert_false(mt_certificate_join(certificates, &parts, &report));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
	    TEST(certificates_say_what_openssl_says), TEST(a_certificate_names_its_hosts_alone),
	    TEST(a_host_with_a_zero_is_not_named),    TEST(a_part_of_a_certificate_is_malformed),
	    TEST(a_damaged_certificate_does_no_harm), TEST(parts_are_joined_in_their_order_alone),
	    TEST(more_parts_than_room_are_let_go),    TEST(a_certificate_without_room_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
