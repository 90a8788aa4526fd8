/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/*
 * mailtap: options, check, EAL, ports, workers, control loop, report, exit status. Every stage complains
 * by itself, once, and gives the exit status; MT_EXIT_DONE means: go on.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bypass_device.h"
#include "control.h"
#include "imap.h"
#include "log.h"
#include "options.h"
#include "placement.h"
#include "pop3.h"
#include "report.h"
#include "smtp.h"
#include "telemetry.h"

#define ERROR_SIZE 512

/* The protocols, by enum mt_protocol. Nobody registers himself behind the reader's back. */
static const struct mt_dialogue *const dialogues[MT_PROTOCOL_COUNT] = {
    [MT_PROTOCOL_SMTP] = &mt_smtp_dialogue,
    [MT_PROTOCOL_IMAP] = &mt_imap_dialogue,
    [MT_PROTOCOL_POP3] = &mt_pop3_dialogue,
};

/* All that the program holds; zero where it does not hold it yet. Given back in mirror order by give_back().
 */
struct program {
	int eal_argc; /* options in front of `--` */
	char **eal_argv;
	bool has_separator;
	struct mt_settings settings;
	char banners_path[4096];
	struct mt_banners banners; /* until the patterns take them */
	struct mt_patterns patterns;
	struct mt_session_shared shared;
	struct mt_capture capture;
	struct mt_servers_file memory;
	struct mt_record_sink *sink;
	struct mt_plan plan;
	struct mt_ports ports;
	struct mt_place_lcore lcores[RTE_MAX_LCORE];	   /* the workers' first, in their order */
	struct mt_place_queue queues[MT_PORTS_QUEUES_MAX]; /* as the ports have them */
	struct mt_counters_layout *layout;
	struct mt_counters_publisher *publisher;
	struct mt_run run;
	struct mt_control control;
	struct mt_bypass_device bypass_device;
	bool has_banners, has_shared, has_capture, has_eal, has_ports, has_patterns, has_control, has_run;
};

/* ---- Options ---- */

static enum mt_exit read_options(struct program *program, int argc, char **argv)
{
	char error[ERROR_SIZE];
	int split = 1;

	while (split < argc && strcmp(argv[split], "--") != 0)
		split++;
	program->has_separator = split < argc;
	if (program->has_separator) {
		program->eal_argc = split - 1;
		program->eal_argv = argv + 1;
	} else {
		split = 0;
	}
	if (mt_settings_read(&program->settings, argc - split - 1, argv + split + 1, error, sizeof(error)) ==
	    0)
		return MT_EXIT_DONE;
	warnx("%s", error);
	return MT_EXIT_USAGE;
}

/*
 * The banner file: the one that was named, else of the folder that the environment names, else the
 * installed one; a program that runs where it was built takes that of its sources.
 */
static void find_banners(struct program *program)
{
	const char *named = program->settings.banners, *folder = getenv("MAILTAP_CONFIG_DIR");
	char *path = program->banners_path;
	char self[PATH_MAX];
	ssize_t len;

	if (named != NULL) {
		snprintf(path, sizeof(program->banners_path), "%s", named);
		return;
	}
	snprintf(path, sizeof(program->banners_path), "%s/banners.conf",
		 folder != NULL ? folder : MAILTAP_CONFIG_DIR);
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (folder != NULL || access(path, R_OK) == 0 || len <= 0)
		return;
	self[len] = 0;
	/* BUILD/app/mailtap/mailtap, and BUILD stands in the sources. */
	for (unsigned i = 0; i < 4; i++)
		*(strrchr(self, '/') != NULL ? strrchr(self, '/') : self) = 0;
	if ((size_t)len + sizeof("/config/banners.conf") > sizeof(self))
		return;
	strcat(self, "/config/banners.conf");
	if (access(self, R_OK) == 0)
		snprintf(path, sizeof(program->banners_path), "%s", self);
}

/* What was left unsaid, and what does not go together. */
static enum mt_exit complete_options(struct program *program)
{
	struct mt_settings *settings = &program->settings;

