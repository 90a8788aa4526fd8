/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "options.h"

#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault.h"

#define COUNTERS_NAME_MAX 64 /* CONTRACT.md 4 */

/** One option: long name, which is the settings file's key too, letter, and what becomes of its argument. */
struct option {
	const char *name;
	char letter;	      /* 0 for none */
	const char *argument; /* what help calls it; NULL for a flag */
	bool is_key;	      /* may stand in the settings file */
	/** Result 0, or -errno with the reason, which follows the option's name, in error. */
	int (*parse)(struct mt_settings *settings, const struct option *option, const char *value,
		     char *error, size_t error_size);
	size_t offset;	   /* of the member of struct mt_settings */
	uint64_t min, max; /* of a number */
	const char *help;  /* NULL: not shown */
};

#define REASON(...) (snprintf(error, error_size, __VA_ARGS__), -EINVAL)

static void *member(struct mt_settings *settings, const struct option *option)
{
	return (char *)settings + option->offset;
}

static int parse_text(struct mt_settings *settings, const struct option *option, const char *value,
		      char *error, size_t error_size)
{
	char **text = member(settings, option);

	if (value[0] == 0)
		return REASON("must not be empty");
	free(*text);
	*text = strdup(value);
	return *text != NULL ? 0 : -ENOMEM;
}

/* Digits alone: strtoull would take a sign and blanks too. */
static int parse_digits(const char *text, char **end, uint64_t *ret)
{
	errno = 0;
	if (!mt_is_digit((uint8_t)text[0]))
		return -EINVAL;
	*ret = strtoull(text, end, 10);
	return -errno;
}

static int parse_number(struct mt_settings *settings, const struct option *option, const char *value,
			char *error, size_t error_size)
{
	uint64_t *number = member(settings, option), n;
	char *end;

	if (parse_digits(value, &end, &n) != 0 || *end != 0 || n < option->min || n > option->max)
		return REASON("'%s' is no number from %llu to %llu", value, (unsigned long long)option->min,
			      (unsigned long long)option->max);
	*number = n;
	return 0;
}

static int parse_size(struct mt_settings *settings, const struct option *option, const char *value,
		      char *error, size_t error_size)
{
	static const struct {
		const char *suffix;
		unsigned shift;
	} units[] = {{"", 0}, {"K", 10}, {"k", 10}, {"M", 20}, {"G", 30}};
	uint64_t *bytes = member(settings, option), n;
	char *end;

	if (parse_digits(value, &end, &n) == 0)
		for (size_t i = 0; i < MT_ARRAY_LEN(units); i++)
			if (strcmp(end, units[i].suffix) == 0 && n <= option->max >> units[i].shift &&
			    n << units[i].shift >= option->min) {
				*bytes = n << units[i].shift;
				return 0;
			}
	return REASON("'%s' is no size from %llu bytes to %lluG, such as 64M", value,
		      (unsigned long long)option->min, (unsigned long long)option->max >> 30);
}

static int parse_seconds(struct mt_settings *settings, const struct option *option, const char *value,
			 char *error, size_t error_size)
{
	uint64_t *ns = member(settings, option);
	char *end;
	double seconds = strtod(value, &end);

	if (!mt_is_digit((uint8_t)value[0]) || *end != 0 || !isfinite(seconds) ||
	    seconds * MT_NS_PER_SECOND < (double)option->min ||
	    seconds * MT_NS_PER_SECOND > (double)option->max)
		return REASON("'%s' is no time in seconds, more than 0 and at most %llu", value,
			      (unsigned long long)(option->max / MT_NS_PER_SECOND));
	*ns = (uint64_t)(seconds * MT_NS_PER_SECOND);
	return 0;
}

/* On the command line a flag has no value; in the settings file it says yes or no. */
static int parse_flag(struct mt_settings *settings, const struct option *option, const char *value,
		      char *error, size_t error_size)
{
	static const struct {
		const char *word;
		bool is_set;
	} words[] = {{"yes", true}, {"true", true},   {"on", true},
		     {"no", false}, {"false", false}, {"off", false}};

	for (size_t i = 0; i < MT_ARRAY_LEN(words); i++)
		if (strcmp(value, words[i].word) == 0) {
			*(bool *)member(settings, option) = words[i].is_set;
			return 0;
		}
	return REASON("'%s' is neither yes nor no", value);
}

static int parse_report(struct mt_settings *settings, const struct option *option, const char *value,
			char *error, size_t error_size)
{
	static const char *const words[] = {
	    [MT_REPORT_TEXT] = "text", [MT_REPORT_JSON] = "json", [MT_REPORT_NONE] = "none"};

	(void)option;
	for (unsigned i = 0; i < MT_ARRAY_LEN(words); i++)
		if (strcmp(value, words[i]) == 0) {
			settings->report = (enum mt_report_form)i;
			return 0;
		}
	return REASON("'%s' is none of text, json and none", value);
}

