/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <rte_cycles.h>
#include <stdlib.h>

typedef const char *word_of(unsigned value);

/* ---- Adding up ---- */

static uint64_t packets_of(const uint64_t *cells)
{
	uint64_t packets = 0;

	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++)
		packets += cells[MT_CELL1(PACKETS, v)];
	return packets;
}

static uint64_t sum_of_metric(const struct mt_summary *summary, const char *name)
{
	uint32_t count;
	const struct mt_counters_series *series = mt_counters_find(summary->run->layout, name, &count);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += summary->total[series[i].cell];
	return sum;
}

int mt_summary_init(struct mt_summary *ret, const struct mt_run *run, const struct mt_control *control)
{
	struct mt_summary summary = {.run = run, .total = mt_counters_cells_create(run->layout)};
	uint64_t first = UINT64_MAX, last = 0;

	if (summary.total == NULL)
		return -ENOMEM;
	mt_counters_sum(run->layout, summary.total, control->cells);
	for (uint32_t w = 0; w < run->plan->workers; w++) {
		const struct mt_worker *worker = run->workers[w];

		mt_counters_sum(run->layout, summary.total, worker->cells);
		summary.packets += worker->received;
		summary.bytes += worker->received_bytes;
		first = worker->first_tsc < first ? worker->first_tsc : first;
		last = worker->last_tsc > last ? worker->last_tsc : last;
	}
	summary.seconds = (double)(last - first) / (double)rte_get_tsc_hz();
	summary.nombuf = sum_of_metric(&summary, "mailtap_rx_nombuf_total");
	*ret = summary;
	return 0;
}

void mt_summary_fini(struct mt_summary *summary)
{
	free(summary->total);
}

static uint64_t sum_of_sessions(const struct mt_summary *summary)
{
	uint64_t sessions = 0;

	for (unsigned p = 0; p < MT_PROTOCOL_COUNT; p++)
		for (unsigned s = 0; s < MT_SECURITY_COUNT; s++)
			sessions += summary->total[MT_CELL2(SESSIONS, p, s)];
	return sessions;
}

bool mt_summary_agrees(const struct mt_summary *summary, char *error, size_t error_size)
{
	const uint64_t *total = summary->total;
	uint64_t verdicts = packets_of(total), sessions = sum_of_sessions(summary);
	uint64_t records = total[MT_CELL0(RECORDS_WRITTEN)] + mt_record_sink_lost(total);

	if (verdicts != summary->packets)
		snprintf(error, error_size,
			 "the accounts do not agree: %" PRIu64 " packets, %" PRIu64 " verdicts",
			 summary->packets, verdicts);
	else if (sessions != records)
		snprintf(error, error_size,
			 "the accounts do not agree: %" PRIu64 " sessions, %" PRIu64
			 " records written or lost",
			 sessions, records);
	else
		return true;
	return false;
}

static uint64_t sessions_opened(const uint64_t *cells)
{
	return cells[MT_CELL0(SESSIONS_OPENED)];
}

/* Of every packet that the worker held in its hands: those it handed over cost it too. */
static double cycles_per_packet(const struct mt_worker *worker)
{
	uint64_t packets = packets_of(worker->cells) + worker->cells[MT_CELL0(HANDED_OVER)];

	return packets > 0 ? (double)worker->cells[MT_CELL1(CYCLES, MT_POLL_BUSY)] / (double)packets : 0;
}

static double capture_seconds(const struct mt_capture *capture)
{
	return (double)(capture->last_ns - capture->first_ns) / MT_NS_PER_SECOND;
}

static double packets_per_second(const struct mt_summary *summary)
{
	return summary->seconds > 0 ? (double)summary->packets / summary->seconds : 0;
}

/* ---- Text ---- */

/* 1234567 as 1,234,567; text has room for 32 characters. */
static const char *grouped(uint64_t number, char *text)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, number), n = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[n++] = ',';
		text[n++] = digits[i];
	}
	text[n] = 0;
	return text;
}