	if (settings->replay == NULL && settings->interface == NULL && !program->has_separator) {
		warnx("nothing to read: give -r FILE, -i IFACE, or EAL options in front of `--`; see --help");
		return MT_EXIT_USAGE;
	}
	if (settings->replay != NULL && settings->interface != NULL) {
		warnx("--replay and --interface exclude each other");
		return MT_EXIT_USAGE;
	}
	if (settings->interface != NULL && if_nametoindex(settings->interface) == 0) {
		warnx("%s: no such interface", settings->interface);
		return MT_EXIT_USAGE;
	}
	if (settings->bypass && settings->vlan_in_key) {
		warnx("--bypass and --vlan-in-key exclude each other: the rules do not look at VLANs");
		return MT_EXIT_USAGE;
	}
	if (settings->records == NULL)
		settings->records = strdup("none");
	if (settings->counters == NULL)
		settings->counters = strdup(settings->replay != NULL ? "none" : "mailtap");
	if (settings->records == NULL || settings->counters == NULL) {
		warnx("no memory");
		return MT_EXIT_FAILED;
	}
	find_banners(program);
	return MT_EXIT_DONE;
}

/* ---- What the settings name ---- */

static struct mt_record_target target_of(const struct program *program)
{
	return (struct mt_record_target){.path = program->settings.records,
					 .is_patient = program->has_capture,
					 .kafka = program->settings.kafka};
}

static enum mt_exit read_inputs(struct program *program)
{
	const struct mt_settings *settings = &program->settings;
	const struct mt_record_target target = target_of(program);
	char error[ERROR_SIZE] = "";

	if (mt_record_target_check(&target, error, sizeof(error)) != 0)
		goto bad;
	if (mt_banners_load(&program->banners, program->banners_path, error, sizeof(error)) != 0)
		goto bad;
	program->has_banners = true;
	if (mt_session_shared_init(&program->shared, dialogues, &settings->ports, error, sizeof(error)) != 0)
		goto bad;
	program->has_shared = true;
	if (settings->replay != NULL) {
		if (mt_capture_look(&program->capture, settings->replay, error, sizeof(error)) != 0)
			goto bad;
		program->has_capture = true;
	}
	return MT_EXIT_DONE;
bad:
	warnx("%s", error);
	return MT_EXIT_USAGE;
}

static enum mt_exit open_memory(struct program *program)
{
	char error[ERROR_SIZE];

	if (mt_servers_file_open(&program->memory, &program->settings, error, sizeof(error)) == 0)
		return MT_EXIT_DONE;
	warnx("--server-memory: %s", error);
	return MT_EXIT_USAGE;
}

static const struct mt_capture *capture_of(const struct program *program)
{
	return program->has_capture ? &program->capture : NULL;
}

/* Without EAL options the program decides about threads; with them the lcores do, once EAL runs. */
static void make_plan(struct program *program)
{
	uint32_t workers = program->settings.workers != 0 ? (uint32_t)program->settings.workers : 1;

	mt_plan_make(&program->plan, &program->settings, capture_of(program), workers, workers);
}

static void say_plan(const struct program *program)
{
	const struct mt_settings *settings = &program->settings;
	const struct mt_plan *plan = &program->plan;

	if (program->has_capture)
		printf("replay of %s: %" PRIu64 " packets%s%s\n", settings->replay, program->capture.packets,
		       program->capture.is_damaged ? ", then damaged: " : "", program->capture.damage);
	else if (settings->interface != NULL)
		printf("live on interface %s\n", settings->interface);
	else
		printf("live on the ports of %d EAL options\n", program->eal_argc);
	printf("workers %s%u, each with %u flows, %u of them in dialogue, %zu bytes of reassembly\n",
	       settings->workers == 0 && program->has_separator ? "by lcores, at least " : "", plan->workers,
	       plan->flows, plan->dialogues, plan->reassembly_bytes);
	printf("packet buffers %u\n", plan->mbufs);
	printf("mail ports %s\n",
	       settings->ports_text != NULL ? settings->ports_text : mt_identify_ports_default());
	printf("timeout %.0f seconds\n", (double)settings->timeout_ns / MT_NS_PER_SECOND);
	if (settings->bypass)
		puts("bypass on, where a device can");
	printf("banner patterns %s: %u products\n", program->banners_path,
	       program->banners.product_count - 1);
	printf("records %s, counters %s\n", settings->records, settings->counters);
	printf("server memory %s", program->memory.path != NULL ? program->memory.path : "none");
	if (program->memory.path != NULL)
		printf(": %zu servers", mt_servers_count(program->memory.servers));
	putchar('\n');
}