static int parse_offloads(struct mt_settings *settings, const struct option *option, const char *value,
			  char *error, size_t error_size)
{
	(void)option;
	if (strcmp(value, "keep") != 0 && strcmp(value, "off") != 0)
		return REASON("'%s' is neither keep nor off", value);
	settings->keep_offloads = strcmp(value, "keep") == 0;
	return 0;
}

static int parse_switch(struct mt_settings *settings, const struct option *option, const char *value,
			char *error, size_t error_size)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return REASON("'%s' is neither on nor off", value);
	*(bool *)member(settings, option) = strcmp(value, "on") == 0;
	return 0;
}

static int parse_fault(struct mt_settings *settings, const struct option *option, const char *value,
		       char *error, size_t error_size)
{
	(void)settings;
	(void)option;
	return mt_fault_set(value, error, error_size);
}

static int parse_ports(struct mt_settings *settings, const struct option *option, const char *value,
		       char *error, size_t error_size)
{
	int rc = mt_identify_ports_parse(&settings->ports, value, error, error_size);

	return rc != 0 ? rc : parse_text(settings, option, value, error, error_size);
}

static int parse_counters(struct mt_settings *settings, const struct option *option, const char *value,
			  char *error, size_t error_size)
{
	size_t len = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	if (len == 0 || len > COUNTERS_NAME_MAX || value[len] != 0)
		return REASON("'%s' is no name of 1 to %d of the characters A-Z a-z 0-9 . _ -", value,
			      COUNTERS_NAME_MAX);
	return parse_text(settings, option, value, error, error_size);
}

/* An interface's name goes into a device argument, where a comma would begin another one. */
static int parse_interface(struct mt_settings *settings, const struct option *option, const char *value,
			   char *error, size_t error_size)
{
	if (strchr(value, ',') != NULL)
		return REASON("'%s' cannot be passed on: its name holds a comma", value);
	return parse_text(settings, option, value, error, error_size);
}

#ifdef MT_FAULTS
#define FAULT_HELP "for tests: every Nth time NAME is refused (see lib/fault)"
#else
#define FAULT_HELP NULL /* known, so that the refusal can say which program takes it */
#endif

#define AT(name) offsetof(struct mt_settings, name)
static const struct option options[] = {
    {"replay", 'r', "FILE", false, parse_text, AT(replay), 0, 0,
     "replay one capture file: no root, no huge pages, nothing lost"},
    {"interface", 'i', "IFACE", false, parse_interface, AT(interface), 0, 0,
     "live on a network interface of the kernel's"},
    {"config", 'c', "FILE", false, parse_text, AT(config), 0, 0,
     "settings: `key = value` lines, the keys are the long options; the command line wins"},
    {"workers", 0, "N", true, parse_number, AT(workers), 1, MT_WORKERS_MAX,
     "worker threads (every further lcore; 1 for -r and -i)"},
    {"ports", 0, "LIST", true, parse_ports, AT(ports_text), 0, 0,
     "the mail ports, such as 25=smtp,465=smtps,143=imap,993=imaps,110=pop3,995=pop3s"},
    {"flows", 0, "N", true, parse_number, AT(flows), 16, 1u << 28,
     "connections followed at a time (1048576; sized by the file with -r)"},
    {"reassembly", 0, "SIZE", true, parse_size, AT(reassembly_bytes), 64 << 10, 1ull << 40,
     "memory for bytes out of order (256M; sized by the file with -r)"},
    {"mbufs", 0, "N", true, parse_number, AT(mbufs), 256, 1u << 26,
     "packet buffers (sized by queues and workers)"},
    {"receive-offloads", 0, "keep|off", true, parse_offloads, 0, 0, 0,
     "of a kernel interface: off switches off what joins packets, for the run (keep)"},
    {"bypass", 0, "on|off", true, parse_switch, AT(bypass), 0, 0,
     "live, where a device can: have it drop encrypted connections once they are decided (off)"},
    {"timeout", 0, "SECONDS", true, parse_seconds, AT(timeout_ns), 1, 10000000 * MT_NS_PER_SECOND,
     "idle time after which a session ends (1800)"},
    {"vlan-in-key", 0, NULL, true, parse_flag, AT(vlan_in_key), 0, 0,
     "the same addresses in two VLANs are two networks"},
    {"server-memory", 0, "FILE", true, parse_text, AT(server_memory), 0, 0,
     "what each server offered, loaded and saved, or none (in the state folder; none with -r)"},
    {"duration", 0, "SECONDS", true, parse_seconds, AT(duration_ns), 1, 10000000 * MT_NS_PER_SECOND,
     "stop by itself (run on)"},
    {"records", 0, "PATH", true, parse_text, AT(records), 0, 0,
     "one JSON object per session, a line each; - standard output, none nothing,\n"
     "                               kafka://BROKER[:PORT][,...]/TOPIC a topic of Kafka's (none)"},
    {"report", 0, "FORM", true, parse_report, AT(report), 0, 0,
     "summary at the end: text, json or none (text)"},
    {"counters", 0, "NAME", true, parse_counters, AT(counters), 0, 0,
     "name of the counters in shared memory, or none (mailtap; none with -r)"},
    {"banners", 0, "FILE", true, parse_text, AT(banners), 0, 0, "the banner patterns (the installed file)"},
    {"check-config", 0, NULL, false, parse_flag, AT(check_config), 0, 0,
     "read everything, say what would run, and end"},
    {"dumpable", 0, NULL, true, parse_flag, AT(dumpable), 0, 0,
     "let debuggers and core images see the memory, mail included"},
    {"fault", 0, "NAME[=N]", false, parse_fault, 0, 0, 0, FAULT_HELP},
    {"version", 0, NULL, false, parse_flag, AT(version), 0, 0, "say the version and end"},
    {"help", 'h', NULL, false, parse_flag, AT(help), 0, 0, "say this and end"},
};

