"""The docs tell the truth: what is made from the source is up to date, and nothing is missing."""

import json
import re
import time
from pathlib import Path

import pytest

from detectors.discovery import all_detectors
from pipeline import metrics
from pipeline.cli.serve import serve
from pipeline.config import Config, Gateway, Serve
from pipeline.counts import Metric
from pipeline.demo.fake_gateway import FakeGateway
from pipeline.environment import OTHERS, PREFIX
from pipeline.outgoing.http import RETRY_AFTER_SECONDS_MAX
from pipeline.outgoing.http_outcomes import RETRIED
from pipeline.pause import backoff
from pipeline.response.enforce import BACKOFF_SECONDS, BACKOFF_SECONDS_MAX, GATEWAY_PAUSE_SECONDS
from pipeline.response.webhook import WebhookGateway
from pipeline.serve.app import IDLE_SECONDS_MAX, build_app
from pipeline.serve.bodies import READ_SECONDS_MAX
from pipeline.serve.intake import FORMATS, LOG_SECONDS_MAX
from pipeline.workers.local_kafka import pom_file
from tests.architecture import readme, reference
from tests.support.kafka import DOCKER_IMAGE
from tests.support.samples import WEBHOOK_SECRET, action
from tests.support.serving import MemoryLog

PAGES = sorted([*reference.DOCS.glob("*.md"), *reference.ROOT.glob("*.md")])
ALL_TEXT = "\n".join(page.read_text() for page in PAGES)
NAMES = ("architecture", "bench", "configuration", "detectors", "guarantees", "operations")


