"""Poll as a stage: what providers bill, into the topic of bills.

It reads the topic that it writes to only because the worker that is given a topic's partition is
the one that is active. Providers are asked in the background, so that a slow one holds nobody up.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import msgspec

from pipeline import metrics
from pipeline.config import Config
from pipeline.counts import Metrics
from pipeline.journal import Journal, remembered
from pipeline.message import Message
from pipeline.pause import Pause
from pipeline.poll.asking import Asker, AskingError, Reason, askers
from pipeline.poll.report import HOUR, LeftOut, Line, Report
from schemas.provider_usage import ProviderUsage
from schemas.topics import PROVIDER_USAGE, Topic

log = logging.getLogger(__name__)

REASONS: Final[tuple[Reason, ...]] = ("key_refused", "throttled", "unavailable", "unreadable")
LEFT_OUT: Final[tuple[LeftOut, ...]] = ("no_key", "batch", "malformed")
_LINES: Final = msgspec.json.Decoder(dict[str, Line])


class Poller:
    """Asks one provider again and again, and says how that goes."""

    def __init__(self, asker: Asker, interval_seconds: float, counts: Metrics) -> None:
        self.name = asker.provider.name
        self._asker = asker
        self._interval = interval_seconds
        self._counts = counts
        self._asking: asyncio.Task[Report | AskingError] | None = None
        self._rest: Pause | None = None
        self._problem: str | None = None

    def look(self, now: float) -> Report | None:
        """Begin a round when it is time; once a round is over, what was reported."""
        if self._rest is None:
            self._rest = Pause(now, now)
            self._show_age(time.monotonic())
            for reason in REASONS:
                self._counts.add(metrics.POLL_FAILURES, self.name, reason, by=0)
        if self._asking is None:
            if self._rest.over(now):
                self._asking = asyncio.create_task(self._ask(now))
            return None
        if not self._asking.done():
            return None
        found, self._asking = self._asking.result(), None
        self._rest = Pause(now, now + self._interval)
        if isinstance(found, AskingError):
            self._say(str(found))
            return None
        return found

    def done(self, report: Report) -> None:
        """Note that everything in a report is durable."""
        self._show_age(time.monotonic())
        for reason in LEFT_OUT:
            count = partial(float, report.left_out[reason])
            self._counts.follow(metrics.POLL_LEFT_OUT, self.name, reason, value=count)
        malformed = report.left_out["malformed"]
        self._say("rows that cannot be used were left out" if malformed else None)

    async def _ask(self, now: float) -> Report | AskingError:
        try:
            return await self._asker.report(Report(now), self._count_failure)
        except AskingError as error:
            return error

    def _count_failure(self, reason: Reason) -> None:
        self._counts.add(metrics.POLL_FAILURES, self.name, reason)

    def _show_age(self, since: float) -> None:
        self._counts.follow(metrics.POLL_AGE, self.name, value=lambda: time.monotonic() - since)

    def _say(self, problem: str | None) -> None:
        """Say what is wrong once, and once that it is over."""
        if problem == self._problem:
            return
        self._problem = problem
        if problem is None:
            log.info("%s tells its usage again", self.name)
        else:
            log.warning("%s does not tell all of its usage: %s", self.name, problem)


class PollStage:
    """Hands on what providers report, and again what they correct."""

    reads: tuple[Topic, ...] = (PROVIDER_USAGE,)
    first: tuple[Topic, ...] = ()
    acts_on: tuple[Topic, ...] = ()

    def __init__(self, pollers: Sequence[Poller], counts: Metrics) -> None:
        self._pollers = pollers
        self._counts = counts

    @classmethod
    def from_config(cls, config: Config, counts: Metrics) -> "PollStage":
        """The stage as configured."""
        interval = config.poll.interval_seconds
        return cls([Poller(asker, interval, counts) for asker in askers(config.poll)], counts)

    async def handle(self, message: Message, journal: Journal) -> None:
        """Nothing: bills are read by others."""

    async def tick(self, now: float, journal: Journal) -> None:
        """Hand on what came meanwhile."""
        for poller in self._pollers:
            report = poller.look(now)
            if report is not None:
                await self._hand_on(poller.name, report, journal)
                poller.done(report)

    async def _hand_on(self, provider: str, report: Report, journal: Journal) -> None:
        """What was not handed on before, oldest first, an hour at a time."""
        _forget(provider, report.start, journal)
        for start, keys in sorted(report.hours.items()):
            sent = 0
            for key, lines in sorted(keys.items()):
                name = f"{provider}/{start}/{key}"
                before, raw = journal.get(name), msgspec.json.encode(dict(sorted(lines.items())))
                if before == raw:
                    continue
                for bill in _bills(provider, key, start, _whole(before, lines), report.observed_at):
                    await journal.publish(PROVIDER_USAGE, bill, key=key)
                    sent += 1
                journal.put(name, raw)
            await journal.commit()
            self._counts.add(metrics.POLLED, provider, by=sent)


def _whole(before: bytes | None, lines: dict[str, Line]) -> dict[str, Line]:
    """All lines of a bill, since who reads it may have forgotten the hour; 0 where one is gone.

    What became less comes first: a bill is judged line by line, and what moved from one to another
    would be billed twice meanwhile.
    """
    known = _LINES.decode(before) if before is not None else {}

    def growth(model: str) -> int:
        return whole[model].tokens - known.get(model, Line()).tokens

    whole = {model: Line() for model in known} | lines
    return {model: whole[model] for model in sorted(whole, key=lambda each: (growth(each), each))}


def _bills(
    provider: str, key: str, start: int, lines: dict[str, Line], observed_at: float
) -> Iterator[ProviderUsage]:
    for model, line in lines.items():
        yield ProviderUsage(
            provider=provider,
            provider_key_id=key,
            model=model or None,
            window_start=float(start),
            window_end=float(start + HOUR),
            requests=line.requests,
            input_tokens=line.input_tokens,
            cached_input_tokens=line.cached_input_tokens,
            output_tokens=line.output_tokens,
            observed_at=observed_at,
        )


def _forget(provider: str, before: int, journal: Journal) -> None:
    """Hours that are not read again."""
    for key in remembered(f"{provider}/", journal):
        if int(key.partition("/")[0]) < before:
            journal.put(f"{provider}/{key}", None)
