/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "generator.h"

#include <err.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

void add_frame(struct model *model, const uint8_t *bytes, uint32_t len)
{
	struct frame *frame;
	struct place place;

	model->frames = realloc(model->frames, (model->count + 1) * sizeof(*model->frames));
	if (model->frames == NULL)
		err(1, NULL);
	frame = &model->frames[model->count++];
	frame->len = len;
	frame->bytes = malloc(len);
	if (frame->bytes == NULL)
		err(1, NULL);
	memcpy(frame->bytes, bytes, len);
	model->connections += find_tcp(bytes, len, &place) && (bytes[place.tcp + 13] & (SYN | ACK)) == SYN;
}

void add_model(struct traffic *traffic, const struct model *model)
{
	traffic->models = realloc(traffic->models, (traffic->model_count + 1) * sizeof(*model));
	if (traffic->models == NULL)
		err(1, NULL);
	traffic->models[traffic->model_count++] = *model;
}

/* A capture of another link type, or with frames that are longer than one buffer, is passed over. */
void add_capture(struct traffic *traffic, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_open_offline(path, error);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	struct model model = {0};
	bool is_fit;
	int result;

	if (capture == NULL)
		errx(2, "%s", error);
	is_fit = pcap_datalink(capture) == DLT_EN10MB;
	while ((result = pcap_next_ex(capture, &header, &bytes)) == 1) {
		is_fit &= header->caplen <= FRAME_MAX && header->caplen == header->len;
		if (is_fit)
			add_frame(&model, bytes, header->caplen);
	}
	if (result == PCAP_ERROR)
		errx(2, "%s: %s", path, pcap_geterr(capture));
	pcap_close(capture);
	if (is_fit)
		add_model(traffic, &model);
}
