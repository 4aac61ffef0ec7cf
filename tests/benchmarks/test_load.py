"""A load of many keys is one of many addresses, as a fleet of that size would be."""

from collections import defaultdict
from ipaddress import ip_network

from pipeline.config import Config
from pipeline.default_rules import default_rules
from schemas.codec import decode_event
from tests.benchmarks.load import STRANGERS, Mix, load

COPIES = 200


def test_copies_of_a_key_have_addresses_of_their_own_in_its_prefixes() -> None:
    few = Mix(originals=4, volume=STRANGERS.volume, history_days=0)
    rows = load(few, 4 * COPIES, 20_000, default_rules(Config())).rows
    prefixes = defaultdict[str, set[str]](set)
    keys, addresses = set[str](), set[str]()
    for event in map(decode_event, rows):
        assert event.client_ip is not None
        keys.add(event.key_id)
        addresses.add(event.client_ip)
        length = 48 if ":" in event.client_ip else 24
        prefix = ip_network(f"{event.client_ip}/{length}", strict=False)
        prefixes[event.key_id.rpartition("-")[0]].add(str(prefix))
    assert len(addresses) >= len(keys)
    assert max(map(len, prefixes.values())) < COPIES