/* ---- Ports and workers ---- */

static enum mt_exit start_eal(struct program *program)
{
	char error[ERROR_SIZE];
	uint32_t lcores, workers;

	if (mt_ports_start_eal(&program->settings, capture_of(program), &program->plan, program->eal_argc,
			       program->eal_argv, error, sizeof(error)) != 0) {
		warnx("%s", error);
		return MT_EXIT_USAGE;
	}
	program->has_eal = true;
	lcores = rte_lcore_count() > 1 ? rte_lcore_count() - 1 : 1;
	workers = program->settings.workers != 0 ? (uint32_t)program->settings.workers : lcores;
	if (workers > lcores || workers > MT_WORKERS_MAX) {
		warnx("--workers: %u are wanted, but beside the control thread's there are lcores for %u (at "
		      "most %u)",
		      workers, lcores, MT_WORKERS_MAX);
		return MT_EXIT_USAGE;
	}
	mt_plan_make(&program->plan, &program->settings, capture_of(program), workers,
		     mt_ports_count_queues(workers));
	return MT_EXIT_DONE;
}

/* Behind EAL, which has bound this thread to the control lcore: librdkafka's threads stay beside it. */
static enum mt_exit open_sink(struct program *program)
{
	const struct mt_record_target target = target_of(program);
	char error[ERROR_SIZE];

	if (mt_record_sink_open(&program->sink, &target, error, sizeof(error)) == 0)
		return MT_EXIT_DONE;
	warnx("--records: %s", error);
	return MT_EXIT_USAGE;
}

static enum mt_exit open_ports(struct program *program)
{
	const struct mt_settings *settings = &program->settings;
	char error[ERROR_SIZE];

	program->has_ports = true;
	if (mt_ports_open(&program->ports, &program->plan, settings->keep_offloads, error, sizeof(error)) ==
	    0) {
		if (!program->has_capture)
			mt_ports_print(&program->ports);
		return MT_EXIT_DONE;
	}
	warnx("%s%s%s",
	      settings->replay != NULL	    ? settings->replay
	      : settings->interface != NULL ? settings->interface
					    : "",
	      settings->replay != NULL || settings->interface != NULL ? ": " : "", error);
	return MT_EXIT_USAGE;
}

static uint16_t most_queues(const struct mt_ports *ports)
{
	uint16_t most = 1;

	for (uint16_t i = 0; i < ports->count; i++)
		most = ports->port[i].queues > most ? ports->port[i].queues : most;
	return most;
}

/* Queue q of a device that spreads packets is worker q's, see mt_flow_owner(). */
static void list_queues(struct program *program)
{
	const struct mt_ports *ports = &program->ports;

	for (uint16_t i = 0; i < ports->queue_count; i++)
		for (uint16_t p = 0; p < ports->count; p++)
			if (ports->port[p].id == ports->queue[i].port)
				program->queues[i] = (struct mt_place_queue){
				    .node = ports->port[p].node,
				    .fixed = ports->port[p].rss == MT_RSS_SYMMETRIC ? ports->queue[i].queue
										    : MT_PLACE_FREE};
}

/* Where EAL has one lcore alone, the worker shares its place with the control thread. */
static uint32_t list_lcores(struct program *program)
{
	uint32_t count = 0;
	unsigned lcore;

	RTE_LCORE_FOREACH_WORKER(lcore)
	program->lcores[count++] = (struct mt_place_lcore){lcore, (int)rte_lcore_to_socket_id(lcore)};
	if (count == 0)
		program->lcores[count++] =
		    (struct mt_place_lcore){rte_get_main_lcore(), (int)rte_socket_id()};
	return count;
}

/* An operator who could give nearer lcores should know. */
static void say_crossings(const struct program *program)
{
	const struct mt_ports *ports = &program->ports;

	for (uint16_t p = 0; p < ports->count; p++) {
		const struct mt_port *port = &ports->port[p];
		unsigned crossings = 0;

		for (uint16_t i = 0; i < ports->queue_count; i++)
			crossings += ports->queue[i].port == port->id &&
				     mt_place_crosses(&program->queues[i], program->lcores);
		if (crossings > 0)
			fprintf(stderr,
				"port %u: %u of %u queues are polled from another NUMA node; lcores of node "
				"%d would be nearer (-l, --lcores)\n",
				p, crossings, port->queues, port->node);
	}
}

