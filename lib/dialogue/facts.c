/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "dialogue.h"

static void grow_text(struct mt_mail *mail, size_t len)
{
	mail->facts.text_len = (uint16_t)(mail->facts.text_len + len);
	if (mail->text_used < mail->facts.text_len)
		mail->text_used = mail->facts.text_len;
}

static bool keep_bytes(struct mt_mail *mail, const struct mt_mail_env *env, const void *bytes, size_t len)
{
	struct mt_facts *facts = &mail->facts;

	if (facts->text_len + len > MT_MAIL_TEXT_MAX) {
		env->cells[MT_CELL1(LOST, MT_LOSS_TEXT_LIMIT)]++;
		return false;
	}
	memcpy(facts->text + facts->text_len, bytes, len);
	grow_text(mail, len);
	return true;
}

void mt_dialogue_oversized(struct mt_mail *mail, const struct mt_mail_env *env)
{
	mt_dialogue_flag(mail, MT_ANOMALY_OVERSIZED_LINE);
	env->cells[MT_CELL1(OVERSIZED_LINES, mail->dialogue->protocol)]++;
}

struct mt_text mt_dialogue_keep_text(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span text)
{
	struct mt_text kept;

	if (text.len == 0)
		return (struct mt_text){0};
	/* A list under way is one piece of the store: what comes into its middle, such as a hello of TLS,
	 * leaves it unfinished. */
	if (mail->list.is_open)
		mail->facts.text_len = mail->list.offset;
	mail->list.is_open = false;
	kept = (struct mt_text){mail->facts.text_len, (uint16_t)text.len};
	return keep_bytes(mail, env, text.data, text.len) ? kept : (struct mt_text){0};
}

void mt_dialogue_banner(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span greeting,
			uint64_t time_ns)
{
	struct mt_facts *facts = &mail->facts;

	if (facts->greeting_ns != 0)
		return;
	greeting = mt_span_first(greeting, MT_MAIL_BANNER_MAX);
	facts->greeting_ns = time_ns;
	facts->banner = mt_dialogue_keep_text(mail, env, greeting);
	mt_dialogue_software(mail, env, greeting);
}

void mt_dialogue_software(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span text)
{
	struct mt_facts *facts = &mail->facts;

	if (env->banners != NULL && facts->software == 0)
		facts->software = mt_known_software(env->known, env, facts->protocol, text);
}

void mt_dialogue_client_name(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span argument)
{
	struct mt_span rest = argument, name = mt_span_word(&rest);

	/* An argument with an @ is somebody's address (CONTRACT.md 2). A list under way is one piece of the
	 * store: nothing may be put into its middle. */
	if (mail->facts.client_name.len == 0 && name.len > 0 &&
	    memchr(argument.data, '@', argument.len) == NULL && !mail->list.is_open)
		mail->facts.client_name =
		    mt_dialogue_keep_text(mail, env, mt_span_first(name, MT_MAIL_NAME_MAX));
}

void mt_dialogue_list_begin(struct mt_mail *mail)
{
	mail->list.offset = mail->facts.text_len;
	mail->list.count = 0;
	mail->list.has_starttls = false;
	mail->list.is_open = true;
	mail->list.is_partial = false;
}

void mt_dialogue_list_doubt(struct mt_mail *mail)
{
	mail->list.is_partial = true;
}

void mt_dialogue_list_reopen(struct mt_mail *mail)
{
	struct mt_text kept = mail->facts.capabilities;

	/* A list that was empty, or found no room, left an older one in its place: that does not go on. */
	if (mail->list.offset != kept.offset || kept.offset + kept.len != mail->facts.text_len)
		mt_dialogue_list_begin(mail);
	mail->list.is_open = true;
}

void mt_dialogue_list_atom(struct mt_mail *mail, const struct mt_mail_env *env, struct mt_span atom,
			   bool is_starttls)
{
	struct mt_facts *facts = &mail->facts;

	if (!mail->list.is_open || atom.len == 0)
		return;
	mail->list.has_starttls |= is_starttls;
	if (mail->list.count == MT_MAIL_CAPABILITIES_MAX) {
		env->cells[MT_CELL1(LOST, MT_LOSS_CAPABILITY_LIMIT)]++;
		return;
	}
	atom = mt_span_first(atom, MT_MAIL_CAPABILITY_MAX);
	if (facts->text_len + 1 + atom.len > MT_MAIL_TEXT_MAX - MT_MAIL_TEXT_RESERVED) {
		env->cells[MT_CELL1(LOST, MT_LOSS_TEXT_LIMIT)]++;
		return;
	}
	char *item = facts->text + facts->text_len;
	item[0] = (char)atom.len;
	for (size_t i = 0; i < atom.len; i++)
		item[1 + i] = (char)mt_upper(atom.data[i]);
	grow_text(mail, 1 + atom.len);
	mail->list.count++;
}

void mt_dialogue_list_masked(struct mt_mail *mail)
{
	/* Where it was offered before, nobody writes over it; and behind TLS, which a mirror may have taken
	 * off, none is offered (RFC 3207 4.2, RFC 9051 6.2.1). */
	bool is_due = mail->facts.offered != MT_SEEN_YES && !mail->facts.has_text_after_accept;

	if (mail->list.is_open && !mail->list.is_partial && is_due && !mail->list.has_starttls)
		mt_dialogue_flag(mail, MT_ANOMALY_STARTTLS_MASKED);
}

