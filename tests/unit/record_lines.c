/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/* Prints records for schema_test.py: with every fact, with none, under implicit TLS, with one fact of each
 * list. */
#include <stdio.h>
#include <stdlib.h>

#include "record.h"
#include "record_samples.h"

static void print_record(const struct mt_report *report, const struct mt_banners *banners)
{
	static uint64_t flow_id;
	char *line = mt_record_format(report, ++flow_id, banners);

	puts(line);
	free(line);
}

int main(void)
{
	struct mt_report report;

	sample_empty(&report);
	print_record(&report, NULL);
	sample_full(&report);
	print_record(&report, &sample_banners);
	report.facts.is_requested = report.facts.has_server_line = report.facts.has_client_line = false;
	report.facts.response = MT_RESPONSE_NONE;
	memset(report.facts.code, 0, sizeof(report.facts.code));
	report.facts.tls_cipher = 0xfefe;
	print_record(&report, &sample_banners);
	sample_full(&report);
	for (unsigned value = 0; value < MT_MECHANISM_COUNT; value++) {
		report.facts.auth[0].mechanism = (uint8_t)value;
		report.facts.auth[0].outcome = (uint8_t)(value % MT_AUTH_COUNT);
		report.facts.anomalies = value < MT_ANOMALY_COUNT ? 1u << value : 0;
		report.facts.detected_by = (uint8_t)(value % MT_DETECTED_COUNT);
		report.facts.certificate = (uint8_t)(value % MT_CERTIFICATE_COUNT);
		report.facts.tls_version = (uint16_t)(0x0300 + value % 5);
		report.facts.protocol = (uint8_t)(value % MT_PROTOCOL_COUNT);
		report.end.reason = (uint8_t)(value % MT_REASON_COUNT);
		print_record(&report, &sample_banners);
	}
	return 0;
}
