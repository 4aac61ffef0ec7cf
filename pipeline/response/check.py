"""Whether gateways and the policy can be used, said in one line each, and a policy's rehearsal."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from pipeline.config import Config, ConfigError, Gateway
from pipeline.outgoing.egress import why_forbidden
from pipeline.response.adapters import adapter
from pipeline.response.decide import Automatic, Decision, History, decide
from pipeline.response.gateway import networks
from pipeline.response.policy import Policy, load_policy
from schemas.fields import epoch
from schemas.incident import Incident
from schemas.key_record import KeyRecord


def check_gateways(config: Config) -> list[str]:
    """What is wrong with the gateways and the policy; nothing is sent."""
    gateways = config.response.gateways
    names = [gateway.name for gateway in gateways]
    lines = [
        f"response.gateways: two have the name {name}"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    default = config.response.default_gateway
    if default is not None and default not in names:
        lines.append(f"response.default_gateway: there is no gateway {default}")
    for gateway in gateways:
        lines += _gateway(gateway)
    return lines + _policy(config.response.policy, config.slack.allowed_users)


def _gateway(gateway: Gateway) -> list[str]:
    lines = [
        f"response.gateways.{gateway.name}.{field}: {problem}"
        for field, url in (("url", gateway.url), ("probe_url", gateway.probe_url))
        if url is not None and (problem := _address(url, gateway)) is not None
    ]
    try:
        adapter(gateway)
    except ValueError as error:
        lines.append(f"response.gateways.{gateway.name}.secret: {error}")
    return lines


def _address(url: str, gateway: Gateway) -> str | None:
    """What is wrong with an address; a name is resolved only when something is sent."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "is no address"
    if parts.scheme not in {"http", "https"} or host is None:
        return "must begin with https:// or http://"
    if parts.scheme == "http" and not gateway.allowed_networks:
        return "plain http is for the gateways of allowed_networks alone"
    try:
        ip_address(host)
    except ValueError:
        return None
    return why_forbidden(host, networks(gateway), plain=parts.scheme == "http")


def _policy(path: Path | None, allowed: Sequence[str]) -> list[str]:
    try:
        policy = load_policy(path)
    except ConfigError as error:
        lines = str(error).splitlines()
    else:
        lines = [] if policy is None else list(_approvers(policy, allowed))
    return [f"response.policy: {line}" for line in lines]


def _approvers(policy: Policy, allowed: Sequence[str]) -> Iterator[str]:
    """Approvers who cannot approve: a click counts only of those in `slack.allowed_users`."""
    named = {"approvers": policy.approvers}
    named |= {f"rules.{n}.approvers": rule.approvers for n, rule in enumerate(policy.rules)}
    for place, approvers in named.items():
        if approvers == []:
            yield f"{place}: empty, so nobody can press Revoke"
        for user in approvers or ():
            if user not in allowed:
                yield f"{place}: {user} is not in slack.allowed_users, so cannot press Revoke"


def try_policy(
    policy: Policy | None,
    incidents: Iterable[Incident],
    keys: Mapping[str, KeyRecord],
) -> Sequence[tuple[Incident, Decision]]:
    """What a policy would do with recorded incidents, brakes included, each at its own time.

    A key that is to be revoked settles its incident: its later revisions are left out.
    """
    automatic: list[Automatic] = []
    settled: set[str] = set()
    outcome = []
    for incident in incidents:
        if incident.incident_id in settled:
            continue
        now = epoch(incident.detected_at)
        history = History([each for each in automatic if each.at <= now], len(keys))
        record = _as_of(keys.get(incident.key_id), now)
        decision = decide(policy, incident, record, history, now)
        if decision.step == "revoke":
            settled.add(incident.incident_id)
            done = Automatic(incident.incident_id, incident.key_id, now, decision.dry_run)
            automatic.append(done)
        outcome.append((incident, decision))
    return outcome


def _as_of(record: KeyRecord | None, now: float) -> KeyRecord | None:
    """A key's entry as it was: the incident may be why its status changed later."""
    if record is None or record.status_changed_at is None:
        return record
    return record if epoch(record.status_changed_at) <= now else replace(record, status="active")
