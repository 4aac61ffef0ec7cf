"""What may be done about an incident from Slack, and by whom, from configuration and registry."""

from pipeline.config import Config
from pipeline.journal import Journal
from pipeline.notify.blocks import Background
from pipeline.notify.clicks import Powers
from pipeline.notify.page import Page
from pipeline.registry import key_record
from pipeline.response.policy import Rulebook
from schemas.key_record import KeyRecord


class Authority:
    """Answers for one configuration and policy."""

    def __init__(self, config: Config, rulebook: Rulebook) -> None:
        self._config = config
        self._policy = rulebook.policy

    def gateway(self, record: KeyRecord | None) -> str | None:
        """The name of the gateway that a key's revocation goes to."""
        named = record.gateway if record is not None else None
        return named or self._config.response.default_gateway

    def not_revocable(self, page: Page | None, record: KeyRecord | None) -> str | None:
        """Why a click cannot revoke the key of a page; None: it can."""
        if page is not None and page.fleet is not None:
            return "it stands for many keys"
        gateway = self.gateway(record)
        if record is not None and record.status != "active":
            return f"the registry says that it is {record.status}"
        if gateway is None:
            return "no gateway is known for it"
        if all(each.name != gateway for each in self._config.response.gateways):
            return f"its gateway {gateway} is not configured"
        return None

    def background(self, page: Page, journal: Journal) -> Background:
        """What the message of an incident needs besides the incident."""
        record = key_record(page.incident.key_id, journal)
        console_url = self._config.slack.console_url
        if page.fleet is None:
            return Background(record, self.not_revocable(page, record), console_url)
        # each of its keys may be revocable, or not: a click will tell
        why = None if self._config.response.gateways else "no gateway is configured"
        keys = {each.key_id for each in page.fleet.members.values()}
        records = (key_record(key_id, journal) for key_id in keys)
        aliases = {each.key_id: each.alias for each in records if each and each.alias}
        return Background(None, why, console_url, aliases)

    def powers(self, page: Page | None, journal: Journal) -> Powers:
        """Who may click what. A rule's approvers come before those of the policy."""
        rule = page.rule if page is not None else None
        approvers = self._policy.approvers_of(rule) if self._policy is not None else None
        record = key_record(page.incident.key_id, journal) if page is not None else None
        return Powers(self._config.slack, approvers, self.not_revocable(page, record))
