"""A whole on-call loop for tests: fake Slack, fake gateway, both stages on an in-process log."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from pydantic import SecretStr

from pipeline.config import Config, Gateway, Response, Slack
from pipeline.counts import Metrics
from pipeline.demo.fake_gateway import FakeGateway
from pipeline.demo.fake_slack import FakeSlack
from pipeline.demo.slack_conversations import SlackMessage
from pipeline.journal import Journal
from pipeline.metrics import WORKER_METRICS
from pipeline.notify.signature import interaction_from_request
from pipeline.notify.slack import SlackMessenger
from pipeline.notify.slack_client import web_client
from pipeline.notify.stage import NotifyStage
from pipeline.response.adapters import adapters
from pipeline.response.enforce import EnforceStage
from pipeline.response.policy import Policy, Rulebook
from schemas.action import ActionResult
from schemas.incident import Incident
from schemas.key_record import KeyRecord
from schemas.topics import ACTION_RESULTS, CLICKS, INCIDENTS, KEYS, Topic
from tests.support.crashing_bus import CrashingBus, Fault, never
from tests.support.samples import WEBHOOK_SECRET, incident, key_record

T = TypeVar("T", bound=msgspec.Struct)
CHANNEL = "C0PAGE"
TICKETS = "C0TICKET"
ADMIN_KEY = "sk-admin-planted-secret"


class Clock:
    """Seconds that pass when a test says so.

    They begin near the real time, because receivers of webhooks tolerate five minutes either way.
    """

    def __init__(self) -> None:
        self.at = float(int(time.time()) - 200)

    def __call__(self) -> float:
        return self.at

    def advance(self, seconds: float) -> float:
        self.at += seconds
        return self.at


@dataclass
class OnCall:
    """The loop, and what a test does to it."""

    slack: FakeSlack
    gateway: FakeGateway
    config: Config
    clock: Clock
    policy: Policy | None
    notify: NotifyStage
    enforce: EnforceStage
    bus: CrashingBus
    counts: Metrics

    @property
    def page(self) -> SlackMessage:
        """The one message outside of threads."""
        (page,) = self.slack.pages
        return page

    async def tell(self, **changes: object) -> Incident:
        """A revision of an incident, detected now."""
        times: dict[str, object] = {"detected_at": self.clock(), "opened_at": self.clock()}
        made = incident(**(times | changes))
        await self.bus.publish(INCIDENTS, made, key=made.key_id)
        await self.bus.run_until_quiet()
        return made

    async def register(self, **changes: object) -> KeyRecord:
        """An entry of the key registry."""
        made = key_record(**changes)
        await self.bus.publish(KEYS, made, key=made.key_id)
        await self.bus.run_until_quiet()
        return made

    async def click(self, button: str, user: str = "U1", page: SlackMessage | None = None) -> None:
        """A press of a button, through the form body that Slack posts."""
        payload = self.slack.interaction(page or self.page, button, user)
        await self.deliver_click(payload)

    async def deliver_click(self, payload: dict[str, Any]) -> None:
        body, _ = self.slack.signed(payload)
        kept = msgspec.json.encode(interaction_from_request(body))
        await self.bus.publish(CLICKS, kept)
        await self.bus.run_until_quiet()

    async def wait(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, with a tick at each step."""
        end = self.clock() + seconds
        while self.clock() < end:
            await self.bus.tick(self.clock.advance(step))

    def published(self, topic: Topic, kind: type[T]) -> list[T]:
        """What a topic holds."""
        return [msgspec.json.decode(each.value, type=kind) for each in self.bus.topics[topic.name]]

    @property
    def results(self) -> list[ActionResult]:
        return self.published(ACTION_RESULTS, ActionResult)

    def journal(self) -> Journal:
        return self.bus.journal(self.notify)

    def make_notify(self) -> NotifyStage:
        messenger = SlackMessenger(web_client(self.config.slack))
        return NotifyStage(self.config, messenger, Rulebook(self.policy), self.clock, self.counts)

    def make_enforce(self) -> EnforceStage:
        return EnforceStage(
            adapters(self.config.response.gateways),
            self.policy,
            self.clock,
            self.counts,
            self.config.response.default_gateway,
        )

    def restart(self) -> None:
        """Both processes die and come back."""
        notify, enforce = self.make_notify(), self.make_enforce()
        self.bus.restart(self.notify, notify)
        self.bus.restart(self.enforce, enforce)
        self.notify, self.enforce = notify, enforce


def config_for(slack: FakeSlack, gateway: FakeGateway, **slack_changes: object) -> Config:
    settings: dict[str, Any] = {
        "token": SecretStr(slack.token),
        "app_token": SecretStr(slack.app_token),
        "signing_secret": SecretStr(slack.signing_secret),
        "channel": CHANNEL,
        "ticket_channel": TICKETS,
        "allowed_users": ["U1", "U2"],
        "team_id": slack.team,
        "base_url": slack.api_url,
        "fallback_webhook": SecretStr(f"{slack.url}/webhook"),
    }
    edge = Gateway(
        name="edge",
        url=f"{gateway.url}/webhook",
        probe_url=f"{gateway.url}/status",
        secret=SecretStr(WEBHOOK_SECRET),
        timeout_seconds=1.0,
        attempts_max=4,
        allowed_networks=["127.0.0.0/8"],
    )
    proxy = Gateway(
        name="proxy",
        kind="litellm",
        url=gateway.url,
        secret=SecretStr(ADMIN_KEY),
        allowed_networks=["127.0.0.0/8"],
    )
    return Config(
        slack=Slack.model_validate(settings | slack_changes),
        response=Response(gateways=[edge, proxy], default_gateway="edge"),
    )


@asynccontextmanager
async def on_call(
    policy: Policy | None = None,
    fault: Fault = never,
    *,
    uncommitted: bool = False,
    **slack_changes: object,
) -> AsyncIterator[OnCall]:
    """A running loop."""
    clock = Clock()
    slack = FakeSlack(now=clock)
    gateway = FakeGateway(WEBHOOK_SECRET, admin_key=ADMIN_KEY)
    await slack.start()
    await gateway.start()
    config = config_for(slack, gateway, **slack_changes)
    loop = OnCall.__new__(OnCall)
    loop.slack, loop.gateway, loop.config, loop.clock = slack, gateway, config, clock
    loop.policy = policy
    loop.counts = Metrics(WORKER_METRICS)
    loop.notify, loop.enforce = loop.make_notify(), loop.make_enforce()
    loop.bus = CrashingBus([loop.notify, loop.enforce], clock, fault, uncommitted=uncommitted)
    try:
        yield loop
    finally:
        await slack.stop()
        await gateway.stop()
