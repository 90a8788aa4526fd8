/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "view.h"

#include <stdio.h>

/* Result  the history of a series, a new one where there is none yet; NULL where there is no room */
static struct mt_view_history *find_history(struct mt_view *view, const char *labels)
{
	for (unsigned i = 0; i < view->history_count; i++)
		if (strcmp(view->history[i].labels, labels) == 0)
			return &view->history[i];
	if (view->history_count == MT_VIEW_ROWS || strlen(labels) >= sizeof(view->history[0].labels))
		return NULL;
	struct mt_view_history *history = &view->history[view->history_count++];
	strcpy(history->labels, labels);
	for (unsigned i = 0; i < MT_VIEW_SECONDS; i++)
		history->rate[i] = MT_FOLLOW_LOST;
	return history;
}

static void update_history(struct mt_view *view, const struct mt_counters_view *series)
{
	struct mt_view_history *history = find_history(view, series->labels);

	if (history == NULL)
		return;
	memmove(history->rate, history->rate + 1, sizeof(history->rate) - sizeof(history->rate[0]));
	history->rate[MT_VIEW_SECONDS - 1] = mt_follow_amount(view->follow, MT_FOLLOW_ALL, series).per_second;
}

static uint64_t total_before(const struct mt_follow *follow, const struct mt_counters_view *series)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < follow->now->block_count; i++)
		total += follow->before[(size_t)i * follow->now->cell_count + series->cell];
	return total;
}

static void note_event(struct mt_view *view, const struct mt_counters_view *series, bool is_old)
{
	uint64_t total = view->follow->now->total[series->cell], before = total_before(view->follow, series);
	const char *protocol = mt_counters_label_of(series, "protocol"),
		   *kind = mt_counters_label_of(series, "kind");

	if (total <= before || protocol == NULL || kind == NULL)
		return;
	struct mt_view_event *event = &view->event[view->event_count++ % MT_VIEW_EVENTS];
	event->at = time(NULL);
	event->count = total - before;
	event->is_old = is_old;
	snprintf(event->protocol, sizeof(event->protocol), "%s", protocol);
	snprintf(event->kind, sizeof(event->kind), "%s", kind);
}

void mt_view_update(struct mt_view *view)
{
	const struct mt_follow *follow = view->follow;
	bool is_first = follow->before_ns[0] == 0;

	for (uint32_t i = 0; i < follow->now->series_count; i++) {
		const struct mt_counters_view *series = &follow->now->series[i];

		if (strcmp(series->name, "mailtap_sessions_total") == 0)
			update_history(view, series);
		else if (strcmp(series->name, "mailtap_anomalies_total") == 0)
			note_event(view, series, is_first);
	}
}

const double *mt_view_history_of(const struct mt_view *view, const char *labels)
{
	for (unsigned i = 0; i < view->history_count; i++)
		if (strcmp(view->history[i].labels, labels) == 0)
			return view->history[i].rate;
	return NULL;
}
