"""Tells people what is remembered of an incident: in Slack, or by the fallback webhook."""

import logging
from collections.abc import Callable

from pipeline.config import Slack
from pipeline.counts import Metrics
from pipeline.journal import Journal
from pipeline.metrics import SLACK_MESSAGES
from pipeline.notify.blocks import Background
from pipeline.notify.decide import Reason, channel_for, decide_page
from pipeline.notify.delivery import Delivery
from pipeline.notify.fallback import Fallback, FallbackError, unheard
from pipeline.notify.page import Alarm, Page, Slot
from pipeline.notify.phase import news
from pipeline.notify.slack import MessageGoneError, MessageRefusedError, Messenger, SlackDownError
from pipeline.notify.text import flat
from pipeline.pause import Pause, backoff

log = logging.getLogger(__name__)

BACKOFF_SECONDS = 2.0
BACKOFF_SECONDS_MAX = 60.0
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
        webhook = slack.fallback_webhook
        self._fallback = None if webhook is None else Fallback(webhook)
        self._now = now
        self._failures: dict[str, int] = {}
        self._rests: dict[str, Pause] = {}

    async def deliver(self, page: Page, background: Background, journal: Journal) -> None:
        """Show people what is remembered; what cannot be shown now stays dirty."""
        _note_alarm(page)
        reason = decide_page(page, page.incident, self._slack)
        channel = channel_for(page, page.incident, self._slack) or page.channel
        messenger = self._messenger if reason.tells else None
        if messenger is not None and self._rested(channel):
            delivery = Delivery(messenger, page, journal, self._now, self._counts)
            raised = reason is Reason.POST_RAISED
            page.dirty = not await self._attempt(delivery, channel, background, anew=raised)
        # an urgent incident is told by the fallback where there is no channel, too
        told = reason.tells or reason is Reason.NO_CHANNEL
        if told and self._wants_fallback(page) and self._rested(FALLBACK):
            await self._fall_back(page, background)
        if messenger is None and not (told and self._wants_fallback(page)):
            page.dirty = False

    def ready(self, page: Page) -> bool:
        """Whether there is any use in trying again now."""
        channel = channel_for(page, page.incident, self._slack) or page.channel
        reachable = self._messenger is not None and self._rested(channel)
        return reachable or (self._wants_fallback(page) and self._rested(FALLBACK))

    async def whisper(self, channel: str, user: str, text: str) -> None:
        """Answer one person, if Slack can be reached at all."""
        if self._messenger is None or not channel or not user:
            return
        try:
            await self._messenger.whisper(channel, user, flat(text, WHISPER_LENGTH_MAX))
        except (SlackDownError, MessageRefusedError, MessageGoneError) as error:
            log.warning("an answer to a click is not delivered: %s", error)

    async def _attempt(
        self, delivery: Delivery, channel: str, background: Background, *, anew: bool
    ) -> bool:
        """Whether everything was done."""
        try:
            await delivery.run(channel, background, anew=anew)
        except SlackDownError as error:
            self._counts.add(SLACK_MESSAGES, "failed")
            log.warning("Slack takes nothing: %s", error)
            self._rest(channel, error.retry_after_seconds)
            return False
        self._failures.pop(channel, None)
        return True

    def _rested(self, channel: str) -> bool:
        return channel not in self._rests or self._rests[channel].over(self._now())

    def _rest(self, channel: str, seconds: float | None) -> None:
        failures = self._failures.get(channel, 0) + 1
        self._failures[channel] = failures
        pause = max(backoff(failures, BACKOFF_SECONDS, 2.0, BACKOFF_SECONDS_MAX), seconds or 0.0)
        now = self._now()
        self._rests[channel] = Pause(now, now + pause)

    def _wants_fallback(self, page: Page) -> bool:
        return self._fallback is not None and page.dirty and unheard(page) is not None

    async def _fall_back(self, page: Page, background: Background) -> None:
        if self._fallback is None:
            return
        try:
            await self._fallback.tell(page, background, self._no_buttons(page))
        except FallbackError as error:
            log.warning("the fallback webhook does not take it: %s", error)
            self._rest(FALLBACK, error.retry_after_seconds)
        else:
            self._failures.pop(FALLBACK, None)
            self._counts.add(SLACK_MESSAGES, "fallback")

    def _no_buttons(self, page: Page) -> str:
        """Why there are none to press."""
        if self._messenger is None:
            return "Slack is not set up: there are no buttons."
        if not channel_for(page, page.incident, self._slack):
            return "No channel is set for it: there are no buttons."
        return "Slack cannot be reached: the buttons follow when it can."


def _note_alarm(page: Page) -> None:
    """Raise the alarm once for each occasion; a message that is not posted yet says so itself."""
    occasion = news(page)
    if occasion is not None and occasion != page.alarm.occasion:
        page.alarm = Alarm(occasion=occasion, slot=Slot(given_up=not page.posted))
