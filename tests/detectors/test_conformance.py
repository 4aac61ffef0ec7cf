"""What every detector must be, whichever it is; a new one is held to it by being there."""

import importlib
import inspect
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import detectors
from detectors.contract import Detector, Finding, Novelty
from detectors.discovery import all_detectors, detector_named
from schemas.incident import Cause
from schemas.key_record import KeyRecord
from tests.support.events import (
    DAY,
    HOUR,
    KEY,
    OPENAI_CLIENT,
    control,
    event,
    in_time,
    messages,
    office,
    run,
    single,
    thief,
    workday,
)
from tests.support.examples import NOW, TODAY, Example, Heard, heard_in, honest, listen

DETECTORS = all_detectors()
NAMES = [each.name for each in DETECTORS]
SUMMARY_LENGTH_MAX = 300
_ONE_OF_MANY = re.compile(r"(?<![\d.,])1 (?:requests|models|addresses|networks|seconds|listings)\b")
"""`1 requests`."""
_FREE = re.compile(r"\$0\.00(?!\d)")


def tables(name: str) -> tuple[dict[str, Example], dict[str, Example]]:
    """The examples in a detector's test file: what it fires on, and what it must not."""
    module = importlib.import_module(f"tests.detectors.test_{name}")
    return module.FIRES, module.QUIET


def heard(name: str) -> Iterator[Heard]:
    """Everything that was asked and said in the examples of one detector."""
    fires, quiet = tables(name)
    for example in (*fires.values(), *quiet.values()):
        yield from heard_in(example)


def found(name: str) -> Iterator[tuple[Heard, Finding]]:
    for each in heard(name):
        if each.finding is not None:
            yield each, each.finding


def test_there_are_detectors_in_order_and_each_once() -> None:
    assert sorted(set(NAMES)) == NAMES
    assert len(NAMES) >= 3
    assert all_detectors() is DETECTORS


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_has_a_test_file_with_true_and_near_miss_examples(name: str) -> None:
    assert (Path(__file__).parent / f"test_{name}.py").is_file()
    fires, quiet = tables(name)
    assert fires
    assert quiet


def test_every_test_file_is_of_a_module() -> None:
    package = Path(detectors.__path__[0])
    modules = {each.stem for each in (*package.glob("*.py"), *package.glob("baselines/*.py"))}
    files = {each.stem.removeprefix("test_") for each in Path(__file__).parent.glob("test_*.py")}
    assert files - {"conformance"} <= modules


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
def test_a_detector_says_what_it_is(detector: Detector) -> None:
    module = inspect.getmodule(type(detector))
    assert module is not None
    assert module.__name__ == f"detectors.{detector.name}"
    assert module.__doc__
    assert detector.question.endswith("?")
    for text in (detector.catches, detector.misses, detector.advice):
        assert text.endswith((".", "?"))
        assert len(text) > 20
    assert inspect.cleandoc(type(detector).__doc__ or "").endswith(".")


@pytest.mark.parametrize("detector", DETECTORS, ids=NAMES)
def test_a_detector_speaks_for_known_causes_within_limits(detector: Detector) -> None:
    assert set(detector.causes) <= set(get_args(Cause))
    assert detector.causes
    assert all(0 < factor <= 2 for factor in detector.causes.values())
    assert 0 < detector.score_max <= 20
    assert detector.triggers > 0


@pytest.mark.parametrize("name", NAMES)
def test_all_judge_alike_when_asked_twice_and_change_nothing(name: str) -> None:
    impure = {each.detector for each in heard(name) if not each.pure}
    assert not impure


@pytest.mark.parametrize("name", NAMES)
def test_all_findings_are_well_formed(name: str) -> None:
    for each, finding in found(name):
        assert math.isfinite(finding.score), each.detector
        assert finding.score > 0, each.detector
        assert finding.p_value is None or 0 <= finding.p_value <= 1, each.detector
        assert finding.since <= each.key.now, each.detector
        assert finding.since >= each.key.now - 60 * DAY, each.detector
        assert json.loads(json.dumps(finding.evidence, allow_nan=False)) == finding.evidence
        assert len(json.dumps(finding.evidence)) <= 2_000
        causes = finding.causes
        assert causes is None or set(causes) <= set(get_args(Cause)), each.detector


@pytest.mark.parametrize("name", NAMES)
def test_what_all_found_began_within_their_windows(name: str) -> None:
    for each, finding in found(name):
        in_it = each.began is None or finding.since <= each.began <= each.key.now
        assert in_it, each.detector


