/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The shared object, byte by byte; README.md draws it. The publisher writes it, the reader takes all it
 * knows from it. Numbers are in host order: writer and reader share a machine.
 * A field may be added at the end of the header or of an entry under a higher minor version; any other
 * change is a higher major version.
 */
#ifndef MT_COUNTERS_SHARED_PRIV_H
#define MT_COUNTERS_SHARED_PRIV_H

#include <stdatomic.h>

#include "base.h"
#include "mailtap-counters.h"

#define MT_COUNTERS_DIR	  "/dev/shm/"
#define MT_COUNTERS_MAGIC "mailtap\n"
#define MT_COUNTERS_MAJOR 1
#define MT_COUNTERS_MINOR 0

/** At offset 0. Constant once the object can be found by its name, but for state. */
struct mt_counters_header {
	char magic[8];		/* MT_COUNTERS_MAGIC without its end */
	uint16_t major;		/* MT_COUNTERS_MAJOR */
	uint16_t minor;		/* MT_COUNTERS_MINOR */
	_Atomic uint32_t state; /* enum mt_counters_state; live is stored last, with release */
	uint64_t total_bytes;	/* of the object; never shrinks */
	uint32_t pid;		/* of the writer */
	uint32_t worker_count;	/* workers; one block more is the control thread's */
	uint64_t
	    process_start; /* of the writer, clock ticks since boot: tells a reused pid (proc(5), stat, 22) */
	uint64_t run_start_ns;	   /* wall clock, since 1970 */
	uint32_t block_first;	   /* offset of the first block; a multiple of 64 */
	uint32_t block_bytes;	   /* from one block to the next; a multiple of 64 */
	uint32_t block_count;	   /* worker_count + 1 */
	uint32_t cell_count;	   /* cells of each block */
	uint32_t directory_first;  /* offset of the first entry */
	uint32_t directory_stride; /* from one entry to the next */
	uint32_t directory_count;  /* entries: one per series */
	uint32_t pad;		   /* 0 */
	char version[48];	   /* of the program, zero-terminated */
};
mt_static_assert(sizeof(struct mt_counters_header) == 128, "README.md draws it");

/** One series. Texts are offsets from the object's beginning, zero-terminated ASCII. */
struct mt_counters_entry {
	uint32_t name;	  /* of the metric */
	uint32_t labels;  /* key="value",... or empty */
	uint32_t help;	  /* one sentence */
	uint32_t unit;	  /* or empty */
	uint32_t topic;	  /* heading */
	uint32_t bounds;  /* a histogram's: upper bounds, ascending, one blank between; else empty */
	uint32_t kind;	  /* enum mt_counters_kind; a reader leaves unknown kinds out */
	uint32_t scope;	  /* 1: every block is a series of its own; 0: blocks are added up */
	uint32_t cell;	  /* its first cell in every block */
	uint32_t cells;	  /* how many: 1, or the bounds of a histogram and 2 more */
	uint64_t divisor; /* cells are divided by it to be of the unit */
};
mt_static_assert(sizeof(struct mt_counters_entry) == 48, "README.md draws it");

/** What one thread writes. */
struct mt_counters_shared_block {
	_Atomic uint64_t sequence;     /* odd only while cells are copied in */
	_Atomic uint64_t heartbeat_ns; /* CLOCK_MONOTONIC of the last publication */
	uint64_t pad[6];	       /* 0: cells begin on a line of their own */
	_Atomic uint64_t cell[];       /* cell_count of them */
};
mt_static_assert(sizeof(struct mt_counters_shared_block) == MT_CACHE_LINE, "README.md draws it");
mt_static_assert(sizeof(_Atomic uint64_t) == 8 && ATOMIC_LLONG_LOCK_FREE == 2, "readers see plain words");

/** Room for the path of an object. */
#define MT_COUNTERS_PATH_SIZE (sizeof(MT_COUNTERS_DIR) + MT_COUNTERS_NAME_MAX)

/** The path of an object. Result  0, or -EINVAL where the name is none. */
int mt_counters_path(char ret[MT_COUNTERS_PATH_SIZE], const char *name);

/**
 * Whether a writer lives: it holds a write lock on the inode, and the lock dies with it. Takes no lock,
 * and a lock that a mere reader may hold does not count.
 */
bool mt_counters_has_writer(int fd);

/** The series of an object as its directory describes them, checked. */
struct mt_counters_directory {
	struct mt_counters_view *series;  /* texts stand in the object */
	uint32_t count;			  /* those of unknown kinds left out */
	struct mt_counters_label *labels; /* of all series, one behind the other */
	char *words;			  /* the object once more, its labels cut into keys and values */
};

/** Whether the header's numbers lie within the file and agree with each other. */
bool mt_counters_is_header_sane(const struct mt_counters_header *header, uint64_t file_bytes);

/**
 * object  kept: header->total_bytes of a copy that nobody changes
 * header  sane
 * Result  0, -EBADMSG (an entry points out of the object, or holds what no exporter may show), -ENOMEM
 */
int mt_counters_directory_init(struct mt_counters_directory *ret, const uint8_t *object,
			       const struct mt_counters_header *header);
void mt_counters_directory_fini(struct mt_counters_directory *directory); /* all zero is legal */

/**
 * Take the first label off a text of labels.
 * Result  false at the end, or where the text is none
 */
bool mt_counters_label_next(const char **labels, struct mt_span *ret_key, struct mt_span *ret_value);

#endif
