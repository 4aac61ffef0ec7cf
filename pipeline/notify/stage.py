"""From incidents to people and back: pages, clicks, and what the policy wants.

What is to be said is remembered first; Slack is brought in line with it at once when it answers,
and by `tick` when it does not. Actions never wait for Slack, and Slack shows what is durable.
"""

import logging
from collections.abc import Callable
from typing import Self

from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.journal import Journal
from pipeline.message import Message
from pipeline.metrics import REQUESTED
from pipeline.notify import early
from pipeline.notify import page as pages
from pipeline.notify.authority import Authority
from pipeline.notify.clicks import Click, judge_click, read_click, said_by
from pipeline.notify.courier import Courier
from pipeline.notify.decide import decide_revision
from pipeline.notify.gathering import Gathering, about_each
from pipeline.notify.page import Page
from pipeline.notify.slack import Messenger, SlackMessenger
from pipeline.notify.slack_client import web_client
from pipeline.notify.snoozes import Snoozes
from pipeline.records import read_record
from pipeline.registry import key_record, remember_key
from pipeline.response.decide import decide
from pipeline.response.ledger import count_automatic, history
from pipeline.response.policy import Rulebook
from schemas.action import Action, ActionResult
from schemas.incident import Incident
from schemas.topics import (
    ACTED_HEADER,
    ACTION_RESULTS,
    ACTIONS,
    CLICKS,
    INCIDENTS,
    KEYS,
    RECORD_HEADER,
    USAGE_EVENTS,
    VERDICTS,
    Topic,
)
from schemas.verdict import Verdict

log = logging.getLogger(__name__)
KEEP_SECONDS = 90 * 86_400.0
"""An incident is remembered so long after its last change."""
SWEEP_SECONDS = 3600.0


