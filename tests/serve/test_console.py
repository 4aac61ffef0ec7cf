import base64
import hashlib
import re
from contextlib import AbstractAsyncContextManager
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.config import Config
from pipeline.serve.app import build_app
from pipeline.serve.chart import BARS_MAX, spend_chart
from pipeline.serve.html import Html, join, tag
from pipeline.serve.ports import IncidentReader, ReaderUnavailable
from schemas.action import Action, ActionResult
from schemas.incident import Incident, Signal
from schemas.verdict import Verdict
from tests.support.serving import Client, Clock, MemoryLog, serving

AT = 1_790_000_000.0
EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>\u202e\x1b\u200b"


def incident(
    incident_id: str = "inc-1",
    key_id: str = "key-1",
    text: str = "It spiked.",
    evidence: dict[str, object] | None = None,
) -> Incident:
    signal = Signal(
        detector="geography",
        score=4.0,
        p_value=0.001,
        window_start=AT,
        window_end=AT + 60,
        summary=text,
        evidence=evidence or {"user_agent": text},
    )
    return Incident(
        incident_id=incident_id,
        revision=2,
        key_id=key_id,
        team=text,
        status="open",
        severity="page",
        cause="leaked",
        runner_up="growth",
        risk=0.97,
        opened_at=AT,
        detected_at=AT,
        spend_usd=412.3,
        baseline_usd=12,
        burn_usd_per_hour=1380,
        signals=[signal],
    )


class Reader:
    def __init__(self, *incidents: Incident, text: str = "") -> None:
        self._incidents = list(incidents)
        self._text = text

    def incidents(self, limit: int) -> list[Incident]:
        return self._incidents[:limit]

    def incident(self, incident_id: str) -> Incident | None:
        return next((item for item in self._incidents if item.incident_id == incident_id), None)

    def spend(self, key_id: str, start: float, end: float) -> list[tuple[float, float]]:
        assert key_id
        assert start < AT < end
        return [(AT - 120, 0.01), (AT, 3.5), (AT + 60, 4.25)]

    def verdicts(self, incident_id: str) -> list[Verdict]:
        return [
            Verdict(
                incident_id=incident_id,
                key_id="k",
                verdict="leak",
                by=f"slack:{self._text}",
                at=AT,
                note=self._text,
            )
        ]

    def actions(self, incident_id: str) -> list[tuple[Action, list[ActionResult]]]:
        action = Action(
            action_id="a",
            incident_id=incident_id,
            key_id="k",
            kind="revoke",
            gateway=self._text or "prod",
            requested_by=f"slack:{self._text}",
            requested_at=AT,
        )
        result = ActionResult(action_id="a", attempt=1, status="verified", detail=self._text, at=AT)
        return [(action, [result])]


class Broken(Reader):
    def incidents(self, limit: int) -> list[Incident]:
        raise ReaderUnavailable(f"password=hunter2, {limit}")


def console(reader: IncidentReader | None, **serve: object) -> AbstractAsyncContextManager[Client]:
    config = Config.model_validate({"serve": serve})
    return serving(build_app(config, MemoryLog(), reader, now=Clock()))


