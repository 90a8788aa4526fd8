/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>

#include "stat.h"

#define VALUES_MAX   32 /* values of a label that a panel tells apart */
#define PRODUCTS     512
#define BAR_COLS     10
#define COUNT_COLS   6
#define OUTCOME_COLS 22 /* cleartext_after_accept */
#define NAME_COLS    9	/* of a protocol, where what it says stands beside it */
#define NUMBER(x)    mt_stat_number((char[MT_STAT_NUMBER_SIZE]){0}, (x))

/* The values of a label, in the directory's order. */
struct values {
	const char *value[VALUES_MAX];
	unsigned count;
};

static struct values values_of(const struct mt_view *view, const char *metric, const char *key)
{
	const struct mt_counters_snapshot *now = view->follow->now;
	struct values values = {.count = 0};

	for (uint32_t i = 0; i < now->series_count; i++) {
		const char *value = mt_counters_label_of(&now->series[i], key);
		unsigned v = 0;

		if (value == NULL || strcmp(now->series[i].name, metric) != 0)
			continue;
		while (v < values.count && strcmp(values.value[v], value) != 0)
			v++;
		if (v == values.count && v < VALUES_MAX)
			values.value[values.count++] = value;
	}
	return values;
}

static struct mt_amount sum_of(const struct mt_view *view, uint32_t block, const char *metric)
{
	return mt_follow_sum(view->follow, block, metric, NULL, 0);
}

/* ---- Workers ---- */

static void draw_thread(const struct mt_view *view, const struct mt_area *area, int row, uint32_t block)
{
	const struct mt_counters_snapshot *now = view->follow->now;
	struct mt_amount lost = mt_follow_losses(view->follow, block);
	double busy = mt_follow_busy(view->follow, block);
	double age = block == MT_FOLLOW_ALL ? 0 : mt_counters_heartbeat_age(now, block);

	mt_screen_put(area, row, 0, MT_STYLE_PLAIN, "%-7s %9s %8s %10s %8s",
		      block == MT_FOLLOW_ALL ? "all" : now->block[block].worker,
		      NUMBER(sum_of(view, block, "mailtap_received_packets_total").per_second),
		      NUMBER(sum_of(view, block, "mailtap_received_bytes_total").per_second * 8 / 1e6),
		      NUMBER(sum_of(view, block, "mailtap_sessions_opened_total").per_second),
		      NUMBER((double)sum_of(view, block, "mailtap_flows").total));
	if (age * 1e9 > MT_COUNTERS_SILENT_NS) {
		mt_screen_put(area, row, 48, MT_STYLE_BAD, "silent %s s", NUMBER((double)(int)age));
	} else if (busy >= 0) {
		mt_screen_put(area, row, 47, MT_STYLE_PLAIN, "%4.0f%%", busy * 100);
		mt_screen_bar(area, row, 53, BAR_COLS, busy < 0.8 ? MT_STYLE_GOOD : MT_STYLE_WARN, busy);
	}
	mt_screen_put(area, row, 64, lost.per_second > 0 ? MT_STYLE_BAD : MT_STYLE_PLAIN, "%7s",
		      NUMBER(lost.per_second));
	mt_screen_put(area, row, 72, lost.total > 0 ? MT_STYLE_WARN : MT_STYLE_PLAIN, "%7s",
		      NUMBER((double)lost.total));
}

static int draw_workers(const struct mt_view *view, const struct mt_area *area, int first)
{
	const uint32_t blocks = view->follow->now->block_count;

	mt_screen_put(area, 0, 0, MT_STYLE_HEAD, "%-7s %9s %8s %10s %8s  %-15s %7s %7s", "Workers",
		      "packets/s", "Mbit/s", "sessions/s", "flows", "busy", "lost/s", "lost");
	for (uint32_t i = (uint32_t)first; i <= blocks; i++)
		draw_thread(view, area, 1 + (int)i - first, i == 0 ? MT_FOLLOW_ALL : i - 1);
	return (int)blocks + 1;
}

/* ---- Sessions ---- */