static void print_row(FILE *out, const char *name, uint64_t value)
{
	char text[32];

	if (value != 0)
		fprintf(out, "  %-28s %15s\n", name, grouped(value, text));
}

/* A row for each member of a list that is not 0, at equal distances from the first cell. */
static void print_list(FILE *out, const uint64_t *cells, unsigned count, word_of *word)
{
	for (unsigned i = 0; i < count; i++)
		print_row(out, word(i), cells[i]);
}

static void print_sessions(const struct mt_summary *summary, FILE *out)
{
	char text[32];

	fprintf(out, "\nSessions%14s", "");
	for (unsigned s = 0; s < MT_SECURITY_COUNT; s++)
		fprintf(out, " %14s", mt_security_name(s));
	fputc('\n', out);
	for (unsigned p = 0; p < MT_PROTOCOL_COUNT; p++) {
		fprintf(out, "  %-20s", mt_protocol_name(p));
		for (unsigned s = 0; s < MT_SECURITY_COUNT; s++)
			fprintf(out, " %14s", grouped(summary->total[MT_CELL2(SESSIONS, p, s)], text));
		fputc('\n', out);
	}
}

/* The series of a metric that are not 0, each under its labels' words. */
static void print_metric(const struct mt_summary *summary, const char *title, const char *name, FILE *out)
{
	uint32_t count;
	const struct mt_counters_series *series = mt_counters_find(summary->run->layout, name, &count);
	bool has_title = false;

	for (uint32_t i = 0; i < count; i++) {
		char words[128];
		uint64_t value = summary->total[series[i].cell];
		int len = 0;

		if (value == 0)
			continue;
		if (!has_title)
			fprintf(out, "\n%s\n", title);
		has_title = true;
		words[0] = 0;
		for (unsigned l = 0; l < MT_COUNTERS_LABELS_MAX && series[i].value[l] != NULL; l++)
			len += snprintf(words + len, sizeof(words) - (size_t)len, "%s%.30s", l > 0 ? " " : "",
					series[i].value[l]);
		print_row(out, words, value);
	}
}

static void print_losses(const struct mt_summary *summary, FILE *out)
{
	static const struct {
		const char *name, *metric;
	} device[] = {{"device: missed", "mailtap_rx_missed_packets_total"},
		      {"device: errors", "mailtap_rx_errors_total"},
		      {"device: no packet buffer", "mailtap_rx_nombuf_total"}};
	uint64_t lost = sum_of_metric(summary, "mailtap_lost_total");

	for (size_t i = 0; i < MT_ARRAY_LEN(device); i++)
		lost += sum_of_metric(summary, device[i].metric);
	fprintf(out, "\nLost%s\n", lost == 0 ? ": nothing" : "");
	print_list(out, &summary->total[MT_CELL1(LOST, 0)], MT_LOSS_COUNT, mt_loss_name);
	for (size_t i = 0; i < MT_ARRAY_LEN(device); i++)
		print_row(out, device[i].name, sum_of_metric(summary, device[i].metric));
}

static void print_workers(const struct mt_summary *summary, FILE *out)
{
	char packets[32], sessions[32];

	fprintf(out, "\nWorkers\n");
	for (uint32_t w = 0; w < summary->run->plan->workers; w++) {
		const struct mt_worker *worker = summary->run->workers[w];

		fprintf(out, "  %-3u %15s packets %12s sessions %10.0f busy cycles a packet\n", w,
			grouped(packets_of(worker->cells), packets),
			grouped(sessions_opened(worker->cells), sessions), cycles_per_packet(worker));
	}
}

