"""Brings Slack in line with what is remembered of an incident, exactly one message for each.

The intent to post is durable before the post. Where an intent has no message id, because of a
crash or a time-out, the channel is searched for the message before another is posted.
"""

from collections.abc import Callable

import msgspec
import structlog

from pipeline.config import Slack
from pipeline.journal import Journal
from pipeline.metrics import SLACK_MESSAGES, Metrics
from pipeline.notify.blocks import Background, evidence_card, fallback_text, page_card
from pipeline.notify.decide import Reason, channel_for, decide_page
from pipeline.notify.fleet_card import fleet_card, fleet_text, members_card
from pipeline.notify.kit import Card
from pipeline.notify.page import Page, Slot, save
from pipeline.notify.slack import MessageGoneError, MessageRefusedError, Messenger, SlackDownError
from pipeline.notify.text import flat
from pipeline.outgoing.http import Request, UnreachableError, send
from pipeline.outgoing.http_outcomes import http_outcome
from pipeline.pause import Pause

log = structlog.get_logger(__name__)

BACKOFF_SECONDS_MAX = 60.0
FALLBACK_TIMEOUT_SECONDS = 5.0
WHISPER_LENGTH_MAX = 500
FALLBACK = "fallback"
"""Rests like a channel; no channel has such an id."""


class Courier:
    """Delivers pages; a channel that fails rests for a while, and others go on."""

    def __init__(
        self,
        messenger: Messenger | None,
        slack: Slack,
        now: Callable[[], float],
        counts: Metrics,
    ) -> None:
        self._counts = counts
        self._messenger = messenger
        self._slack = slack
        self._now = now
        self._failures: dict[str, int] = {}
        self._rests: dict[str, Pause] = {}

    async def deliver(self, page: Page, background: Background, journal: Journal) -> None:
        """Show people what is remembered; what cannot be shown now stays dirty."""
        reason = decide_page(page, page.incident, self._slack)
        channel = channel_for(page, page.incident, self._slack)
        messenger = self._messenger if reason.tells else None
        if messenger is not None and self._rested(channel):
            await self._attempt(messenger, page, channel, background, journal)
        # an urgent incident is told by the fallback where there is no channel, too
        waits = (reason.tells or reason is Reason.NO_CHANNEL) and self._wants_fallback(page)
        if waits and self._rested(FALLBACK):
            await self._fall_back(page, background)
        if messenger is None and (page.fallback_sent or not waits):
            page.dirty = False

    def ready(self, page: Page) -> bool:
        """Whether there is any use in trying again now."""
        channel = channel_for(page, page.incident, self._slack)
        reachable = self._messenger is not None and self._rested(channel)
        return reachable or (self._wants_fallback(page) and self._rested(FALLBACK))

    async def whisper(self, channel: str, user: str, text: str) -> None:
        """Answer one person, if Slack can be reached at all."""
        if self._messenger is None or not channel or not user:
            return
        try:
            await self._messenger.whisper(channel, user, flat(text, WHISPER_LENGTH_MAX))
        except (SlackDownError, MessageRefusedError, MessageGoneError) as error:
            log.warning("answer to a click not delivered", why=str(error))

    async def _attempt(
        self,
        messenger: Messenger,
        page: Page,
        channel: str,
        background: Background,
        journal: Journal,
    ) -> None:
        try:
            delivery = _Delivery(messenger, page, journal, self._now, self._counts)
            await delivery.run(channel, background)
        except SlackDownError as error:
            self._counts.add(SLACK_MESSAGES, "failed")
            log.warning("slack takes nothing", why=str(error))
            self._rest(channel, error.retry_after_seconds)
        else:
            self._failures.pop(channel, None)
            page.dirty = False

    def _rested(self, channel: str) -> bool:
        return channel not in self._rests or self._rests[channel].over(self._now())

    def _rest(self, channel: str, seconds: float | None) -> None:
        failures = self._failures.get(channel, 0) + 1
        self._failures[channel] = failures
        pause = max(min(BACKOFF_SECONDS_MAX, 2.0**failures), seconds or 0.0)
        now = self._now()
        self._rests[channel] = Pause(now, now + pause)

    def _wants_fallback(self, page: Page) -> bool:
        """Whether somebody has to be told by the fallback: urgent, and nobody was told."""
        urgent = page.incident.severity == "page" or bool(page.actions)
        told = page.fallback_sent or page.message.ts is not None or not page.dirty
        return self._slack.fallback_webhook is not None and urgent and not told

    async def _fall_back(self, page: Page, background: Background) -> None:
        """Use the fallback webhook, once per incident.

        A crash just after it sends it again, which is better than silence, under the same
        `Idempotency-Key`: a receiver that knows the header tells it once.
        """
        webhook = self._slack.fallback_webhook
        if webhook is None:
            return
        text = _words(page, background)
        request = Request(
            "POST",
            webhook.get_secret_value(),
            {
                "content-type": "application/json",
                "idempotency-key": f'"{page.incident.incident_id}"',
            },
            msgspec.json.encode({"text": text}),
        )
        try:
            # the operator chose this address, and may well have it within his own network
            answer = await send(request, timeout_seconds=FALLBACK_TIMEOUT_SECONDS, allowed=None)
        except UnreachableError as error:
            log.warning("fallback webhook cannot be reached", why=str(error))
            self._rest(FALLBACK, None)
            return
        page.fallback_sent = http_outcome(answer.status) == "delivered"
        if page.fallback_sent:
            self._failures.pop(FALLBACK, None)
            self._counts.add(SLACK_MESSAGES, "fallback")
        else:
            log.warning("fallback webhook refuses", status=answer.status)
            self._rest(FALLBACK, answer.retry_after_seconds)