static const struct mt_counters_view *find_session(const struct mt_view *view, const char *protocol,
						   const char *security)
{
	const struct mt_counters_snapshot *now = view->follow->now;

	for (uint32_t i = 0; i < now->series_count; i++) {
		const char *p = mt_counters_label_of(&now->series[i], "protocol");
		const char *s = mt_counters_label_of(&now->series[i], "security");

		if (strcmp(now->series[i].name, "mailtap_sessions_total") == 0 && p != NULL && s != NULL &&
		    strcmp(p, protocol) == 0 && strcmp(s, security) == 0)
			return &now->series[i];
	}
	return NULL;
}

static void draw_session(const struct mt_view *view, const struct mt_area *area, int row, int col, int cols,
			 const struct mt_counters_view *series)
{
	const double *history = series != NULL ? mt_view_history_of(view, series->labels) : NULL;
	int graph = cols - 8 < MT_VIEW_SECONDS ? cols - 8 : MT_VIEW_SECONDS;

	if (series == NULL)
		return;
	mt_screen_put(area, row, col, MT_STYLE_PLAIN, "%6s",
		      NUMBER(mt_follow_amount(view->follow, MT_FOLLOW_ALL, series).per_second));
	if (history != NULL && graph > 0)
		mt_screen_sparkline(area, row, col + 7, graph, MT_STYLE_GOOD,
				    history + MT_VIEW_SECONDS - graph);
}

/* A row a protocol, a column a security: the rate now, and what it was. */
static int draw_sessions(const struct mt_view *view, const struct mt_area *area, int first)
{
	struct values protocols = values_of(view, "mailtap_sessions_total", "protocol");
	struct values securities = values_of(view, "mailtap_sessions_total", "security");
	int cols = securities.count > 0 ? (area->cols - NAME_COLS) / (int)securities.count : 0;

	mt_screen_put(area, 0, 0, MT_STYLE_HEAD, "Sessions");
	for (unsigned s = 0; s < securities.count; s++)
		mt_screen_put(area, 0, NAME_COLS + 1 + cols * (int)s, MT_STYLE_HEAD, "%s/s",
			      securities.value[s]);
	for (unsigned p = (unsigned)first; p < protocols.count; p++) {
		int row = 1 + (int)p - first;

		mt_screen_put(area, row, 0, MT_STYLE_PLAIN, "%.*s", NAME_COLS, protocols.value[p]);
		for (unsigned s = 0; s < securities.count; s++)
			draw_session(view, area, row, NAME_COLS + cols * (int)s, cols,
				     find_session(view, protocols.value[p], securities.value[s]));
	}
	return (int)protocols.count;
}

/* ---- STARTTLS ---- */

static struct mt_amount outcomes_of(const struct mt_view *view, const char *protocol, const char *outcome)
{
	const struct mt_counters_label where[] = {{"outcome", outcome}, {"protocol", protocol}};

	return mt_follow_sum(view->follow, MT_FOLLOW_ALL, "mailtap_starttls_total", where,
			     protocol != NULL ? 2 : 1);
}

/* What somebody should look at. */
static bool is_bad_outcome(const char *outcome)
{
	return strcmp(outcome, "stripped") == 0 || strcmp(outcome, "failed") == 0 ||
	       strcmp(outcome, "cleartext_after_accept") == 0;
}

static void draw_outcome(const struct mt_view *view, const struct mt_area *area, int row, int name,
			 const struct values *protocols, const char *outcome)
{
	struct mt_amount all = outcomes_of(view, NULL, outcome);
	enum mt_style style = all.total == 0		? MT_STYLE_DIM
			      : is_bad_outcome(outcome) ? MT_STYLE_WARN
							: MT_STYLE_PLAIN;
	unsigned p;

	mt_screen_put(area, row, 0, style, "%.*s", name, outcome);
	for (p = 0; p < protocols->count; p++)
		mt_screen_put(area, row, name + COUNT_COLS * (int)p, style, "%*s", COUNT_COLS,
			      NUMBER((double)outcomes_of(view, protocols->value[p], outcome).total));
	mt_screen_put(area, row, name + COUNT_COLS * (int)p, style, "%*s", COUNT_COLS,
		      NUMBER(all.per_second));
}