void mt_dialogue_list_end(struct mt_mail *mail)
{
	struct mt_facts *facts = &mail->facts;

	if (!mail->list.is_open)
		return;
	mail->list.is_open = false;
	if (mail->list.is_partial) {
		facts->text_len = mail->list.offset;
		if (mail->list.has_starttls)
			facts->offered = MT_SEEN_YES;
		return;
	}
	struct mt_text list = {mail->list.offset, (uint16_t)(facts->text_len - mail->list.offset)};
	struct mt_text *old = &facts->capabilities;

	/* A list right behind the older one takes its place: a client that asks often fills no store. */
	if (old->len > 0 && list.len > 0 && old->offset + old->len == list.offset) {
		memmove(facts->text + old->offset, facts->text + list.offset, list.len);
		list.offset = old->offset;
		facts->text_len = (uint16_t)(list.offset + list.len);
	}
	/* A list that found no room at all leaves the older one. */
	if (mail->list.count > 0 || old->len == 0) {
		facts->capabilities = list;
		facts->capability_count = mail->list.count;
		mail->list.offset = list.offset;
	}
	if (facts->offered != MT_SEEN_YES)
		facts->offered = mail->list.has_starttls ? MT_SEEN_YES : MT_SEEN_NO;
}

void mt_dialogue_starttls_asked(struct mt_mail *mail, const struct mt_line *line)
{
	struct mt_facts *facts = &mail->facts;

	if (facts->offered == MT_SEEN_NO)
		mt_dialogue_flag(mail, MT_ANOMALY_REQUESTED_NOT_OFFERED);
	facts->is_requested = true;
	facts->is_unanswered = true;
	facts->request_ns = line->time_ns;
	mail->stage = MT_STAGE_ASKED;
	mt_framer_set(&mail->framer[MT_TO_SERVER], MT_FRAMING_WAIT, 0);
}

void mt_dialogue_starttls_answered(struct mt_mail *mail, const struct mt_line *line, bool is_accepted,
				   struct mt_span code)
{
	struct mt_facts *facts = &mail->facts;

	code = mt_span_first(code, sizeof(facts->code) - 1);
	memset(facts->code, 0, sizeof(facts->code));
	memcpy(facts->code, code.data, code.len);
	facts->is_unanswered = false;
	facts->response_ns = line->time_ns;
	facts->response = is_accepted ? MT_RESPONSE_ACCEPTED : MT_RESPONSE_REFUSED;
	mail->answer_seq = line->seq;
	mail->is_refusal_new = !is_accepted;
	mail->stage = is_accepted ? MT_STAGE_ACCEPTED : MT_STAGE_CLEAR;
	mt_framer_set(&mail->framer[MT_TO_SERVER], MT_FRAMING_LINES, 0);
	if (!is_accepted && facts->offered == MT_SEEN_YES)
		mt_dialogue_flag(mail, MT_ANOMALY_REFUSED_THOUGH_OFFERED);
}

enum mt_mechanism mt_dialogue_mechanism(const struct mt_mail_env *env, struct mt_span name)
{
	uint32_t found = mt_match_first(env->mechanisms, env->scratch, name);

	return found == MT_MATCH_NONE ? MT_MECHANISM_OTHER : (enum mt_mechanism)found;
}

unsigned mt_dialogue_auth_begins(struct mt_mail *mail, const struct mt_mail_env *env,
				 enum mt_mechanism mechanism)
{
	struct mt_facts *facts = &mail->facts;

	if (facts->auth_count == MT_MAIL_AUTHS_MAX) {
		env->cells[MT_CELL1(LOST, MT_LOSS_AUTH_LIMIT)]++;
		return MT_MAIL_AUTHS_MAX;
	}
	facts->auth[facts->auth_count].mechanism = (uint8_t)mechanism;
	facts->auth[facts->auth_count].outcome = MT_AUTH_UNKNOWN;
	return facts->auth_count++;
}

/* With these a listener learns a password or a token that works as one. */
static bool is_readable(enum mt_mechanism mechanism)
{
	switch (mechanism) {
	case MT_MECHANISM_PLAIN:
	case MT_MECHANISM_LOGIN:
	case MT_MECHANISM_USER:
	case MT_MECHANISM_XOAUTH:
	case MT_MECHANISM_XOAUTH2:
	case MT_MECHANISM_OAUTHBEARER:
		return true;
	default:
		return false;
	}
}

void mt_dialogue_auth_exposed(struct mt_mail *mail, unsigned slot)
{
	if (slot >= mail->facts.auth_count || !is_readable(mail->facts.auth[slot].mechanism))
		return;
	mt_dialogue_flag(mail, MT_ANOMALY_AUTH_IN_CLEAR);
	if (mail->facts.offered == MT_SEEN_YES)
		mt_dialogue_flag(mail, MT_ANOMALY_AUTH_THOUGH_OFFERED);
}

/* With these both sides may agree to wrap all that follows (RFC 4752 3.3, RFC 2831 2.3, RFC 2222 7.1). */
static bool may_wrap(enum mt_mechanism mechanism)
{
	switch (mechanism) {
	case MT_MECHANISM_DIGEST_MD5:
	case MT_MECHANISM_GSSAPI:
	case MT_MECHANISM_GSS_SPNEGO:
	case MT_MECHANISM_KERBEROS_V4:
	case MT_MECHANISM_SRP:
		return true;
	default:
		return false;
	}
}

bool mt_dialogue_begins_wrapped(struct mt_mail *mail)
{
	const struct mt_facts *facts = &mail->facts;

	for (unsigned i = 0; i < facts->auth_count; i++)
		if (facts->auth[i].outcome == MT_AUTH_SUCCESS && may_wrap(facts->auth[i].mechanism))
			mail->stage = MT_STAGE_OPAQUE;
	return mail->stage == MT_STAGE_OPAQUE;
}

void mt_dialogue_auth_ended(struct mt_mail *mail, unsigned slot, enum mt_auth outcome)
{
	if (slot < mail->facts.auth_count)
		mail->facts.auth[slot].outcome = (uint8_t)outcome;
}
