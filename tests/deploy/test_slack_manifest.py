"""The Slack app that the manifest makes is the one that leakline needs, and no more."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.config import Config
from pipeline.notify.check import READING_SCOPES, SCOPES
from pipeline.serve.app import build_app
from tests.support.serving import MemoryLog

FILE = Path(__file__).parents[2] / "deploy" / "slack" / "manifest.yaml"
LINES = [line for line in FILE.read_text().splitlines() if not line.lstrip().startswith("#")]
"""No YAML parser is needed for what is looked at here."""


def test_its_scopes_are_those_that_are_checked() -> None:
    scopes = [line.split("- ")[1] for line in LINES if line.lstrip().startswith("- ")]
    assert scopes == [*SCOPES, *READING_SCOPES]


def test_clicks_go_to_a_route_that_is_served() -> None:
    (url,) = re.findall(r"^    request_url: (https://\S+)$", "\n".join(LINES), re.MULTILINE)
    routes = build_app(Config(), MemoryLog()).router.routes()
    served = {(route.method, route.resource.canonical) for route in routes if route.resource}
    assert ("POST", urlsplit(url).path) in served


def test_clicks_are_sent_at_all() -> None:
    at = LINES.index("  interactivity:")
    assert LINES[at + 1] == "    is_enabled: true"
    assert LINES[-1] == "  socket_mode_enabled: false"