/* Those that occur in front of those that do not; else in the order in which a session's first one counts. */
static void sort_outcomes(const struct mt_view *view, struct values *outcomes)
{
	struct values sorted = {.count = 0};

	for (unsigned wanted = 0; wanted < 2; wanted++)
		for (unsigned o = 0; o < outcomes->count; o++)
			if ((outcomes_of(view, NULL, outcomes->value[o]).total == 0) == wanted)
				sorted.value[sorted.count++] = outcomes->value[o];
	*outcomes = sorted;
}

/* A row an outcome, a column a protocol; since the start, and those of all protocols a second. */
static int draw_starttls(const struct mt_view *view, const struct mt_area *area, int first)
{
	struct values protocols = values_of(view, "mailtap_starttls_total", "protocol");
	struct values outcomes = values_of(view, "mailtap_starttls_total", "outcome");
	int name = area->cols - COUNT_COLS * ((int)protocols.count + 1);

	name = name < OUTCOME_COLS ? name : OUTCOME_COLS;
	mt_screen_put(area, 0, 0, MT_STYLE_HEAD, "STARTTLS");
	for (unsigned p = 0; p <= protocols.count; p++)
		mt_screen_put(area, 0, name + COUNT_COLS * (int)p, MT_STYLE_HEAD, "%*s", COUNT_COLS,
			      p < protocols.count ? protocols.value[p] : "/s");
	sort_outcomes(view, &outcomes);
	for (unsigned o = (unsigned)first; o < outcomes.count; o++)
		draw_outcome(view, area, 1 + (int)o - first, name, &protocols, outcomes.value[o]);
	return (int)outcomes.count;
}

/* ---- Series of one metric, most first ---- */

struct ranked {
	const struct mt_counters_view *series;
	struct mt_amount amount;
};

/* Equal ones in the directory's order, so that rows keep their places. */
static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *one = a, *other = b;

	if (one->amount.total != other->amount.total)
		return one->amount.total > other->amount.total ? -1 : 1;
	return one->series < other->series ? -1 : one->series > other->series;
}

/* Result  how many series are not zero */
static unsigned rank(const struct mt_view *view, bool (*is_wanted)(const struct mt_counters_view *),
		     struct ranked *ret)
{
	const struct mt_counters_snapshot *now = view->follow->now;
	unsigned count = 0;

	for (uint32_t i = 0; i < now->series_count && count < PRODUCTS; i++) {
		ret[count].series = &now->series[i];
		if (!is_wanted(&now->series[i]))
			continue;
		ret[count].amount = mt_follow_amount(view->follow, MT_FOLLOW_ALL, &now->series[i]);
		count += ret[count].amount.total > 0;
	}
	qsort(ret, count, sizeof(ret[0]), compare_ranked);
	return count;
}

static bool is_software(const struct mt_counters_view *series)
{
	return strcmp(series->name, "mailtap_banners_total") == 0;
}

static int draw_software(const struct mt_view *view, const struct mt_area *area, int first)
{
	struct ranked ranked[PRODUCTS];
	unsigned count = rank(view, is_software, ranked);
	int bar = area->cols - 32;

	mt_screen_put(area, 0, 0, MT_STYLE_HEAD, "%-5s%-18s %6s", "Top", "software", "seen");
	for (unsigned i = (unsigned)first; i < count; i++) {
		const char *protocol = mt_counters_label_of(ranked[i].series, "protocol");
		const char *software = mt_counters_label_of(ranked[i].series, "software");
		int row = 1 + (int)i - first;

		mt_screen_put(area, row, 0, MT_STYLE_PLAIN, "%-5.4s%-18.18s %6s",
			      protocol != NULL ? protocol : "", software != NULL ? software : "",
			      NUMBER((double)ranked[i].amount.total));
		mt_screen_bar(area, row, 31, bar, MT_STYLE_GOOD,
			      (double)ranked[i].amount.total / (double)ranked[0].amount.total);
	}
	if (count == 0)
		mt_screen_put(area, 1, 0, MT_STYLE_DIM, "no greeting yet");
	return (int)count;
}

static bool is_loss(const struct mt_counters_view *series)
{
	return strcmp(series->topic, "Losses") == 0;
}

