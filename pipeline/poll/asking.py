"""Asking a provider over HTTP: page after page, patiently, and telling nobody its key."""

import asyncio
from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import urlencode

from pydantic import SecretStr

from pipeline.config import Poll
from pipeline.outgoing.http import Answer, Request, UnreachableError, send
from pipeline.outgoing.http_outcomes import http_outcome
from pipeline.pause import backoff
from pipeline.poll.anthropic import ANTHROPIC
from pipeline.poll.openai import OPENAI
from pipeline.poll.report import Provider, Report, UnreadableError

PAGES_MAX: Final = 200
"""Of a round; a provider that names ever more is given up."""
PAGE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Some 4,000 keys and models an hour."""
TIMEOUT_SECONDS: Final = 30.0
ATTEMPTS_MAX: Final = 4
"""For a page, before the round is given up; the next one begins anew."""
PAUSE_SECONDS: Final = 2.0
"""Before the second attempt; doubled for each further one, unless the provider says how long."""
PAUSE_SECONDS_MAX: Final = 60.0

Reason = Literal["key_refused", "throttled", "unavailable", "unreadable"]
"""The key is wrong or lacks rights; 429; no answer, or 5xx; an answer that is no report."""


class AskingError(Exception):
    """The provider did not say what it bills. The text is for people."""

    def __init__(self, reason: Reason, said: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(said)
        self.reason: Reason = reason
        self.retry_after_seconds = retry_after_seconds

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later."""
        return self.reason in {"throttled", "unavailable"}


class Asker:
    """Asks one provider with an admin key."""

    def __init__(self, provider: Provider, key: SecretStr, url: str) -> None:
        self.provider = provider
        self.setting = f"poll.{provider.name}_admin_key"
        self._key = key
        self._url = url

    async def report(self, report: Report, failed: Callable[[Reason], None]) -> Report:
        """Fill a report with all of its pages.

        Args:
            report: of the hours that are asked for.
            failed: told of each request that failed, those that are tried again included.

        Raises:
            AskingError: not all of them came.
        """
        pages = 0
        for path in self.provider.paths:
            cursor: str | None = ""
            while cursor is not None:
                pages += 1
                if pages > PAGES_MAX:
                    failed("unreadable")
                    raise AskingError("unreadable", f"more than {PAGES_MAX} pages")
                cursor = await self._patiently(path, cursor, report, failed)
        return report

    async def _patiently(
        self, path: str, cursor: str, report: Report, failed: Callable[[Reason], None]
    ) -> str | None:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await self.page(path, cursor, report)
            except AskingError as error:
                failed(error.reason)
                if not error.passes or attempt == ATTEMPTS_MAX:
                    raise
                pause = error.retry_after_seconds
                if pause is None:
                    pause = backoff(attempt, PAUSE_SECONDS, 2.0, PAUSE_SECONDS_MAX)
                await asyncio.sleep(pause)
        raise AssertionError  # the last attempt returned or raised

    async def page(self, path: str, cursor: str, report: Report) -> str | None:
        """Ask for one page, once, and take it into the report; the cursor of the next one.

        Raises:
            AskingError: it did not come.
        """
        query = [*self.provider.query(path, report), *([("page", cursor)] if cursor else [])]
        request = Request(
            "GET",
            f"{self._url}{path}?{urlencode(query)}",
            self.provider.headers(self._key.get_secret_value()),
        )
        try:
            # the operator chose this address, which may be that of a proxy of his own
            answer = await send(
                request,
                timeout_seconds=TIMEOUT_SECONDS,
                allowed=None,
                answer_bytes_max=PAGE_BYTES_MAX,
            )
            self._accept(answer)
            return self.provider.read(answer.body, report)
        except UnreachableError as error:
            raise AskingError("unavailable", str(error)) from None
        except UnreadableError as error:
            raise AskingError("unreadable", str(error)) from None

    def _accept(self, answer: Answer) -> None:
        status = answer.status
        if status in {401, 403}:
            said = f"it answers {status}: {self.setting} is wrong, or may not read usage"
            raise AskingError("key_refused", said)
        outcome = http_outcome(status)
        if outcome == "retry":
            reason: Reason = "throttled" if status == 429 else "unavailable"
            raise AskingError(reason, f"it answers {status}", answer.retry_after_seconds)
        if outcome == "refused":
            raise AskingError("unreadable", f"it answers {status}")
        if len(answer.body) >= PAGE_BYTES_MAX:
            raise AskingError("unreadable", f"a page of more than {PAGE_BYTES_MAX} bytes")


def askers(poll: Poll) -> list[Asker]:
    """One for each provider that has an admin key."""
    known = (
        (OPENAI, poll.openai_admin_key, poll.openai_url),
        (ANTHROPIC, poll.anthropic_admin_key, poll.anthropic_url),
    )
    return [Asker(provider, key, url) for provider, key, url in known if key is not None]


async def check_providers(poll: Poll, now: float) -> list[str]:
    """What is wrong with the keys and addresses of providers: each is asked for a page."""
    lines = []
    for asker in askers(poll):
        try:
            await asker.page(asker.provider.paths[0], "", Report(now))
        except AskingError as error:
            lines.append(f"{asker.setting}: {asker.provider.name} cannot be asked: {error}")
    return lines