static const struct option *find_option(const char *name, size_t len)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(options); i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

static const struct option *find_letter(char letter)
{
	for (size_t i = 0; i < MT_ARRAY_LEN(options); i++)
		if (options[i].letter != 0 && options[i].letter == letter)
			return &options[i];
	return NULL;
}

/* Which option an argument names, and the value that is glued to it, if any. */
static const struct option *read_argument(const char *argument, const char **ret_value)
{
	*ret_value = NULL;
	if (argument[0] == '-' && argument[1] == '-') {
		const char *name = argument + 2, *equals = strchr(name, '=');

		*ret_value = equals != NULL ? equals + 1 : NULL;
		return find_option(name, equals != NULL ? (size_t)(equals - name) : strlen(name));
	}
	if (argument[0] != '-' || argument[1] == 0)
		return NULL;
	*ret_value = argument[2] != 0 ? argument + 2 : NULL;
	return find_letter(argument[1]);
}

/* Result  how many arguments were used, or -errno. */
static int take_option(struct mt_settings *settings, int argc, char **argv, char *error, size_t error_size)
{
	const char *value;
	const struct option *option = read_argument(argv[0], &value);
	char reason[256];
	int used = 1, rc;

	if (option == NULL)
		return REASON("%s '%s'; see --help",
			      argv[0][0] == '-' ? "unknown option" : "unexpected argument", argv[0]);
	if (option->argument == NULL && value != NULL)
		return REASON("--%s takes no value", option->name);
	if (option->argument != NULL && value == NULL) {
		if (argc < 2)
			return REASON("--%s needs %s", option->name, option->argument);
		value = argv[1];
		used = 2;
	}
	rc = option->parse(settings, option, value != NULL ? value : "yes", reason, sizeof(reason));
	if (rc != 0)
		snprintf(error, error_size, "--%s: %s", option->name, rc == -EINVAL ? reason : strerror(-rc));
	return rc != 0 ? rc : used;
}

static int read_command_line(struct mt_settings *settings, int argc, char **argv, char *error,
			     size_t error_size)
{
	while (argc > 0) {
		int used = take_option(settings, argc, argv, error, error_size);

		if (used < 0)
			return used;
		argc -= used;
		argv += used;
	}
	return 0;
}

/* ---- The settings file ---- */

struct reading {
	struct mt_settings *settings;
	char reason[384]; /* of the first bad line */
};

/* Result  0, or the reason why a line of the file is refused. */
static int read_setting(struct mt_settings *settings, const char *section, const char *key, const char *value,
			char *error, size_t error_size)
{
	const struct option *option = find_option(key, strlen(key));
	char reason[256] = "";

	if (strcmp(section, "kafka") == 0) {
		if (mt_record_kafka_set(&settings->kafka, key, value, reason, sizeof(reason)) == 0)
			return 0;
		return REASON("[kafka] %s: %s", key, reason);
	}
	if (section[0] != 0)
		return REASON("a section [%.64s] is unknown here", section);
	if (option == NULL || !option->is_key)
		return REASON("unknown setting '%.64s'", key);
	if (option->parse(settings, option, value, reason, sizeof(reason)) != 0)
		return REASON("%s: %s", key, reason);
	return 0;
}