def test_the_pages_are_there() -> None:
    assert {page.stem for page in reference.DOCS.glob("*.md")} >= {*NAMES, "security"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    text = page.read_text()
    assert reference.regenerated(text) == text, "run: python -m tests.architecture.reference"


def test_every_generated_part_stands_somewhere() -> None:
    assert {name for name in reference.BLOCKS if f"<!-- begin {name} -->" in ALL_TEXT} == set(
        reference.BLOCKS
    )


@pytest.mark.parametrize("command", [name for name, _ in reference.commands()])
def test_every_command_is_documented(command: str) -> None:
    assert f"leakline {command}" in ALL_TEXT


@pytest.mark.parametrize(
    ("key", "meaning"),
    [(n, meaning) for n, _, _, meaning in (*reference.settings(), *reference.registry())],
)
def test_every_setting_is_documented(key: str, meaning: str) -> None:
    assert f"`{key}`" in ALL_TEXT
    assert meaning.endswith(".")


@pytest.mark.parametrize("path", [each.path for each in FORMATS])
def test_every_endpoint_of_the_intake_is_documented(path: str) -> None:
    assert f"`{path}`" in ALL_TEXT


def test_it_is_said_of_every_path_whether_a_proxy_passes_it_on() -> None:
    section = _section("TLS in front of `leakline serve`")
    routes = build_app(Config(), MemoryLog()).router.resources()
    for path in {re.sub(r"{\w+}", "…", each.canonical) for each in routes}:
        assert f"`{re.sub('/intake/.*', '/intake/…', path)}`" in section


def test_a_proxy_is_told_how_long_to_wait() -> None:
    section = _section("TLS in front of `leakline serve`")
    taken = (
        f"{READ_SECONDS_MAX:.0f} seconds to arrive and Kafka {LOG_SECONDS_MAX:.0f} to acknowledge"
    )
    assert f"{taken} it: wait 60" in section
    assert READ_SECONDS_MAX + LOG_SECONDS_MAX < 60 < IDLE_SECONDS_MAX
    assert f"closed after {IDLE_SECONDS_MAX:.0f} seconds" in section


async def test_a_webhook_is_shown_as_it_is_sent() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", _section("A gateway that obeys"), re.DOTALL)
    example = json.loads(shown)
    data = {each: example["data"][each] for each in ("action_id", "key_id", "kind", "incident_id")}
    gateway = FakeGateway(WEBHOOK_SECRET)
    await gateway.start()
    settings = {"name": "g", "url": f"{gateway.url}/webhook", "secret": WEBHOOK_SECRET}
    networks = ["127.0.0.0/8"]
    sender = WebhookGateway(Gateway.model_validate(settings | {"allowed_networks": networks}))
    await sender.act(action(requested_by="slack:U0123456789", **data), float(int(time.time())))
    await gateway.stop()
    ((message_id, sent),) = gateway.received
    assert message_id == data["action_id"]
    assert sent | {"timestamp": example["timestamp"]} == example
    assert len(sent["timestamp"]) == len(example["timestamp"])


def test_it_is_said_what_each_status_of_a_gateway_means() -> None:
    early = ", ".join(str(each) for each in sorted(RETRIED) if each < 500)
    never = " and ".join(str(each) for each in range(500, 600) if each not in RETRIED)
    section = _section("A gateway that obeys")
    assert f"| {early}, 5xx but {never}, or nothing" in section
    assert f"up to {RETRY_AFTER_SECONDS_MAX:.0f})" in section
    pauses = [backoff(n, BACKOFF_SECONDS, 3.0, BACKOFF_SECONDS_MAX) for n in (1, 2, 3)]
    first, second, third = (f"{max(each, GATEWAY_PAUSE_SECONDS):.0f}" for each in pauses)
    assert f"{first} seconds apart at first, then {second}, {third}, …" in section


def test_nothing_is_looked_for_before_it_is_created() -> None:
    steps = re.findall(r"^\d\. `leakline ([^`]+)`", _section("Starting"), re.MULTILINE)
    given = [step.replace(" --config leakline.toml", "") for step in steps]
    assert given == ["check-config --offline", "init", "check-config", "run", "serve"]


def test_the_versions_are_those_that_the_tests_run_on() -> None:
    section = _section("Starting")
    (kafka,) = re.findall(r"<version>(\d+\.\d+)\.\d+<", pom_file().read_text())
    fixtures = (reference.ROOT / "tests/support/fixtures_store.py").read_text()
    (server,) = re.findall(r"clickhouse-server:([\d.]+)", fixtures)
    (embedded,) = re.findall(
        r"^chdb-core==(\d+\.\d+)", (reference.ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    said = (f"Kafka {kafka} ", f"`{DOCKER_IMAGE}`", f"ClickHouse {embedded} ", f"server {server})")
    assert [each for each in said if each not in " ".join(section.split())] == []


def test_every_variable_that_is_let_through_is_documented() -> None:
    page = (reference.DOCS / "configuration.md").read_text()
    assert [name for name in OTHERS if f"`{PREFIX}{name}`" not in page] == []


def test_every_variable_of_the_files_for_litellm_is_let_through() -> None:
    """Proxy and leakline may share an environment."""
    files = [each for each in (reference.ROOT / "deploy/litellm").iterdir() if each.is_file()]
    named = {name for each in files for name in re.findall(rf"{PREFIX}([A-Z_]+)", each.read_text())}
    assert len(named) > 5
    assert named <= OTHERS


def test_no_address_has_tls_where_there_is_none() -> None:
    texts = {".py", ".toml", ".yaml"}
    examples = [each for each in (reference.ROOT / "deploy").rglob("*") if each.suffix in texts]
    found = re.compile(rf"https://[\w.-]+:{Serve().port}")
    assert [page.name for page in [*PAGES, *examples] if found.search(page.read_text())] == []


def test_the_example_of_sending_events_says_what_it_sends() -> None:
    for text in (ALL_TEXT, serve.__doc__ or ""):
        said = re.findall(r'-H "Content-Type: ([^"]+)"\s+--data-binary @events', text)
        assert said
        assert set(said) <= FORMATS[0].content_types


def test_every_detector_and_metric_is_documented() -> None:
    names = [each.name for each in all_detectors()]
    names += [m.name for m in vars(metrics).values() if isinstance(m, Metric)]
    assert [name for name in names if f"`{name}`" not in ALL_TEXT] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_exists(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    files = re.findall(r"`((?:tests|deploy|pipeline|detectors|schemas|docs)/[\w./-]+)`", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [file for file in files if not (reference.ROOT / file).exists()]
    assert missing == []


def test_every_user_of_the_store_is_documented() -> None:
    grants = (reference.ROOT / "deploy" / "clickhouse" / "grants.sql").read_text()
    users = re.findall(r"CREATE USER IF NOT EXISTS (\w+)", grants)
    assert len(users) >= 3
    assert [user for user in users if f"`{user}`" not in ALL_TEXT] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_section_that_a_page_points_to_exists(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())
    targets = [(page.parent / to if to else page, anchor) for to, anchor in links]
    assert [anchor for to, anchor in targets if anchor not in _anchors(to.read_text())] == []


def test_every_command_in_the_docs_exists() -> None:
    known = {name.split()[0] for name, _ in reference.commands()}
    used = set(re.findall(r"`leakline ([a-z][a-z-]*)", ALL_TEXT))
    assert used <= known


def test_the_readmes_sessions_print_what_it_says(tmp_path: Path) -> None:
    # The demo's session has a test of its own, beside the demo.
    for session in readme.sessions(readme.README.read_text()):
        for command, said in session:
            if command != "make demo":
                printed = readme.run(command, tmp_path)
                assert _shape(printed) == _shape(said), command


def _anchors(text: str) -> list[str]:
    """What the headings of a page are called in an address."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]


def _section(title: str) -> str:
    """A section of the page of operations."""
    page = (reference.DOCS / "operations.md").read_text()
    return page.split(f"## {title}\n")[1].split("\n## ")[0]


def _shape(output: str) -> list[str]:
    """Skeletons of the lines that are there whatever the detectors find."""
    found = ("incidents", "%")
    return [line for line in readme.skeleton(output) if not any(word in line for word in found)]