class _Delivery:
    """One attempt to bring one incident's messages up to date."""

    def __init__(
        self,
        messenger: Messenger,
        page: Page,
        journal: Journal,
        now: Callable[[], float],
        counts: Metrics,
    ) -> None:
        self._messenger = messenger
        self._page = page
        self._journal = journal
        self._now = now
        self._counts = counts

    async def run(self, channel: str, background: Background) -> None:
        """Move, post or update the message, then its evidence.

        Raises:
            SlackDownError: not everything was done.
        """
        page = self._page
        if page.channel and page.channel != channel:
            await self._leave(_card(page, background))
        page.channel = channel
        await self._show(page.message, _card(page, background), None)
        if page.message.ts is not None and not page.message.given_up:
            await self._explain(page.message.ts)

    async def _explain(self, thread_ts: str) -> None:
        """Put the evidence into the thread; a Slack that will not have it is not asked again."""
        try:
            await self._show(self._page.evidence, _evidence(self._page), thread_ts)
        except SlackDownError as error:
            if not error.lasting:
                raise
            log.warning("slack takes no evidence", why=str(error))
            self._page.evidence.given_up = True

    async def _leave(self, card: Card) -> None:
        """Remove message and evidence from the channel that an incident moves out of."""
        page = self._page
        thread_ts = await self._locate(page.message, card, None)
        if thread_ts is not None:
            # First what hangs below: Slack keeps the replies of a message that is gone.
            reply_ts = await self._locate(page.evidence, _evidence(page), thread_ts)
            if reply_ts is not None:
                await self._messenger.remove(page.channel, reply_ts)
            await self._messenger.remove(page.channel, thread_ts)
        page.message, page.evidence = Slot(), Slot()

    async def _locate(self, slot: Slot, card: Card, thread_ts: str | None) -> str | None:
        """Where a message is, if it was posted."""
        if slot.ts is None and slot.intended_at is not None:
            slot.ts = await self._find(slot, card, thread_ts)
        return slot.ts

    async def _show(self, slot: Slot, card: Card, thread_ts: str | None) -> None:
        if slot.given_up:
            return
        posted = await self._locate(slot, card, thread_ts)
        if posted is not None and slot.digest == card.digest:
            return
        try:
            await self._put(slot, card, thread_ts)
        except MessageRefusedError as error:
            log.warning("slack refuses the blocks", why=str(error), incident_id=card.incident_id)
            await self._put_plain(slot, card, thread_ts)
        except MessageGoneError:
            slot.given_up = True

    async def _put(self, slot: Slot, card: Card, thread_ts: str | None) -> None:
        if slot.ts is None:
            slot.intended_at = slot.intended_at or self._now()
            save(self._page, self._journal)
            await self._journal.commit()
            slot.ts = await self._messenger.post(self._page.channel, card, thread_ts)
            self._counts.add(SLACK_MESSAGES, "posted")
        else:
            await self._messenger.update(self._page.channel, slot.ts, card)
            self._counts.add(SLACK_MESSAGES, "updated")
        slot.digest = card.digest

    async def _put_plain(self, slot: Slot, card: Card, thread_ts: str | None) -> None:
        """Say it in words alone; evidence that Slack refuses is given up."""
        if thread_ts is not None:
            slot.given_up = True
            return
        try:
            await self._put(slot, card.plain(), thread_ts)
        except (MessageRefusedError, MessageGoneError) as error:
            raise SlackDownError(str(error)) from None
        slot.digest = card.digest

    async def _find(self, slot: Slot, card: Card, thread_ts: str | None) -> str | None:
        since = slot.intended_at or self._now()
        return await self._messenger.find(self._page.channel, card, since, thread_ts)


def _card(page: Page, background: Background) -> Card:
    if page.fleet is not None:
        return fleet_card(page, page.fleet, background)
    return page_card(page, background)


def _evidence(page: Page) -> Card:
    return evidence_card(page) if page.fleet is None else members_card(page, page.fleet)


def _words(page: Page, background: Background) -> str:
    if page.fleet is not None:
        return fleet_text(page, page.fleet)
    return fallback_text(page, background.key_record)
