import msgspec
import pytest

from schemas.topics import TOPICS, Topic

ROLES = {"intake", "gateways", "serve", "pollers", "owners", "detect", "reconcile", "sink"} | {
    "notify",
    "enforce",
    "tools",
    "poll",
}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_says_what_it_is_for_and_who_uses_it(topic: Topic) -> None:
    assert topic.description.endswith(".")
    assert topic.written_by
    assert topic.read_by
    assert set(topic.written_by) | set(topic.read_by) <= ROLES


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_key_of_a_message_is_a_field_of_its_body(topic: Topic) -> None:
    if topic.body is None or topic.key is None:
        return
    assert topic.key in {field.name for field in msgspec.structs.fields(topic.body)}


def test_names_are_unique() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)


def test_what_needs_the_whole_view_has_one_partition() -> None:
    partitions = {topic.name: topic.partitions for topic in TOPICS}
    assert partitions["incidents"] == partitions["actions"] == 1
    assert partitions["usage-events"] is partitions["detect-state"] is None


def test_states_are_compacted_and_logs_are_not() -> None:
    compacted = {topic.name for topic in TOPICS if topic.compacted}
    states = {f"{role}-state" for role in ("detect", "notify", "enforce", "reconcile", "poll")}
    assert compacted == {"keys"} | states
