import re
from pathlib import Path

import pytest
from typer.main import get_command

from pipeline.cli.app import app
from pipeline.workers.run import STOP_SECONDS_MAX

UNIT = (Path(__file__).parents[2] / "deploy" / "systemd" / "leakline@.service").read_text()


def setting(name: str) -> str:
    (found,) = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("instance", ["run", "serve"])
def test_an_instance_is_a_command(instance: str) -> None:
    _, *words = setting("ExecStart").replace("%i", instance).split()
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]  # a group
    assert words[1:] == ["--config", "/etc/leakline/leakline.toml"]
    assert "--config" in {option for each in command.params for option in each.opts}
    assert f"leakline@{instance}" in UNIT


def test_an_instance_has_secrets_of_its_own() -> None:
    files = re.findall(r"^EnvironmentFile=-(.*)$", UNIT, re.MULTILINE)
    assert files == ["/etc/leakline/secrets.env", "/etc/leakline/%i.env"]  # the later one wins


def test_whoever_stops_in_order_is_not_killed() -> None:
    assert float(setting("TimeoutStopSec")) > STOP_SECONDS_MAX
    assert setting("KillMode") == "mixed"