static void place_workers(struct program *program)
{
	uint32_t workers = program->plan.workers, count = list_lcores(program);

	list_queues(program);
	mt_place_workers(program->lcores, count, workers, program->queues, program->ports.queue_count);
	mt_place_queues(program->queues, program->ports.queue_count, program->lcores, workers);
	say_crossings(program);
	for (uint32_t w = 0; w < workers; w++)
		MT_LOG(workers, DEBUG, "worker %u on lcore %u, node %d", w, program->lcores[w].lcore,
		       program->lcores[w].node);
	for (uint16_t i = 0; i < program->ports.queue_count; i++)
		MT_LOG(workers, DEBUG, "queue %u of DPDK's port %u, node %d: worker %u",
		       program->ports.queue[i].queue, program->ports.queue[i].port, program->queues[i].node,
		       program->queues[i].worker);
}

/* What it takes to make a worker where it will run: untouched memory comes from the node that touches it. */
struct making {
	struct program *program;
	uint32_t worker;
	char *error;
	size_t error_size;
};

static int create_worker(void *context)
{
	const struct making *making = context;
	struct program *program = making->program;

	return mt_worker_create(&program->run.workers[making->worker], &program->run, making->worker,
				mt_counters_publisher_block(program->publisher, making->worker),
				making->error, making->error_size);
}

static int create_worker_there(struct making *making)
{
	unsigned lcore = making->program->lcores[making->worker].lcore;
	int rc;

	if (lcore == rte_get_main_lcore())
		return create_worker(making);
	rc = rte_eal_remote_launch(create_worker, making, lcore);
	return rc != 0 ? rc : rte_eal_wait_lcore(lcore);
}

static int create_workers(struct program *program, char *error, size_t error_size)
{
	struct mt_run *run = &program->run;
	uint32_t workers = program->plan.workers;

	run->workers = calloc(workers, sizeof(struct mt_worker *));
	if (run->workers == NULL) {
		snprintf(error, error_size, "no memory");
		return -ENOMEM;
	}
	place_workers(program);
	for (uint32_t w = 0; w < workers; w++) {
		struct making making = {program, w, error, error_size};
		int rc = create_worker_there(&making);

		if (rc != 0)
			return rc;
	}
	for (uint16_t i = 0; i < program->ports.queue_count; i++)
		mt_worker_add_queue(run->workers[program->queues[i].worker], program->ports.queue[i]);
	return 0;
}

/* A live instance of the same name is refused: two writers would make neither's numbers true. */
static enum mt_exit open_counters(struct program *program)
{
	struct timespec now;
	struct mt_counters_start start = {
	    .name = program->settings.counters, .version = MAILTAP_VERSION, .workers = program->plan.workers};
	int rc = mt_counters_layout_create(&program->layout, program->banners.products,
					   program->banners.product_count, program->ports.count,
					   most_queues(&program->ports));

	clock_gettime(CLOCK_REALTIME, &now);
	start.run_start_ns = (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec;
	if (rc == 0 && strcmp(start.name, "none") != 0)
		rc = mt_counters_publisher_open(&program->publisher, program->layout, &start);
	if (rc == 0) {
		mt_telemetry_begin(start.name, &program->ports);
		return MT_EXIT_DONE;
	}
	warnx("--counters %s: %s", start.name,
	      rc == -EBUSY ? "a running instance has this name; give this one its own with --counters NAME"
	      : rc == -EEXIST || rc == -ELOOP ? "what has this name in /dev/shm is no object of counters"
					      : strerror(-rc));
	return MT_EXIT_USAGE;
}

/* A device that cannot is no reason not to run: the packets come, as they do without. */
static int open_bypass(struct program *program)
{
	struct mt_bypass_device *device = &program->bypass_device;
	struct mt_bypass_config config = {.hands = &mt_bypass_device_hands,
					  .context = device,
					  .timeout_ns = program->run.timeout_ns,
					  .cells = program->control.cells};

	mt_bypass_device_open(device, &program->run);
	config.ports = device->count;
	if (device->count > 0)
		program->control.bypass = mt_bypass_create(&config);
	return device->count == 0 || program->control.bypass != NULL ? 0 : -ENOMEM;
}

static enum mt_exit prepare_run(struct program *program)
{
	const struct mt_settings *settings = &program->settings;
	struct mt_run *run = &program->run;
	char error[ERROR_SIZE] = "";
	uint64_t random[2];
	int rc;

