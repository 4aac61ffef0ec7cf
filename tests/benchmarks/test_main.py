"""Which parts a call of the benchmarks runs."""

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks.harness import Figures, Options


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    parts: list[str] = []

    def measure(part: str, options: Options) -> Figures | None:
        assert options.scale == 1.0
        parts.append(part)
        return None

    monkeypatch.setattr(benchmarks, "_measure", measure)
    return parts


def test_nothing_named_is_the_speed_of_everything(asked: list[str]) -> None:
    assert benchmarks.main([]) == 1
    assert asked == ["engine", "faust", "sink", "intake", "latency", "recovery"]


def test_named_parts_are_run(asked: list[str]) -> None:
    benchmarks.main(["nab", "sink"])
    assert asked == ["nab", "sink"]


def test_an_unknown_part_is_a_usage_error(asked: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        benchmarks.main(["everything"])
    assert left.value.code == 2
    assert asked == []