/* A row a reason; what the devices say stands under its metric's name. */
static int draw_losses(const struct mt_view *view, const struct mt_area *area, int first)
{
	struct ranked ranked[PRODUCTS];
	unsigned count = rank(view, is_loss, ranked);

	mt_screen_put(area, 0, 0, MT_STYLE_HEAD, "%-32s %9s %7s  %s", "Losses", "lost", "/s", "");
	for (unsigned i = (unsigned)first; i < count; i++) {
		const struct mt_counters_view *series = ranked[i].series;
		const char *reason = mt_counters_label_of(series, "reason");

		mt_screen_put(area, 1 + (int)i - first, 0,
			      ranked[i].amount.per_second > 0 ? MT_STYLE_BAD : MT_STYLE_PLAIN,
			      "%-32.32s %9s %7s  %.*s", reason != NULL ? reason : series->name,
			      NUMBER((double)ranked[i].amount.total), NUMBER(ranked[i].amount.per_second),
			      reason != NULL ? 0 : 60, series->labels);
	}
	if (count == 0)
		mt_screen_put(area, 1, 0, MT_STYLE_GOOD, "nothing lost");
	return (int)count;
}

/* ---- Anomalies ---- */

/* The newest first. */
static int draw_anomalies(const struct mt_view *view, const struct mt_area *area, int first)
{
	int kept = view->event_count < MT_VIEW_EVENTS ? (int)view->event_count : MT_VIEW_EVENTS;
	struct mt_amount all = sum_of(view, MT_FOLLOW_ALL, "mailtap_anomalies_total");

	mt_screen_put(area, 0, 0, MT_STYLE_HEAD, "Anomalies: %s, %s a second", NUMBER((double)all.total),
		      NUMBER(all.per_second));
	for (int i = first; i < kept; i++) {
		const struct mt_view_event *event =
		    &view->event[(view->event_count - 1 - (unsigned)i) % MT_VIEW_EVENTS];
		char at[16] = "?";
		struct tm local;

		if (localtime_r(&event->at, &local) != NULL)
			strftime(at, sizeof(at), "%H:%M:%S", &local);
		mt_screen_put(area, 1 + i - first, 0, event->is_old ? MT_STYLE_DIM : MT_STYLE_WARN,
			      "%s  %-5s %-28s %s%s%s", at, event->protocol, event->kind,
			      event->is_old ? "" : "+", NUMBER((double)event->count),
			      event->is_old ? " until then" : "");
	}
	if (kept == 0)
		mt_screen_put(area, 1, 0, MT_STYLE_GOOD, "none");
	return kept;
}

/* ---- Times ---- */

static int draw_times(const struct mt_view *view, const struct mt_area *area, int first)
{
	const struct mt_counters_snapshot *now = view->follow->now;
	int row = 0;

	mt_screen_put(area, 0, 0, MT_STYLE_HEAD, "%-34s %7s %10s %8s %8s  seconds", "Times", "count", "mean",
		      "half", "99%");
	for (uint32_t i = 0; i < now->series_count; i++) {
		const struct mt_counters_view *series = &now->series[i];
		char name[MT_STAT_NAME_SIZE];
		struct mt_stat_times times;

		if (series->kind != MT_COUNTERS_HISTOGRAM ||
		    !mt_stat_times(&times, series, now->total + series->cell))
			continue;
		if (row >= first)
			mt_screen_put(area, 1 + row - first, 0, MT_STYLE_PLAIN, "%-34.34s %7s %10.6f %8s %8s",
				      mt_stat_name(name, series), NUMBER((double)times.count), times.mean,
				      times.half, times.most);
		row++;
	}
	if (row == 0)
		mt_screen_put(area, 1, 0, MT_STYLE_DIM, "no session has ended yet");
	return row;
}

const struct mt_panel mt_panels[MT_PANEL_COUNT] = {
    [MT_PANEL_WORKERS] = {"Workers", draw_workers},
    [MT_PANEL_SESSIONS] = {"Sessions", draw_sessions},
    [MT_PANEL_STARTTLS] = {"STARTTLS", draw_starttls},
    [MT_PANEL_SOFTWARE] = {"Software", draw_software},
    [MT_PANEL_ANOMALIES] = {"Anomalies", draw_anomalies},
    [MT_PANEL_LOSSES] = {"Losses", draw_losses},
    [MT_PANEL_TIMES] = {"Times", draw_times},
};
