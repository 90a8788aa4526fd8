/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * What the operator asks for: the command line and the settings file, from one table of options.
 * Not here: the options of EAL, which stand before `--` and are EAL's own business.
 * Called by main, before anything is opened.
 */
#ifndef MT_OPTIONS_H
#define MT_OPTIONS_H

#include "base.h"
#include "identify.h"
#include "record.h"

#define MT_WORKERS_MAX 64 /* a replay's bound; with EAL options the lcores are the bound as well */

/** How the program ends (CONTRACT.md 1). */
enum mt_exit { MT_EXIT_DONE, MT_EXIT_FAILED, MT_EXIT_USAGE, MT_EXIT_DAMAGED };

enum mt_report_form { MT_REPORT_TEXT, MT_REPORT_JSON, MT_REPORT_NONE };

/** Texts belong to the settings; NULL where nothing was said. */
struct mt_settings {
	char *config;	 /* the settings file */
	char *replay;	 /* a capture file */
	char *interface; /* a network interface of the kernel's */
	char *ports_text;
	char *server_memory; /* a file, or "none" */
	char *records;	     /* as struct mt_record_target has it */
	char *counters;	     /* name of the shared-memory object, or "none" */
	char *banners;	     /* a file of patterns */
	uint64_t workers;    /* 0: as many as there are lcores for */
	uint64_t flows;	     /* 0: the plan decides; so for the next two */
	uint64_t reassembly_bytes;
	uint64_t mbufs;
	uint64_t timeout_ns;
	uint64_t duration_ns; /* 0: no end */
	enum mt_report_form report;
	bool vlan_in_key, check_config, version, help, dumpable;
	bool bypass;	    /* devices are to drop what is decided and encrypted */
	bool keep_offloads; /* of a kernel interface's receive side, as they are */
	struct mt_identify_ports ports;
	struct rd_kafka_conf_s *kafka; /* the settings file's section [kafka]; NULL without one */
};

/**
 * Read our part of the command line and the settings file it names; the command line wins.
 * argv     the options alone, without the program's name
 * error    a sentence that names the option or FILE:LINE, where the result is not 0
 * Result   0, -EINVAL, -ENOMEM or -errno of the file. The settings are to be ended with _fini in every case.
 */
int mt_settings_read(struct mt_settings *ret, int argc, char **argv, char *error, size_t error_size);
void mt_settings_fini(struct mt_settings *settings);

void mt_settings_print_help(void);

#endif