	run->plan = &program->plan;
	run->ports = &program->ports;
	run->capture = capture_of(program);
	run->shared = &program->shared;
	run->patterns = &program->patterns;
	run->timeout_ns = settings->timeout_ns;
	run->link = program->has_capture ? program->capture.link : MT_PACKET_LINK_ETHERNET;
	run->vlan_in_key = settings->vlan_in_key;
	run->is_lossless = program->has_capture;
	run->has_bypass = settings->bypass && !program->has_capture;
	mt_flow_owners_init(&run->owners, program->plan.workers, program->ports.buckets);
	rc = getrandom(random, sizeof(random), 0) == sizeof(random) ? 0 : -errno;
	mt_flow_secret_init(&run->secret, random[0], random[1]);
	run->layout = program->layout;
	program->has_patterns = true;
	if (rc == 0)
		rc = mt_patterns_init(&program->patterns, &program->banners, program->banners_path,
				      &program->shared, program->plan.workers);
	if (rc == 0)
		rc = create_workers(program, error, sizeof(error));
	if (rc == 0) {
		rc = mt_control_init(&program->control, run, program->sink, &program->memory,
				     mt_counters_publisher_block(program->publisher, program->plan.workers),
				     settings->duration_ns);
		program->has_control = rc == 0;
	}
	if (rc == 0 && run->has_bypass)
		rc = open_bypass(program);
	if (rc == 0)
		return MT_EXIT_DONE;
	warnx("%s", error[0] != 0 ? error : strerror(-rc));
	return MT_EXIT_FAILED;
}

/* ---- The run ---- */

/* Where EAL has one lcore alone, the only worker is a thread beside it. */
static void *run_beside(void *worker)
{
	rte_thread_register();
	mt_worker_run(worker);
	rte_thread_unregister();
	return NULL;
}

static enum mt_exit run_workers(struct program *program)
{
	struct mt_worker **workers = program->run.workers;
	bool is_beside = program->lcores[0].lcore == rte_get_main_lcore();
	pthread_t beside;

	if (is_beside && pthread_create(&beside, NULL, run_beside, workers[0]) != 0) {
		warnx("no thread for the worker");
		return MT_EXIT_FAILED;
	}
	for (uint32_t w = 0; w < program->plan.workers && !is_beside; w++)
		rte_eal_remote_launch(mt_worker_run, workers[w], program->lcores[w].lcore);
	program->has_run = true;
	mt_control_run(&program->control);
	if (is_beside)
		pthread_join(beside, NULL);
	rte_eal_mp_wait_lcore();
	return MT_EXIT_DONE;
}

/* ---- The end ---- */

static int print_report(const struct program *program, const struct mt_summary *summary)
{
	FILE *out = strcmp(program->settings.records, "-") == 0 ? stderr : stdout;
	int rc = 0;

	if (program->settings.report == MT_REPORT_TEXT)
		mt_report_text(summary, out);
	else if (program->settings.report == MT_REPORT_JSON)
		rc = mt_report_json(summary, out);
	return fflush(out) != 0 || ferror(out) ? -EIO : rc;
}

/* A replay promises that everything was read. Result  true where it was, or somebody ended the run. */
static bool has_read_all(const struct program *program, const struct mt_summary *summary)
{
	const char *file = program->settings.replay;

	if (!program->has_capture || program->control.is_interrupted)
		return true;
	if (summary->nombuf > 0)
		warnx("%s: %" PRIu64 " packets found no buffer; see --mbufs", file, summary->nombuf);
	else if (summary->packets < program->capture.packets)
		warnx("%s: only %" PRIu64 " of %" PRIu64 " packets came; was the file changed?", file,
		      summary->packets, program->capture.packets);
	else
		return true;
	return false;
}

static enum mt_exit judge_run(const struct program *program, const struct mt_summary *summary)
{
	const struct mt_capture *capture = &program->capture;
	uint64_t unwritten = mt_record_sink_lost(program->control.cells);
	char error[ERROR_SIZE];

