from schemas.json_schema import RECORDS, json_schema


def test_every_record_has_a_definition() -> None:
    definitions = json_schema()["$defs"]
    assert {record.__name__ for record in RECORDS} <= definitions.keys()
    assert "Signal" in definitions


def test_a_definition_names_what_is_required_and_where_the_limits_are() -> None:
    event = json_schema()["$defs"]["UsageEvent"]
    assert sorted(event["required"]) == ["event_id", "key_id", "occurred_at"]
    assert event["properties"]["event_id"]["maxLength"] == 128
    assert event["properties"]["input_tokens"]["minimum"] == 0


def test_a_definition_says_what_its_fields_mean() -> None:
    entry = json_schema()["$defs"]["KeyRecord"]["properties"]
    assert all(field["description"].endswith(".") for field in entry.values())
    assert entry["canary"]["description"] == "Any use is a leak."
