"""The webhook by which people hear of what is urgent while Slack cannot be reached."""

import msgspec
from pydantic import SecretStr

from pipeline.notify.blocks import Background, fallback_text
from pipeline.notify.fleet_card import fleet_text
from pipeline.notify.page import Page
from pipeline.notify.phase import news
from pipeline.outgoing.http import Request, UnreachableError, send
from pipeline.outgoing.http_outcomes import http_outcome

TIMEOUT_SECONDS = 5.0


class FallbackError(Exception):
    """The webhook did not take it."""

    def __init__(self, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


def unheard(page: Page) -> str | None:
    """What nobody has heard of yet, neither in Slack nor by the webhook: a name of it, if any."""
    in_slack = page.message.ts is not None and page.posted_urgent
    if page.urgent and not page.fallback_sent and not in_slack:
        return page.incident.incident_id
    alarm = page.alarm
    heard = alarm.fallback_sent or alarm.slot.ts is not None
    if heard or alarm.occasion != news(page):
        return None
    in_message = alarm.slot.given_up and not page.fallback_sent
    return None if in_message else f"{page.incident.incident_id}:{alarm.occasion}"


class Fallback:
    """Tells each thing once.

    A crash just after it tells it again, which is better than silence, under the same
    `Idempotency-Key`: a receiver that knows the header tells it once.
    """

    def __init__(self, webhook: SecretStr) -> None:
        self._webhook = webhook

    async def tell(self, page: Page, background: Background, no_buttons: str) -> None:
        """Tell what is unheard, and note that it was told.

        Args:
            page: the incident.
            background: what is said beside it.
            no_buttons: why there are none.

        Raises:
            FallbackError: it was not taken.
        """
        name = unheard(page)
        if name is None:
            return
        if page.fleet is not None:
            text = fleet_text(page, page.fleet, no_buttons)
        else:
            text = fallback_text(page, background.key_record, no_buttons)
        await self._post(text, name)
        page.fallback_sent = True
        page.alarm.fallback_sent = page.alarm.occasion == news(page)

    async def _post(self, text: str, name: str) -> None:
        request = Request(
            "POST",
            self._webhook.get_secret_value(),
            {"content-type": "application/json", "idempotency-key": f'"{name}"'},
            msgspec.json.encode({"text": text}),
        )
        try:
            # the operator chose this address, and may well have it within his own network
            answer = await send(request, timeout_seconds=TIMEOUT_SECONDS, allowed=None)
        except UnreachableError as error:
            raise FallbackError(str(error)) from None
        if http_outcome(answer.status) != "delivered":
            raise FallbackError(f"it answers {answer.status}", answer.retry_after_seconds)