	if (!mt_summary_agrees(summary, error, sizeof(error))) {
		warnx("%s", error);
		return MT_EXIT_FAILED;
	}
	if (unwritten > 0) {
		warnx("%s: %" PRIu64 " records could not be written", program->settings.records, unwritten);
		return MT_EXIT_FAILED;
	}
	if (!has_read_all(program, summary))
		return MT_EXIT_FAILED;
	if (program->has_capture && capture->is_damaged) {
		warnx("%s: damaged or cut short after %" PRIu64 " packets, which were analysed: %s",
		      program->settings.replay, capture->packets, capture->damage);
		return MT_EXIT_DAMAGED;
	}
	return MT_EXIT_DONE;
}

static enum mt_exit report_run(struct program *program)
{
	struct mt_summary summary;
	enum mt_exit status;
	int rc;

	if (mt_summary_init(&summary, &program->run, &program->control) != 0) {
		warnx("no memory for the report");
		return MT_EXIT_FAILED;
	}
	rc = print_report(program, &summary);
	if (rc != 0)
		warnx("the report could not be written: %s", strerror(-rc));
	status = judge_run(program, &summary);
	mt_summary_fini(&summary);
	return rc != 0 ? MT_EXIT_FAILED : status;
}

static enum mt_exit give_back(struct program *program, enum mt_exit status)
{
	mt_bypass_destroy(program->control.bypass);
	mt_bypass_device_close(&program->bypass_device);
	if (program->has_control)
		mt_control_fini(&program->control);
	for (uint32_t w = 0; program->run.workers != NULL && w < program->plan.workers; w++)
		mt_worker_destroy(program->run.workers[w]);
	free(program->run.workers);
	if (program->has_patterns)
		mt_patterns_fini(&program->patterns);
	mt_counters_publisher_close(program->publisher);
	mt_counters_layout_destroy(program->layout);
	if (program->has_ports)
		mt_ports_close(&program->ports);
	if (program->has_eal)
		rte_eal_cleanup();
	if (program->sink != NULL && mt_record_sink_close(program->sink) != 0 && status == MT_EXIT_DONE) {
		warnx("%s: the records could not be written to the end", program->settings.records);
		status = MT_EXIT_FAILED;
	}
	if (mt_servers_file_close(&program->memory, program->has_run) != 0 && status == MT_EXIT_DONE)
		status = MT_EXIT_FAILED;
	if (program->has_capture)
		mt_capture_close(&program->capture);
	if (program->has_shared)
		mt_session_shared_fini(&program->shared);
	if (program->has_banners)
		mt_banners_unload(&program->banners);
	mt_settings_fini(&program->settings);
	return status;
}

static enum mt_exit run_program(struct program *program)
{
	enum mt_exit (*const stages[])(struct program *) = {
	    start_eal, open_sink, open_ports, open_counters, prepare_run, run_workers, report_run,
	};
	enum mt_exit status = complete_options(program);

	if (status == MT_EXIT_DONE)
		status = read_inputs(program);
	if (status == MT_EXIT_DONE)
		status = open_memory(program);
	if (status != MT_EXIT_DONE)
		return status;
	make_plan(program);
	if (program->settings.check_config) {
		say_plan(program);
		return MT_EXIT_DONE;
	}
	/* Passwords pass through this memory: no core image, no debugger of the same user. */
	if (!program->settings.dumpable)
		prctl(PR_SET_DUMPABLE, 0);
	for (size_t i = 0; i < MT_ARRAY_LEN(stages) && status == MT_EXIT_DONE; i++)
		status = stages[i](program);
	return status;
}

/* A closed standard descriptor would be given to the next file opened: messages would land in the records. */
static void hold_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	static struct program program; /* large: it holds the table of ports */
	enum mt_exit status;

	hold_descriptors();
	mt_control_catch_signals();
	status = read_options(&program, argc, argv);

	if (status == MT_EXIT_DONE && program.settings.help)
		mt_settings_print_help();
	else if (status == MT_EXIT_DONE && program.settings.version)
		printf("mailtap %s\n", MAILTAP_VERSION);
	else if (status == MT_EXIT_DONE)
		status = run_program(&program);
	/* What was asked for on standard output and did not get there was not done. */
	if (fflush(stdout) != 0 && status == MT_EXIT_DONE) {
		warn("standard output");
		status = MT_EXIT_FAILED;
	}
	return (int)give_back(&program, status);
}