/* inih's contract: 1 for a good line, 0 for a bad one; it remembers the first bad line's number. */
static int take_setting(void *context, const char *section, const char *key, const char *value)
{
	struct reading *reading = context;
	char reason[sizeof(reading->reason)];

	if (read_setting(reading->settings, section, key, value, reason, sizeof(reason)) == 0)
		return 1;
	if (reading->reason[0] == 0)
		memcpy(reading->reason, reason, sizeof(reason));
	return 0;
}

#define SETTINGS_LINE_MAX                                                                                    \
	190 /* inih takes 200 with the line's end, and would read the rest as another line */

/* Result  the number of the first line that is too long, 0 if none; the file is at its beginning again. */
static int find_long_line(FILE *file)
{
	int number = 1, found = 0;
	size_t len = 0;

	for (int c = fgetc(file); c != EOF && found == 0; c = fgetc(file)) {
		len = c == '\n' ? 0 : len + 1;
		found = len > SETTINGS_LINE_MAX ? number : 0;
		number += c == '\n';
	}
	rewind(file);
	return found;
}

static int read_settings_file(struct mt_settings *settings, const char *path, char *error, size_t error_size)
{
	struct reading reading = {.settings = settings};
	FILE *file = fopen(path, "re");
	int line, rc;

	if (file == NULL) {
		rc = -errno;
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
		return rc;
	}
	line = find_long_line(file);
	if (line > 0) {
		fclose(file);
		return REASON("%s:%d: longer than %d characters", path, line, SETTINGS_LINE_MAX);
	}
	line = ini_parse_file(file, take_setting, &reading);
	rc = ferror(file) ? -EIO : 0;
	fclose(file);
	if (rc != 0)
		snprintf(error, error_size, "%s: cannot be read", path);
	else if (line > 0)
		rc = REASON("%s:%d: %s", path, line,
			    reading.reason[0] != 0 ? reading.reason : "no line of the form `key = value`");
	else if (line < 0)
		rc = REASON("%s: cannot be read", path);
	return rc;
}

/* ---- Public ---- */

static void set_defaults(struct mt_settings *settings)
{
	char ignored[1];

	*settings = (struct mt_settings){.timeout_ns = 1800 * MT_NS_PER_SECOND, .keep_offloads = true};
	mt_identify_ports_parse(&settings->ports, NULL, ignored, sizeof(ignored));
}

int mt_settings_read(struct mt_settings *ret, int argc, char **argv, char *error, size_t error_size)
{
	char *config;
	int rc;

	set_defaults(ret);
	rc = read_command_line(ret, argc, argv, error, error_size);
	if (rc != 0 || ret->config == NULL || ret->help || ret->version)
		return rc;
	/* The file's name is known now: begin anew, so that the command line comes last and wins. */
	config = ret->config;
	ret->config = NULL;
	mt_settings_fini(ret);
	set_defaults(ret);
	rc = read_settings_file(ret, config, error, error_size);
	free(config);
	return rc != 0 ? rc : read_command_line(ret, argc, argv, error, error_size);
}

void mt_settings_fini(struct mt_settings *settings)
{
	char **texts[] = {&settings->config,	 &settings->replay,	  &settings->interface,
			  &settings->ports_text, &settings->records,	  &settings->counters,
			  &settings->banners,	 &settings->server_memory};

	for (size_t i = 0; i < MT_ARRAY_LEN(texts); i++) {
		free(*texts[i]);
		*texts[i] = NULL;
	}
	mt_record_kafka_forget(settings->kafka);
	settings->kafka = NULL;
}

void mt_settings_print_help(void)
{
	puts("mailtap -r FILE [options]\n"
	     "mailtap -i IFACE [options]\n"
	     "mailtap [EAL options] -- [options]\n"
	     "\n"
	     "Watches SMTP, IMAP and POP3 and says of every session whether it was in clear, upgraded with\n"
	     "STARTTLS or under implicit TLS.\n");
	for (size_t i = 0; i < MT_ARRAY_LEN(options); i++) {
		const struct option *option = &options[i];
		char letter[8] = "", left[40];

		if (option->help == NULL)
			continue;
		if (option->letter != 0)
			snprintf(letter, sizeof(letter), "-%c, ", option->letter);
		snprintf(left, sizeof(left), "%4s--%s%s%s", letter, option->name, option->argument ? " " : "",
			 option->argument ? option->argument : "");
		printf("  %-28s %s\n", left, option->help);
	}
	printf("\nThe mail ports, unless --ports says otherwise: %s\n", mt_identify_ports_default());
}
