"""Clicks on Slack's buttons: verified, written to the log, and answered at once.

Nobody judges here who clicked: that is done where the click is read from the log.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from pipeline import metrics
from pipeline.counts import Metrics
from pipeline.intake.lenient import text
from pipeline.notify.signature import (
    ClickSink,
    interaction_from_request,
    verify_slack_signature,
)
from pipeline.serve.bodies import read_body, refusal, unavailable
from pipeline.serve.guard import Rates
from pipeline.serve.protocol import note_known

BODY_BYTES_MAX: Final = 256 * 1024


class Interactions:
    """The endpoint that Slack sends interactions to."""

    def __init__(
        self, secret: SecretStr | None, sink: ClickSink, counts: Metrics, now: Callable[[], float]
    ) -> None:
        self._secret = secret.get_secret_value() if secret else ""
        self._sink = sink
        self._counts = counts
        self._now = now
        self._strangers = Rates(5, 20, now)
        self._known: set[str] = set()
        """Addresses that something signed came from: few, as only Slack can sign."""

    async def take(self, request: web.Request) -> web.Response:
        """Answer one interaction: 200 once it is in the log."""
        if not self._secret:
            raise refusal(web.HTTPNotFound, "Slack is not configured")
        address = request.remote or ""
        # Behind a proxy everybody has its address: forgers there must not shut Slack out.
        if address not in self._known and not self._strangers.allows(address):
            self._counts.add(metrics.SLACK_CLICKS, "refused")
            raise refusal(web.HTTPTooManyRequests, "too many attempts", "60")
        body = await read_body(request, BODY_BYTES_MAX)
        if not verify_slack_signature(body, request.headers, self._secret, self._now()):
            self._counts.add(metrics.SLACK_CLICKS, "refused")
            raise refusal(web.HTTPUnauthorized, "the signature is wrong")
        self._known.add(address)
        note_known(request)
        click = click_in(body)
        if click is None:
            self._counts.add(metrics.SLACK_CLICKS, "ignored")
            return web.Response()
        try:
            await self._sink(*click)
        except (KafkaError, OSError, TimeoutError):
            raise unavailable("the log cannot be reached") from None
        self._counts.add(metrics.SLACK_CLICKS, "taken")
        return web.Response()


def click_in(body: bytes) -> tuple[str, bytes] | None:
    """(incident id, interaction as JSON) of a form, or None when it is no click on a button."""
    try:
        kept = interaction_from_request(body)
    except ValueError:
        return None
    incident_id = next((text(action.get("value")) for action in kept["actions"]), None)
    if kept["type"] != "block_actions" or incident_id is None:
        return None
    return incident_id, msgspec.json.encode(kept)