@pytest.mark.parametrize("name", NAMES)
def test_all_summaries_are_one_sentence_with_a_number(name: str) -> None:
    for each, finding in found(name):
        summary = finding.summary
        assert summary.endswith("."), each.detector
        assert "\n" not in summary, each.detector
        assert len(summary) < SUMMARY_LENGTH_MAX, summary
        assert summary[0].isupper() or summary[0].isdigit() or summary[0] == "$", summary
        assert any(letter.isdigit() for letter in summary), summary
        assert ". " not in summary, summary
        assert "nan" not in summary.lower().split(), summary
        assert not _ONE_OF_MANY.search(summary), summary
        assert "inf" not in summary.lower().split(), summary


def test_novelties_are_found_in_evidence_as_it_is_written() -> None:
    kinds: dict[str, set[str]] = {}
    for each, finding in (one for name in NAMES for one in found(name)):
        detector = detector_named(each.detector)
        assert detector is not None
        for kind, value in detector.novelties(finding.evidence):
            assert value
            assert kind in get_args(Novelty)
            kinds.setdefault(each.detector, set()).add(kind)
    places = {"prefix", "network", "country"}
    known = {"new_source": places, "new_client": {"client"}, "model_mix": {"model"}}
    assert known.items() <= kinds.items()


def said(log_heard: list[Heard]) -> dict[str, Finding]:
    return {each.detector: each.finding for each in log_heard if each.finding is not None}


def test_nothing_is_said_about_a_key_with_one_event() -> None:
    assert not said(listen([single(event(NOW))]))


def test_nothing_is_said_about_a_key_of_which_only_the_registry_knows() -> None:
    log = [control("key", KeyRecord(key_id=KEY)), single(event(NOW), 1)]
    assert not said(listen(log))


@pytest.mark.parametrize("seed", range(3))
def test_nothing_strong_is_said_about_an_honest_key_at_its_usual_hours(seed: int) -> None:
    last_day = workday(14, 0)
    strong = [
        (each.detector, each.finding.summary)
        for each in listen(messages(office(19, seed=seed)))
        if each.finding is not None and each.key.now >= last_day and each.finding.score > 3.0
    ]
    assert not strong
    assert not run(messages(office(19, seed=seed))).incidents


@pytest.mark.parametrize("own", ["mystery-7b", "gpt-4o-mini"])
def test_what_has_no_price_is_never_said_to_be_free(own: str) -> None:
    office_hours = [msgspec.structs.replace(each, model=own, cost_usd=None) for each in office(10)]
    stolen = [
        thief(at, 60, model="mystery-405b", user_agent=agent, cost_usd=None)
        for at in (NOW + HOUR, workday(TODAY, 20))
        for agent in (OPENAI_CLIENT, "curl/8")
    ]
    heard = listen(messages(in_time(office_hours, *stolen), 1))
    assert said(heard).keys() >= {"model_mix", "newcomer_rush", "off_hours", "spend_spike"}
    told = [each.finding.summary for each in heard if each.finding]
    assert not [each for each in told if _FREE.search(each)]


def test_every_detector_is_asked_about_a_stranger_or_a_bill() -> None:
    """A trigger that never comes would leave a detector dead without a sound."""
    asked = {each.detector for name in NAMES for each in heard(name)}
    assert asked == set(NAMES)


def test_hostile_texts_stay_texts() -> None:
    """What a client writes about itself must not break a sentence out of its line."""
    hostile = "<!channel>\n*x* =cmd() " + "A" * 500
    strangers = thief(NOW, 60, user_agent=hostile, model=hostile, operation=hostile)
    findings = [each.finding for each in listen(honest(strangers)) if each.finding is not None]
    assert findings
    for finding in findings:
        assert "\n" not in finding.summary
        assert len(finding.summary) < SUMMARY_LENGTH_MAX
        assert len(json.dumps(finding.evidence)) <= 4_000


def test_evidence_does_not_change_after_it_was_told() -> None:
    log = messages(in_time(office(9), thief(NOW, 60), thief(NOW + 900, 60, user_agent="curl/8")))
    outcome = run(log)
    told = [json.dumps(s.evidence) for each in outcome.incidents for s in each.signals]
    run(messages(thief(NOW + 1_800, 60, user_agent="x/1", model="o1-pro")), outcome.fold)
    assert told == [json.dumps(s.evidence) for each in outcome.incidents for s in each.signals]
