/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "dialogue.h"

/* Two multiplications a word: it chooses a place, and whether what stands there is the same the text decides.
 */
static uint64_t mix(struct mt_span text, uint64_t seed)
{
	uint64_t sum = seed ^ text.len * 0x9e3779b97f4a7c15, word;

	for (; text.len >= sizeof(word); text = mt_span_after(text, sizeof(word))) {
		memcpy(&word, text.data, sizeof(word));
		sum = (sum ^ word) * 0xff51afd7ed558ccd;
		sum ^= sum >> 32;
	}
	for (size_t i = 0; i < text.len; i++)
		sum = (sum ^ text.data[i]) * 0xff51afd7ed558ccd;
	return sum ^ sum >> 32;
}

uint32_t mt_known_software(struct mt_known *known, const struct mt_mail_env *env, enum mt_protocol protocol,
			   struct mt_span text)
{
	const struct mt_banners *banners = env->banners;

	if (known == NULL || text.len == 0 || text.len > MT_KNOWN_TEXT_MAX)
		return mt_banners_identify(banners, env->scratch, protocol, text);
	if (mt_unlikely(known->serial != banners->serial)) {
		memset(known, 0, sizeof(*known));
		known->serial = banners->serial;
	}
	struct mt_known_text *place = &known->place[mix(text, protocol) % MT_KNOWN_TEXTS];
	if (place->len == text.len && place->protocol == protocol &&
	    memcmp(place->text, text.data, text.len) == 0)
		return place->software;
	place->software = mt_banners_identify(banners, env->scratch, protocol, text);
	place->protocol = (uint8_t)protocol;
	place->len = (uint16_t)text.len;
	memcpy(place->text, text.data, text.len);
	return place->software;
}
