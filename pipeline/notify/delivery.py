"""One attempt to bring the messages of one incident in line with what is remembered of it.

The intent to post is durable before the post. Where an intent has no message id, because of a
crash or a time-out, the channel is searched for the message before another is posted.
"""

import logging
from collections.abc import Callable

from pipeline.counts import Metrics
from pipeline.journal import Journal
from pipeline.metrics import SLACK_MESSAGES
from pipeline.notify.blocks import Background, evidence_card, headline, page_card
from pipeline.notify.fleet_card import fleet_card, members_card
from pipeline.notify.kit import Card
from pipeline.notify.page import Page, Slot, save
from pipeline.notify.phase import news
from pipeline.notify.slack import MessageGoneError, MessageRefusedError, Messenger, SlackDownError
from pipeline.notify.states import alarm_card

log = logging.getLogger(__name__)


class Delivery:
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

    async def run(self, channel: str, background: Background, *, anew: bool) -> None:
        """Post or update the message, then what hangs below it.

        Args:
            channel: where it belongs.
            background: what it says beside the incident.
            anew: take away what was posted before: people are to hear of it once more.

        Raises:
            SlackDownError: not everything was done.
        """
        page = self._page
        if anew:
            await self._leave(background)
        page.channel = channel
        if not page.posted:
            page.posted_urgent = page.urgent
        await self._show(page.message, _card(page, background), None)
        thread_ts = None if page.message.given_up else page.message.ts
        if page.alarm.occasion == news(page):
            await self._alarm(_alarm(page, background), thread_ts)
        if thread_ts is not None:
            await self._explain(thread_ts, background)

    async def _alarm(self, card: Card, thread_ts: str | None) -> None:
        """Reply for the whole channel to see; in words of its own where there are no threads."""
        slot = self._page.alarm.slot
        try:
            await self._show(slot, card, thread_ts)
        except SlackDownError as error:
            if thread_ts is None or not error.lasting:
                raise
            await self._show(slot, card, None)

    async def _explain(self, thread_ts: str, background: Background) -> None:
        """Put the evidence into the thread; a Slack that will not have it is not asked again."""
        try:
            await self._show(self._page.evidence, _evidence(self._page, background), thread_ts)
        except SlackDownError as error:
            if not error.lasting:
                raise
            log.warning("Slack takes no evidence: %s", error)
            self._page.evidence.given_up = True

    async def _leave(self, background: Background) -> None:
        """Remove the message and what hangs below it from where they are."""
        page = self._page
        thread_ts = await self._locate(page.message, _card(page, background), None)
        if thread_ts is not None:
            # First what hangs below: Slack keeps the replies of a message that is gone.
            replies = (
                (page.evidence, _evidence(page, background)),
                (page.alarm.slot, _alarm(page, background)),
            )
            for slot, card in replies:
                reply_ts = await self._locate(slot, card, thread_ts)
                if reply_ts is not None:
                    await self._messenger.remove(page.channel, reply_ts)
            await self._messenger.remove(page.channel, thread_ts)
        page.message, page.evidence = Slot(), Slot()
        page.alarm.slot = Slot(given_up=True)  # the new message says it

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
            log.warning("Slack refuses the blocks of %s: %s", card.incident_id, error)
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
        """Say it in words alone; a reply that Slack refuses is given up."""
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


def _evidence(page: Page, background: Background) -> Card:
    if page.fleet is not None:
        return members_card(page, page.fleet, background)
    return evidence_card(page)


def _alarm(page: Page, background: Background) -> Card:
    return alarm_card(page, headline(page, background.key_record))