void mt_report_text(const struct mt_summary *summary, FILE *out)
{
	char packets[32], bytes[32], rate[32];

	fprintf(out, "%s packets, %s bytes in %.3f seconds: %s packets a second\n",
		grouped(summary->packets, packets), grouped(summary->bytes, bytes), summary->seconds,
		grouped((uint64_t)packets_per_second(summary), rate));
	if (summary->run->has_bypass)
		fprintf(out, "%s packets, %s bytes more were dropped by devices for us.\n",
			grouped(summary->total[MT_CELL0(BYPASSED)], packets),
			grouped(summary->total[MT_CELL0(BYPASSED_BYTES)], bytes));
	if (summary->run->capture != NULL)
		fprintf(out, "The capture spans %.3f seconds.\n", capture_seconds(summary->run->capture));
	print_losses(summary, out);
	fprintf(out, "\nPackets by verdict\n");
	print_list(out, &summary->total[MT_CELL1(PACKETS, 0)], MT_VERDICT_COUNT, mt_verdict_name);
	print_sessions(summary, out);
	print_metric(summary, "Evidence", "mailtap_evidence_total", out);
	print_metric(summary, "STARTTLS", "mailtap_starttls_total", out);
	print_metric(summary, "Anomalies", "mailtap_anomalies_total", out);
	print_metric(summary, "Authentications in clear", "mailtap_auth_total", out);
	print_metric(summary, "Software", "mailtap_banners_total", out);
	print_workers(summary, out);
}

/* ---- JSON ---- */

static json_t *integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* An object with every word of a list and its cell. */
static json_t *object_of_list(const uint64_t *cells, unsigned count, word_of *word)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < count; i++)
		json_object_set_new(object, word(i), integer(cells[i]));
	return object;
}

/* The same under each protocol; cells is the first protocol's first. */
static json_t *object_by_protocol(const uint64_t *cells, unsigned count, word_of *word)
{
	json_t *object = json_object();

	for (unsigned p = 0; p < MT_PROTOCOL_COUNT; p++)
		json_object_set_new(object, mt_protocol_name(p),
				    object_of_list(cells + (size_t)p * count, count, word));
	return object;
}

/* Under each protocol the mechanisms that were seen, each with its outcomes. */
static json_t *auth_of(const struct mt_summary *summary)
{
	json_t *object = json_object();

	for (unsigned p = 0; p < MT_PROTOCOL_COUNT; p++) {
		json_t *mechanisms = json_object();

		for (unsigned m = 0; m < MT_MECHANISM_COUNT; m++) {
			const uint64_t *cells = &summary->total[MT_CELL3(AUTH, p, m, 0)];
			uint64_t sum = 0;

			for (unsigned o = 0; o < MT_AUTH_COUNT; o++)
				sum += cells[o];
			if (sum > 0)
				json_object_set_new(mechanisms, mt_mechanism_name(m),
						    object_of_list(cells, MT_AUTH_COUNT, mt_auth_name));
		}
		json_object_set_new(object, mt_protocol_name(p), mechanisms);
	}
	return object;
}

/* Under each protocol the products that greeted. */
static json_t *software_of(const struct mt_summary *summary)
{
	uint32_t count;
	const struct mt_counters_series *series =
	    mt_counters_find(summary->run->layout, "mailtap_banners_total", &count);
	json_t *object = json_object();

	for (unsigned p = 0; p < MT_PROTOCOL_COUNT; p++)
		json_object_set_new(object, mt_protocol_name(p), json_object());
	for (uint32_t i = 0; i < count; i++)
		if (summary->total[series[i].cell] > 0)
			json_object_set_new(json_object_get(object, series[i].value[0]), series[i].value[1],
					    integer(summary->total[series[i].cell]));
	return object;
}

/* All protocols together. */
static json_t *evidence_of(const struct mt_summary *summary)
{
	uint64_t sum[MT_EVIDENCE_COUNT] = {0};

	for (unsigned p = 0; p < MT_PROTOCOL_COUNT; p++)
		for (unsigned e = 0; e < MT_EVIDENCE_COUNT; e++)
			sum[e] += summary->total[MT_CELL2(EVIDENCE, p, e)];
	return object_of_list(sum, MT_EVIDENCE_COUNT, mt_evidence_name);
}

