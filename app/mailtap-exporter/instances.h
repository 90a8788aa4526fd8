/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The capture processes that are shown, each by the name of its counters. One may not be there yet, end, die
 * and come again under the same name: that is a state to show, never a reason to stop.
 */
#ifndef MT_EXPORTER_INSTANCES_H
#define MT_EXPORTER_INSTANCES_H

#include "exposition.h"

#define MT_INSTANCES_MAX 64

struct mt_instance {
	const char *name;			     /* borrowed; of its counters, and the label's value */
	struct mt_counters_reader *reader;	     /* NULL where nothing could be opened so far */
	const struct mt_counters_snapshot *snapshot; /* of the last reading; NULL where there is none */
	char problem[256]; /* why not, or why the next run's are refused: a sentence; else empty */
};

struct mt_instances {
	struct mt_instance instance[MT_INSTANCES_MAX];
	size_t count;	   /* of them in use */
	uid_t trusted_uid; /* whose counters to accept besides root's and one's own; (uid_t)-1 for nobody */
};

/**
 * Add one, whether or not its counters are there yet.
 * error   on failure a sentence that names it
 * Result  0, or -EINVAL: no name for counters, named before, one too many
 */
int mt_instances_add(struct mt_instances *instances, const char *name, char *error, size_t error_size);

/** Read all: look for a new run of each, and take its values. A problem that is new is said on standard
 * error. */
void mt_instances_read(struct mt_instances *instances);

/** Close all readers. */
void mt_instances_fini(struct mt_instances *instances);

/** Write the metrics of what was read last. */
void mt_instances_write_metrics(const struct mt_instances *instances, FILE *out,
				enum mt_exposition_format format);

/** Write it as {"instances":[...]}, each as mailtap-stat --json has it. Result  0 or -errno */
int mt_instances_write_json(const struct mt_instances *instances, FILE *out);

/** Write a sentence about each. Result  whether all of them live and are heard of */
bool mt_instances_write_health(const struct mt_instances *instances, FILE *out);

#endif
