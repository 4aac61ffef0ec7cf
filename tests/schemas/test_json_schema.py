import inspect
from typing import Any

import pytest

from schemas.json_schema import RECORDS, json_schema
from schemas.label import Label
from schemas.notice import Notice


def test_every_record_has_a_definition() -> None:
    definitions = json_schema()["$defs"]
    assert {record.__name__ for record in RECORDS} <= definitions.keys()
    assert {Label, Notice} <= set(RECORDS)
    parts = definitions.keys() - {record.__name__ for record in RECORDS}
    assert parts == {"Signal", "Tail"}


def test_a_definition_names_what_is_required_and_where_the_limits_are() -> None:
    event = json_schema()["$defs"]["UsageEvent"]
    assert sorted(event["required"]) == ["event_id", "key_id", "occurred_at"]
    assert event["properties"]["event_id"]["maxLength"] == 128
    assert event["properties"]["input_tokens"]["minimum"] == 0


def test_a_definition_says_what_its_fields_mean() -> None:
    entry = json_schema()["$defs"]["KeyRecord"]["properties"]
    assert all(field["description"].endswith(".") for field in entry.values())
    assert entry["canary"]["description"] == "Any use is a leak."


def test_no_definition_is_without_meanings() -> None:
    for name, definition in json_schema()["$defs"].items():
        assert any("description" in field for field in definition["properties"].values()), name
    event = json_schema()["$defs"]["UsageEvent"]["properties"]
    assert "Cached tokens included" in event["input_tokens"]["description"]


def test_a_bill_names_its_key_by_either_id() -> None:
    bill = json_schema()["$defs"]["ProviderUsage"]
    assert "key_id" not in bill["required"]
    needed = [each["required"] for each in bill["anyOf"]]
    assert needed == [["key_id"], ["provider_key_id"]]
    assert all(
        each["properties"][name] == {"type": "string"}  # null is none
        for each in bill["anyOf"]
        for name in each["required"]
    )


def test_without_its_source_a_record_has_a_definition_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(_: object) -> str:
        raise OSError("could not get source code")

    whole = json_schema()["$defs"]
    monkeypatch.setattr(inspect, "getsource", away)
    bare = json_schema()["$defs"]
    assert bare.keys() == whole.keys()
    assert not any("description" in field for field in fields(bare))
    assert any("description" in field for field in fields(whole))


def fields(definitions: dict[str, Any]) -> list[dict[str, Any]]:
    return [field for each in definitions.values() for field in each["properties"].values()]