static json_t *workers_of(const struct mt_summary *summary)
{
	json_t *array = json_array();

	for (uint32_t w = 0; w < summary->run->plan->workers; w++) {
		const struct mt_worker *worker = summary->run->workers[w];
		json_t *object = json_object();

		json_object_set_new(object, "packets", integer(packets_of(worker->cells)));
		json_object_set_new(object, "sessions", integer(sessions_opened(worker->cells)));
		json_object_set_new(object, "busy_cycles_per_packet", json_real(cycles_per_packet(worker)));
		json_array_append_new(array, object);
	}
	return array;
}

/* Ours by name, and the device's beside them. */
static json_t *losses_of(const struct mt_summary *summary)
{
	json_t *object = object_of_list(&summary->total[MT_CELL1(LOST, 0)], MT_LOSS_COUNT, mt_loss_name);

	json_object_set_new(object, "rx_missed",
			    integer(sum_of_metric(summary, "mailtap_rx_missed_packets_total")));
	json_object_set_new(object, "rx_errors", integer(sum_of_metric(summary, "mailtap_rx_errors_total")));
	json_object_set_new(object, "rx_nombuf", integer(summary->nombuf));
	return object;
}

static json_t *bypassed_of(const struct mt_summary *summary)
{
	json_t *object = json_object();

	json_object_set_new(object, "packets", integer(summary->total[MT_CELL0(BYPASSED)]));
	json_object_set_new(object, "bytes", integer(summary->total[MT_CELL0(BYPASSED_BYTES)]));
	json_object_set_new(object, "sessions",
			    object_of_list(&summary->total[MT_CELL1(BYPASS_SESSIONS, 0)],
					   MT_BYPASS_OUTCOME_COUNT, mt_bypass_outcome_name));
	json_object_set_new(object, "failures",
			    object_of_list(&summary->total[MT_CELL1(BYPASS_FAILURES, 0)],
					   MT_BYPASS_CALL_COUNT, mt_bypass_call_name));
	return object;
}

int mt_report_json(const struct mt_summary *summary, FILE *out)
{
	const uint64_t *total = summary->total;
	json_t *report = json_object();
	int rc = 0;

	json_object_set_new(report, "packets", integer(summary->packets));
	json_object_set_new(report, "bytes", integer(summary->bytes));
	json_object_set_new(report, "seconds", json_real(summary->seconds));
	if (summary->run->capture != NULL)
		json_object_set_new(report, "capture_seconds",
				    json_real(capture_seconds(summary->run->capture)));
	json_object_set_new(report, "packets_per_second", json_real(packets_per_second(summary)));
	json_object_set_new(report, "verdicts",
			    object_of_list(&total[MT_CELL1(PACKETS, 0)], MT_VERDICT_COUNT, mt_verdict_name));
	json_object_set_new(
	    report, "sessions",
	    object_by_protocol(&total[MT_CELL2(SESSIONS, 0, 0)], MT_SECURITY_COUNT, mt_security_name));
	json_object_set_new(
	    report, "starttls",
	    object_by_protocol(&total[MT_CELL2(STARTTLS, 0, 0)], MT_OUTCOME_COUNT, mt_outcome_name));
	json_object_set_new(
	    report, "anomalies",
	    object_by_protocol(&total[MT_CELL2(ANOMALIES, 0, 0)], MT_ANOMALY_COUNT, mt_anomaly_name));
	json_object_set_new(report, "auth", auth_of(summary));
	json_object_set_new(report, "software", software_of(summary));
	json_object_set_new(report, "evidence", evidence_of(summary));
	json_object_set_new(report, "losses", losses_of(summary));
	if (summary->run->has_bypass)
		json_object_set_new(report, "bypassed", bypassed_of(summary));
	json_object_set_new(report, "workers", workers_of(summary));
	if (report == NULL || json_dumpf(report, out, JSON_INDENT(1)) != 0)
		rc = -ENOMEM;
	fputc('\n', out);
	json_decref(report);
	return rc;
}
