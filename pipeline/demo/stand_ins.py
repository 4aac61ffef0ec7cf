"""The demo's Slack and gateway, and a configuration that leads to them and nowhere else."""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pipeline.config import Config, Gateway, Kafka, Response, Serve, Slack, Store
from pipeline.demo.fake_gateway import FakeGateway
from pipeline.demo.fake_slack import FakeSlack
from pipeline.demo.fleet import GATEWAY
from pipeline.demo.slack_conversations import SlackMessage

CHANNEL: Final = "C0ONCALL"
ENGINEER: Final = "U0ENGINEER"


@dataclass(frozen=True, slots=True)
class StandIns:
    """Running stand-ins; their secrets are of this run alone."""

    slack: FakeSlack
    gateway: FakeGateway

    def config(self, folder: Path, port: int, kafka: Kafka | None = None) -> Config:
        """The demo's configuration. The environment has no say: it may name a real Slack."""
        gateway = Gateway(
            name=GATEWAY,
            url=f"{self.gateway.url}/webhook",
            probe_url=f"{self.gateway.url}/status",
            secret=SecretStr(self.gateway.secret),
            allowed_networks=["127.0.0.0/8"],
        )
        slack = Slack(
            token=SecretStr(self.slack.token),
            signing_secret=SecretStr(self.slack.signing_secret),
            channel=CHANNEL,
            allowed_users=[ENGINEER],
            base_url=self.slack.api_url,
        )
        return Config.model_construct(
            kafka=kafka or Kafka(),
            store=Store(path=folder),
            slack=slack,
            response=Response(default_gateway=GATEWAY, gateways=[gateway]),
            serve=Serve(port=port),
        )

    def page_about(self, name: str) -> SlackMessage | None:
        """The message that offers to revoke a key, found by what it is called in it."""
        for message in self.slack.pages:
            if "revoke" in message.buttons and name in str(message.body):
                return message
        return None


@asynccontextmanager
async def stand_ins() -> AsyncIterator[StandIns]:
    """Slack and gateway on this machine, until the context ends."""
    slack = FakeSlack(
        token=f"xoxb-{secrets.token_hex(12)}",
        app_token=f"xapp-{secrets.token_hex(12)}",
        signing_secret=secrets.token_hex(16),
    )
    gateway = FakeGateway(secret="whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
    await slack.start()
    await gateway.start()
    try:
        yield StandIns(slack, gateway)
    finally:
        await slack.stop()
        await gateway.stop()