class NotifyStage:
    """Tells people, hears them, and asks for what they or the policy want."""

    reads: tuple[Topic, ...] = (INCIDENTS, ACTION_RESULTS, CLICKS, VERDICTS, KEYS)
    first: tuple[Topic, ...] = (KEYS,)
    acts_on: tuple[Topic, ...] = (INCIDENTS, ACTION_RESULTS, CLICKS, VERDICTS)

    def __init__(
        self,
        config: Config,
        messenger: Messenger | None,
        rulebook: Rulebook,
        now: Callable[[], float],
        counts: Metrics,
    ) -> None:
        self._slack = config.slack
        self._rules = rulebook
        self._authority = Authority(config, rulebook)
        self._now = now
        self._counts = counts
        self._courier = Courier(messenger, config.slack, now, counts)
        self._gathering = Gathering(config.slack)
        self._dirty: set[str] | None = None
        self._snoozes = Snoozes()
        self._swept_at = 0.0

    @classmethod
    def from_config(cls, config: Config, now: Callable[[], float], counts: Metrics) -> Self:
        """The stage as configured; without a token, the fallback webhook alone is used."""
        token = config.slack.token
        messenger = None if token is None else SlackMessenger(web_client(config.slack))
        return cls(config, messenger, Rulebook.read(config.response.policy), now, counts)

    async def handle(self, message: Message, journal: Journal) -> None:
        """Take a revision, an outcome, a click, a verdict from elsewhere or a key's entry."""
        if message.topic == KEYS.name:
            remember_key(message, journal)
        elif message.topic == CLICKS.name:
            await self._take_click(message, journal)
        elif message.topic == VERDICTS.name:
            await self._take_verdict(message, journal)
        elif message.topic == ACTION_RESULTS.name:
            await self._take_result(message, journal)
        else:
            await self._take_incident(message, journal)

    async def tick(self, now: float, journal: Journal) -> None:
        """End snoozes, say what could not be said before, forget what is old."""
        for incident_id in sorted(self._unsaid(journal)):
            page = pages.load(incident_id, journal)
            if page is not None and self._courier.ready(page):
                await self._show(page, journal)
        for incident_id in self._snoozes.take_ended(now, journal):
            await self._end_snooze(incident_id, journal)
        if now >= self._swept_at + SWEEP_SECONDS:
            self._swept_at = now
            self._sweep(journal, now)

    async def _take_incident(self, message: Message, journal: Journal) -> None:
        incident = read_record(message, Incident)
        if incident is None:
            return
        page = pages.load(incident.incident_id, journal)
        reason = decide_revision(page, incident, self._slack)
        log.info("%s, revision %d: %s", incident.incident_id, incident.revision, reason.value)
        if not reason.news:
            return
        page = pages.revised(page, incident)
        for verdict in early.take(incident.incident_id, journal):
            pages.judged(page, verdict)
        await self._apply_policy(page, journal)
        await self._say(page, journal)

    async def _take_result(self, message: Message, journal: Journal) -> None:
        result = read_record(message, ActionResult)
        page = None
        if result is not None and result.incident_id is not None:
            page = pages.load(result.incident_id, journal)
        if result is not None and page is not None:
            pages.acted(page, result)
            await self._say(page, journal)

    async def _take_verdict(self, message: Message, journal: Journal) -> None:
        """Pass on what was said elsewhere.

        What was said here was dealt with when it was; if it was not committed to, it never was.
        """
        verdict = None if ACTED_HEADER in message.headers else read_record(message, Verdict)
        page = None if verdict is None else await self._judge(verdict, journal)
        if page is not None:
            await self._say(page, journal)

    async def _judge(self, verdict: Verdict, journal: Journal) -> Page | None:
        """Apply what was said to its incident, and tell detection; the page, if it changed."""
        page = pages.load(verdict.incident_id, journal)
        if page is None:
            early.keep(verdict, self._now(), journal)
        elif not pages.judged(page, verdict):
            return None
        header = {RECORD_HEADER: "verdict"}
        await journal.publish(USAGE_EVENTS, verdict, key=verdict.key_id, headers=header)
        return page

    async def _take_click(self, message: Message, journal: Journal) -> None:
        click = read_click(message.value)
        if click is None:
            return
        page = pages.load(click.incident_id, journal)
        refusal = judge_click(click, page, self._authority.powers(page, journal))
        if refusal is not None:
            log.info("%s of %s refused: %s", click.button, click.user, refusal.reason)
            if refusal.answered:
                await self._courier.whisper(click.channel, click.user, refusal.reason)
        elif page is not None:
            await self._act(click, page, journal)

    async def _act(self, click: Click, page: Page, journal: Journal) -> None:
        """Publish what a person said, and the action that he asked for."""
        log.info("%s of %s about %s", click.button, click.user, click.incident_id)
        page.clicks = [*page.clicks, click.click_id][-pages.CLICKS_MAX :]
        if click.name:
            page.names[click.user] = click.name
        now = self._now()
        verdict = said_by(click, page, now)
        if page.fleet is not None:
            pages.judged(page, verdict)
        self._keep(page, journal)
        for said in about_each(verdict, page):
            header = {ACTED_HEADER: "click"}
            await journal.publish(VERDICTS, said, key=said.incident_id, headers=header)
            judged = await self._judge(said, journal)
            if judged is not None:
                self._note(judged, journal)
        page = pages.load(click.incident_id, journal) or page  # as it is by now
        if click.button == "revoke":
            await self._request(page, f"slack:{click.user}", now, journal)
        await self._say(page, journal)

    async def _apply_policy(self, page: Page, journal: Journal) -> None:
        """Ask for what the policy wants; once something was done or said, people decide."""
        if page.actions or page.verdict is not None or page.snoozed_until is not None:
            return
        record = key_record(page.incident.key_id, journal)
        now = self._now()
        decision = decide(self._rules.policy, page.incident, record, history(journal), now)
        if page.acknowledged_by is not None:
            decision = decision.once_taken(page.acknowledged_by)
        page.rule = decision.rule
        page.policy_note = decision.reason if decision.step == "ask" else self._rules.problem
        if decision.step == "revoke" and decision.not_before is not None:
            page.policy_note = decision.reason
            await self._request(
                page,
                f"policy:{decision.rule}",
                decision.not_before,
                journal,
                dry_run=decision.dry_run,
            )

    async def _request(
        self, page: Page, by: str, not_before: float, journal: Journal, *, dry_run: bool = False
    ) -> None:
        """Publish a revocation."""
        record = key_record(page.incident.key_id, journal)
        now = self._now()
        action = Action(
            action_id=pages.action_id(page, "revoke", dry_run=dry_run),
            incident_id=page.incident.incident_id,
            key_id=page.incident.key_id,
            kind="revoke",
            gateway=self._authority.gateway(record),
            requested_by=by,
            requested_at=now,
            not_before=not_before if not_before > now else None,
            dry_run=dry_run,
        )
        pages.requested(page, action)
        if not action.by_person:
            count_automatic(action, journal, now)
        await journal.publish(ACTIONS, action, key=action.key_id)
        self._counts.add(REQUESTED, action.kind, "person" if action.by_person else "policy")

    async def _say(self, page: Page, journal: Journal) -> None:
        """Remember a page, and bring the message that tells of it in line with it."""
        shown = self._note(page, journal)
        if shown:
            await journal.commit()  # Slack may take long, and what was asked for does not wait
        for each in shown:
            await self._show(each, journal)

    def _note(self, page: Page, journal: Journal) -> list[Page]:
        """Remember a page, and the one whose message tells of it; those to be shown at once."""
        told = self._gathering.sort(page, journal)
        self._keep(page, journal)
        for each in told:
            self._remember(each, journal)
        # what many keys did to a notice waits for `tick`
        return [each for each in told if each is page or not each.posted]

    async def _show(self, page: Page, journal: Journal) -> None:
        self._remember(page, journal)
        await self._courier.deliver(page, self._authority.background(page, journal), journal)
        pages.save(page, journal)
        if not page.dirty:
            self._unsaid(journal).discard(page.incident.incident_id)

    def _remember(self, page: Page, journal: Journal) -> None:
        self._keep(page, journal)
        self._unsaid(journal).add(page.incident.incident_id)

    def _keep(self, page: Page, journal: Journal) -> None:
        page.touched_at = self._now()
        pages.save(page, journal)
        self._snoozes.note(page)

    async def _end_snooze(self, incident_id: str, journal: Journal) -> None:
        page = pages.load(incident_id, journal)
        if page is not None and page.snoozed_until is not None:
            page.snoozed_until, page.snooze_ended, page.dirty = None, True, True
            await self._say(page, journal)

    def _unsaid(self, journal: Journal) -> set[str]:
        """Ids of incidents that people have not been shown in full; read once."""
        if self._dirty is None:
            self._dirty = set()
            for page in pages.load_all(journal):
                if page.dirty:
                    self._dirty.add(page.incident.incident_id)
                self._snoozes.note(page)
        return self._dirty

    def _sweep(self, journal: Journal, now: float) -> None:
        for page in pages.load_all(journal):
            if page.touched_at < now - KEEP_SECONDS:
                journal.put(pages.PREFIX + page.incident.incident_id, None)
        early.forget(now - KEEP_SECONDS, journal)
