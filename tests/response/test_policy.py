"""The policy file, and what it decides."""

import re
from pathlib import Path
from typing import get_args

import pytest

from detectors.calibration import SHIPPED
from detectors.fusion import risk_of
from pipeline.config import Config, ConfigError
from pipeline.response.check import check_gateways, try_policy
from pipeline.response.decide import Automatic, Decision, History, braked, decide
from pipeline.response.policy import Brakes, Policy, Rule, Rulebook, Step, load_policy
from schemas.incident import Cause, Severity
from schemas.key_record import KeyRecord
from tests.support.samples import AT, KEY_ID, incident, key_record

EXAMPLE = Path(__file__).parents[2] / "deploy" / "policy.example.toml"
REVOKE = Policy(rules=(Rule(name="r", then="revoke"),))


def decided(
    policy: Policy | None = REVOKE,
    record: KeyRecord | None = None,
    history: History | None = None,
    now: float = AT + 1,
    **changes: object,
) -> Decision:
    return decide(policy, incident(**changes), record, history or History(), now)


def test_the_example_is_valid_and_a_dry_run() -> None:
    policy = load_policy(EXAMPLE)
    assert policy is not None
    assert policy.brakes.dry_run
    assert [rule.then for rule in policy.rules] == ["ask", "notify", "revoke", "revoke"]


def test_the_example_shows_all_that_can_be_said() -> None:
    text = EXAMPLE.read_text()
    fields = [*Policy.model_fields, *Rule.model_fields, *Brakes.model_fields]
    words = [*fields, *get_args(Cause), *get_args(Severity), *get_args(Step)]
    assert [word for word in words if not re.search(rf"\b{word}\b", text)] == []


def test_those_whom_the_example_names_may_click() -> None:
    """Both examples together are one installation."""
    config = Config.load(EXAMPLE.with_name("leakline.example.toml"))
    response = config.response.model_copy(update={"policy": EXAMPLE})
    assert check_gateways(config.model_copy(update={"response": response})) == []


def test_thefts_can_reach_what_the_example_asks_for() -> None:
    """Three times the evidence of a page is about what the plainest of them show."""
    policy = load_policy(EXAMPLE)
    assert policy is not None
    plain = risk_of(3 * SHIPPED.page_nats, SHIPPED)
    assert all(rule.risk_min <= plain for rule in policy.rules)


def test_no_file_is_no_policy() -> None:
    assert load_policy(None) is None
    assert decided(None) == Decision("notify", "there is no policy")


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        '[brakes]\nrevocations_per_hour_max = -1\n[[rules]]\nname = "a b"\nthen = "revoke"\n'
        'severity = ["panic"]\nrisk_min = 2\nsurprise = 1\n[[rules]]\nname = "c"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    places = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert places == [
        "brakes.revocations_per_hour_max",
        "rules.0.name",
        "rules.0.severity.0",
        "rules.0.risk_min",
        "rules.0.surprise",
        "rules.1.then",
    ]


def test_mistakes_are_said_in_the_words_of_a_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        'approvers = [1]\n[brakes]\nrevocations_per_hour_max = 2.5\ndry_run = "perhaps"\n'
        'fleet_share_per_day_max = "5 %"\nincident_age_seconds_max = 0\n'
        '[[rules]]\nname = "a b"\nseverity = "page"\nthen = "kill"\ndelay_seconds = 1e9\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    assert str(caught.value).splitlines() == [
        "approvers.0: must be text in quotes",
        "brakes.revocations_per_hour_max: must be a whole number",
        "brakes.fleet_share_per_day_max: must be a number",
        "brakes.incident_age_seconds_max: must be more than 0",
        "brakes.dry_run: must be true or false",
        "rules.0.name: must be 1 to 64 letters, digits, dots, hyphens or underscores",
        "rules.0.severity: must be a list in square brackets",
        "rules.0.then: must be 'notify', 'ask' or 'revoke'",
        "rules.0.delay_seconds: must be 86400 or less",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules = 3", "rules: must be tables, each under a [[rules]] of its own"),
        ('[rules]\nname = "a"', "rules: must be tables, each under a [[rules]] of its own"),
        ("rules = [3]", "rules.0: must be a table"),
        ("brakes = 3", "brakes: must be a table"),
        ('[[rules]]\nname="a"\nthen="ask"\n' * 2, "rules: two have the name a"),
    ],
)
def test_a_policy_of_another_shape_is_told_what_is_meant(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    assert str(caught.value) == said


@pytest.mark.parametrize("text", ["[", "rules = 3", '[[rules]]\nname="a"\nthen="ask"\n' * 2])
def test_what_is_no_policy_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_policy(path)
    assert Rulebook.read(path).policy is None
    assert Rulebook.read(path).problem is not None


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_policy(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"severity": ["page"]}, True),
        ({"severity": ["ticket"]}, False),
        ({"cause": ["leaked", "shared"]}, True),
        ({"cause": ["budget"]}, False),
        ({"environment": ["prod"]}, True),
        ({"environment": ["dev"]}, False),
        ({"team": ["search"]}, True),
        ({"team": ["other"]}, False),
        ({"tags": ["a", "z"]}, True),
        ({"tags": ["z"]}, False),
        ({"risk_min": 0.98}, True),
        ({"risk_min": 0.99}, False),
    ],
)
def test_every_field_of_a_rule_is_looked_at(rule: dict[str, object], fits: bool) -> None:  # noqa: FBT001  # a table
    policy = Policy(rules=(Rule.model_validate({"name": "r", "then": "revoke"} | rule),))
    step = decided(policy, key_record(tags=["a"]), history=History(fleet_keys=100)).step
    assert (step == "revoke") is fits


