"""The demo: a fleet, a theft, a page, a click, a dead key; only Slack and gateway are stand-ins."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console

from detectors.words import cents
from pipeline.demo import show
from pipeline.demo.fleet import DemoFleet, batches, demo_fleet
from pipeline.demo.slack_conversations import SlackMessage
from pipeline.demo.stand_ins import ENGINEER, StandIns, stand_ins
from pipeline.embedded import Embedded, embedded
from schemas.action import ActionResult
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.topics import ACTION_RESULTS, INCIDENTS, KEYS

HISTORY_BATCH = 500
LIVE_BATCH = 10
VERIFY_SECONDS_MAX = 20.0


class DemoError(Exception):
    """The demo did not show what it is there to show."""


@dataclass
class Demo:
    """The parts of the demo, and what has been seen so far."""

    console: Console
    parts: Embedded
    others: StandIns
    shown: int = 0
    """Incident revisions that have been shown."""
    latest: dict[str, Incident] = field(default_factory=dict)

    async def history(self, fleet: DemoFleet) -> None:
        """Learn from a week of use."""
        show.heading(self.console, "1. A week of honest use, folded into the engine")
        for record in fleet.keys:
            await self.parts.bus.publish(KEYS, record, key=record.key_id)
        await self.parts.bus.run_until_quiet()
        started = time.perf_counter()
        for batch in batches(fleet.history, HISTORY_BATCH):
            await self.parts.log.send_packed(batch)
            await self.parts.bus.run_until_quiet()
        await self.parts.settle()
        seconds = time.perf_counter() - started
        show.line(
            self.console,
            f"{len(fleet.history):,} events of {len(fleet.keys)} keys, "
            f"{fleet.changes} benign changes among them",
        )
        show.line(
            self.console,
            f"folded, stored and watched in {seconds:.1f} s "
            f"({len(fleet.history) / max(seconds, 1e-9):,.0f} events/s)",
        )
        self.tell()

    async def theft(self, fleet: DemoFleet) -> Incident:
        """The last minutes, until somebody is woken.

        Raises:
            DemoError: nobody was.
        """
        show.heading(self.console, "2. A key leaks: the last minutes, a few events at a time")
        key_id = fleet.theft.key_id
        for batch in batches(fleet.live, LIVE_BATCH):
            await self.parts.log.send_packed(batch)
            await self.parts.bus.run_until_quiet()
            self.tell()
            paged = [i for i in self.latest.values() if i.severity == "page" and i.key_id == key_id]
            if paged:
                return paged[0]
        raise DemoError(f"{key_id}: the theft was not paged")

    def page(self, incident: Incident) -> SlackMessage:
        """The message in Slack, shown.

        Raises:
            DemoError: there is none.
        """
        message = self.others.page_about(incident.incident_id)
        if message is None:
            raise DemoError("Slack has no message about the incident")
        show.heading(self.console, "3. The engineer on call is paged")
        show.slack_message(self.console, message, "on-call")
        return message

    async def revoke(self, message: SlackMessage, incident: Incident) -> None:
        """Click, as Slack would send it, and wait until a probe says that the key is dead.

        Raises:
            DemoError: the click was refused, or the key lives on.
        """
        show.heading(self.console, "4. A click on Revoke, signed as Slack signs it")
        url = f"{self.parts.url}/v1/slack/interactions"
        status = await self.others.slack.click(message, "revoke", ENGINEER, url)
        show.line(self.console, f"POST {url} answers {status}")
        deadline = time.monotonic() + VERIFY_SECONDS_MAX
        while time.monotonic() < deadline:
            await self.parts.settle()
            results = self.published_results()
            if any(result.status == "verified" for result in results):
                break
            await asyncio.sleep(0.1)
        for result in self.published_results():
            show.outcome(self.console, result)
        if incident.key_id not in self.others.gateway.revoked:
            raise DemoError(f"{incident.key_id}: the gateway still lets the key in")
        show.line(self.console, f"the gateway now refuses {incident.key_id}", "bold green")

    def published_results(self) -> list[ActionResult]:
        """Outcomes so far."""
        topic = self.parts.bus.topics[ACTION_RESULTS.name]
        return [msgspec.json.decode(each.value, type=ActionResult) for each in topic]

    def tell(self) -> None:
        """Show the incidents' revisions that came since the last time."""
        topic = self.parts.bus.topics[INCIDENTS.name]
        for message in topic[self.shown :]:
            incident = msgspec.json.decode(message.value, type=Incident)
            before = self.latest.get(incident.incident_id)
            self.latest[incident.incident_id] = incident
            if before is None or (before.severity, before.cause) != (
                incident.severity,
                incident.cause,
            ):
                show.revision(self.console, incident)
        self.shown = len(topic)

    def answers(self, incident: Incident, folder: Path) -> None:
        """Where the key was used from, as the store has it."""
        show.heading(self.console, "5. What ClickHouse knows about it")
        show.sources(self.console, self.parts.store, folder, incident.key_id)

    def summary(self, fleet: DemoFleet, incident: Incident) -> None:
        """What it was worth."""
        took = epoch(incident.detected_at) - epoch(fleet.theft.started_at)
        show.heading(self.console, "In short")
        show.line(
            self.console,
            f"first stolen request to page: {took:.0f} s of event time, "
            f"{cents(incident.spend_usd)} lost",
        )
        show.line(
            self.console,
            f"left alone, the thief would have spent {cents(fleet.stolen_usd_in_the_end)}",
        )
        others = sum(
            each.severity == "page" and each.key_id != fleet.theft.key_id
            for each in self.latest.values()
        )
        show.line(self.console, f"pages about honest keys: {others}")


async def run_demo(console: Console, folder: Path, *, keep_serving: bool, port: int = 0) -> None:
    """Show everything on this machine, with no other service.

    Args:
        console: where it is shown.
        folder: of the embedded store; new.
        keep_serving: leave the console's web page open until cancelled.
        port: of the server; 0 takes a free one.

    Raises:
        DemoError: it did not work.
    """
    async with AsyncExitStack() as stack:
        others = await stack.enter_async_context(stand_ins())
        parts = await stack.enter_async_context(embedded(others.config(folder, port)))
        demo = Demo(console, parts, others)
        show.line(console, f"console: {parts.url}/")
        fleet = await asyncio.to_thread(demo_fleet, time.time() - 1)
        await demo.history(fleet)
        incident = await demo.theft(fleet)
        message = demo.page(incident)
        await demo.revoke(message, incident)
        await demo.parts.settle()
        demo.answers(incident, folder)
        demo.summary(fleet, demo.latest[incident.incident_id])
        if keep_serving:
            show.heading(console, f"The console is open at {demo.parts.url}/ (Ctrl-C ends it)")
            await demo.parts.keep_going()