async def page(client: Client, path: str = "/", **headers: str) -> tuple[int, str]:
    async with client.get(path, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_the_list_links_to_each_incident() -> None:
    async with console(Reader(incident(), incident("inc/2 ?", "key-2"))) as client:
        status, text = await page(client)
        assert status == 200
        for part in ("key-1", "key-2", "Leaked key", "Page", "Open", "$412.30", "2026-09-21"):
            assert part in text
        assert (await page(client, "/incidents/inc%2F2%20%3F"))[0] == 200
        assert "/incidents/inc%2F2%20%3F" in text


async def test_the_detail_shows_why_and_what_was_done() -> None:
    async with console(Reader(incident())) as client:
        status, text = await page(client, "/incidents/inc-1")
    assert status == 200
    for part in ("It spiked.", "geography", "<svg", "$4.25", "leak", "revoke", "verified", "97%"):
        assert part in text


async def test_what_went_past_the_gateway_stands_beside_what_it_saw() -> None:
    async with console(
        Reader(incident(), incident("inc-2", evidence={"unseen_usd": 97.16}))
    ) as client:
        assert (await page(client))[1].count(" and $97.16 past the gateway</td>") == 1
        assert "past the gateway" not in (await page(client, "/incidents/inc-1"))[1]
        assert "Went past the gateway</dt><dd>$97.16" in (await page(client, "/incidents/inc-2"))[1]


async def test_it_says_that_a_key_is_still_being_learned() -> None:
    young = replace(incident("inc-2"), learning=True)
    async with console(Reader(incident(), young)) as client:
        assert "still learning this key" not in (await page(client, "/incidents/inc-1"))[1]
        assert "still learning this key" in (await page(client, "/incidents/inc-2"))[1]


async def test_nothing_to_show() -> None:
    async with console(Reader()) as client:
        assert "No incidents" in (await page(client))[1]
        assert (await page(client, "/incidents/unknown"))[0] == 404
        assert (await page(client, "/incidents/" + "x" * 500))[0] == 404


async def test_a_store_that_is_away_says_so_without_details() -> None:
    async with console(Broken()) as client:
        status, text = await page(client)
    assert status == 503
    assert "hunter2" not in text
    async with console(None) as client:
        assert (await page(client))[0] == 503


class Tags(HTMLParser):
    """Collects what a browser would see as elements and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("path", ["/", "/incidents/inc-1"])
async def test_what_others_wrote_is_inert(path: str) -> None:
    async with console(Reader(incident(key_id=EVIL, text=EVIL), text=EVIL)) as client:
        _, text = await page(client, path)
    tags = Tags()
    tags.feed(text)
    assert not tags.names & {"script", "img", "iframe", "object"}
    assert (
        not {name for name in tags.attributes if name.startswith("on")}
        | {"style"} & tags.attributes
    )
    assert "&lt;script&gt;" in text
    assert not set(text) & set("\u202e\x1b\u200b")


async def test_secrets_in_texts_are_scrubbed() -> None:
    secret = "sk-planted-0123456789abcdef"
    async with console(Reader(incident(text=f"used {secret}"), text=secret)) as client:
        _, text = await page(client, "/incidents/inc-1")
    assert text.count("planted") == 0


async def test_the_policy_allows_our_style_and_nothing_else() -> None:
    async with console(Reader(incident())) as client, client.get("/") as answer:
        policy, text = answer.headers["Content-Security-Policy"], await answer.text()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


async def test_a_token_is_asked_for() -> None:
    credentials = base64.b64encode(b"me:hunter22").decode()
    async with console(Reader(incident()), console_token="hunter22", host="0.0.0.0") as client:
        async with client.get("/") as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
            assert "key-1" not in await answer.text()
        assert (await page(client, "/incidents/inc-1"))[0] == 401
        assert (await page(client, Authorization=f"Basic {credentials}"))[0] == 200


async def test_without_a_token_a_public_console_is_closed() -> None:
    async with console(Reader(incident()), host="0.0.0.0") as client:
        status, text = await page(client)
    assert status == 403
    assert "key-1" not in text


async def test_another_name_for_this_machine_is_refused() -> None:
    async with console(Reader(incident())) as client:
        assert (await page(client, Host="evil.example"))[0] == 403


async def test_who_guesses_the_token_is_slowed_down() -> None:
    async with console(Reader(), console_token="hunter22") as client:
        statuses = [(await page(client))[0] for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2


async def test_health() -> None:
    async with console(None) as client:
        assert await page(client, "/healthz") == (200, "ok\n")
        assert await page(client, "/readyz") == (200, "ready\n")

    async def away() -> bool:
        return False

    async with serving(build_app(Config(), MemoryLog(), ready=away)) as client:
        assert (await page(client, "/readyz"))[0] == 503


@given(st.text(max_size=100), st.text(max_size=100))
def test_any_text_stays_text(content: str, attribute: str) -> None:
    markup = tag("a", content, title=attribute)
    assert re.fullmatch(r'<a title="[^"<>]*">[^<>]*</a>', markup)
    assert join(Html("<b>"), content).startswith("<b>")


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 1e6)), max_size=300),
    st.floats(-1e5, 4e5),
)
def test_any_spend_can_be_drawn(points: list[tuple[int, float]], opened: float) -> None:
    spend = sorted((minute * 60.0, dollars) for minute, dollars in dict(points).items())
    markup = spend_chart(spend, opened, "Spend")
    assert markup.count("<rect") <= BARS_MAX
    assert "nan" not in markup


def test_the_axis_of_next_to_nothing_can_be_read() -> None:
    markup = spend_chart([(AT, 0.00003)], AT, "Spend")
    assert re.findall(r"(\$[0-9.]+)</text>", markup) == ["$0.00", "$0.0001", "$0.0002"]