def test_the_first_rule_that_matches_decides() -> None:
    policy = Policy(
        rules=(
            Rule(name="no", cause=["budget"], then="revoke"),
            Rule(name="first", then="notify"),
            Rule(name="second", then="revoke"),
        )
    )
    assert decided(policy).rule == "first"


def test_who_is_asked_is_named() -> None:
    policy = Policy(
        approvers=["U1", "U2"],
        brakes=Brakes(revocations_per_hour_max=0),
        rules=(
            Rule(name="own", cause=["leaked"], then="ask", approvers=["U3"]),
            Rule(name="held", cause=["budget"], then="revoke"),
        ),
    )
    assert decided(policy).reason == "rule own says ask (who may revoke: U3)"
    held = decided(policy, cause="budget")
    assert held.step == "ask"
    assert held.reason.endswith("an hour holds (who may revoke: U1, U2)")
    everybody = Policy(rules=(Rule(name="a", then="ask"),))
    assert decided(everybody).reason == "rule a says ask"


def test_a_delay_is_counted_from_now() -> None:
    policy = Policy(rules=(Rule(name="r", then="revoke", delay_seconds=300),))
    assert decided(policy, now=AT + 7).not_before == AT + 307


HOUR = History([Automatic(f"a{n}", f"k{n}", AT - 60 * n) for n in range(3)], 10_000)
DAY = History([Automatic(f"a{n}", f"k{n}", AT - 7200) for n in range(5)], 100)
OLD = History([Automatic(f"a{n}", f"k{n}", AT - 90_000) for n in range(50)], 100)


@pytest.mark.parametrize(
    ("record", "history", "now", "reason"),
    [
        (key_record(protected=True), History(), AT, "protected"),
        (key_record(status="rotated"), History(), AT, "already rotated"),
        (None, HOUR, AT, "3 automatic revocations an hour"),
        (None, DAY, AT, "5 of 100 keys a day"),
        (None, History([Automatic("a", "k", AT - 7200)]), AT, "1 key a day holds: the registry"),
        (None, History(), AT + 4000, "67 minutes ago"),
    ],
)
def test_what_holds_a_revocation_back_asks_a_person(
    record: KeyRecord | None, history: History, now: float, reason: str
) -> None:
    decision = decided(REVOKE, record, history, now)
    assert decision.step == "ask"
    assert reason in decision.reason


def test_the_brakes_forget_after_a_day() -> None:
    assert decided(history=OLD).step == "revoke"


def test_what_is_over_is_left_alone() -> None:
    assert decided(status="resolved").step == "notify"
    assert decided(status="suppressed").step == "notify"


@pytest.mark.parametrize("seconds", [0, 1])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_rehearsal_keeps_the_brakes(dry_run: bool, seconds: int) -> None:  # noqa: FBT001  # a table
    brakes = Brakes(revocations_per_hour_max=2, dry_run=dry_run)
    policy = REVOKE.model_copy(update={"brakes": brakes})
    many = [
        incident(incident_id=f"inc_{n}", key_id=f"k{n}", detected_at=AT + n * seconds)
        for n in range(4)
    ]
    keys = {f"k{n}": key_record(key_id=f"k{n}") for n in range(100)}
    steps = [decision.step for _, decision in try_policy(policy, many, keys)]
    assert steps == ["revoke", "revoke", "ask", "ask"]
    assert KEY_ID not in keys


def test_dry_runs_use_up_the_limits_of_dry_runs_alone() -> None:
    one = Brakes(revocations_per_hour_max=1)
    dry = one.model_copy(update={"dry_run": True})
    rehearsed = History([Automatic("a", "k", AT, dry_run=True)], 1000)
    done = History([Automatic("a", "k", AT)], 1000)
    assert braked(dry, rehearsed, AT) is not None
    assert braked(dry, done, AT) is not None
    assert braked(one, rehearsed, AT) is None


def test_a_rehearsal_says_once_that_a_key_is_revoked() -> None:
    told = [incident(revision=n, detected_at=AT + n) for n in range(3)]
    told.append(incident(revision=3, detected_at=AT + 9, status="resolved", severity="info"))
    ((first, decision),) = try_policy(REVOKE, told, {})
    assert (first.revision, decision.step) == (0, "revoke")


def test_a_rehearsal_knows_the_registry_as_it_was() -> None:
    """A key that was revoked because of the incident was active when it was detected."""
    for changed_at, step in ((AT + 600, "revoke"), (AT - 600, "ask"), (None, "ask")):
        record = key_record(status="revoked", status_changed_at=changed_at)
        ((_, decision),) = try_policy(REVOKE, [incident()], {KEY_ID: record})
        assert decision.step == step
