"""What the owner of a key says about it (file or topic `keys`, compacted)."""

from typing import Literal

from msgspec import Struct

from schemas.fields import Dollars, Identifier, Time, utc


class KeyRecord(Struct, omit_defaults=True, kw_only=True):
    """An entry of the key registry; a key without one is learnt from its traffic."""

    key_id: Identifier
    """The id under which the gateway's events come; a raw secret is replaced by its hash."""
    alias: str | None = None
    """A name for people, shown in messages."""
    team: str | None = None
    """Whose it is; shown in messages, and named by rules of the policy."""
    owner: str | None = None
    """Whom to ask; shown in messages."""
    environment: str | None = None
    """Such as `prod` or `dev`; shown in messages, named by rules of the policy, and a threshold of
    its own in a calibration."""
    provider: str | None = None
    """Whose models it serves; a note for people."""
    provider_key_id: Identifier | None = None
    """The provider's own id of the key with which the gateway serves this one; bills are joined to
    keys by it."""
    gateway: str | None = None
    """Which configured gateway obeys a revocation of this key; `response.default_gateway` if
    absent."""
    timezone: str | None = None
    """An IANA zone, or hours east of UTC (`UTC+9`); learnt from the traffic when absent."""
    created_at: Time | None = None
    """When the key was made. If that was two weeks or more before the registry told of it, its
    first use is that of a key which lay unused."""
    expires_at: Time | None = None
    """Use after it is use of a dead key."""
    rotated_at: Time | None = None
    """When another took its place; read where `status` is `rotated` and `status_changed_at` is
    absent."""
    daily_budget_usd: Dollars | None = None
    """US dollars of a UTC day; 0: nothing may be spent."""
    monthly_budget_usd: Dollars | None = None
    """US dollars of a UTC month; likewise."""
    allowed_countries: list[str] | None = None
    """ISO 3166-1 alpha-2 codes: use from elsewhere is evidence of a leak; empty or absent, nothing
    is known of countries."""
    protected: bool = False
    """Never revoked without a person."""
    canary: bool = False
    """Any use is a leak."""
    status: Literal["active", "revoked", "rotated"] = "active"
    """Use of a key that is not active is use of a dead key."""
    status_changed_at: Time | None = None
    """Since when; requests of the two minutes after it are taken for those that were under way."""
    tags: list[str] | None = None
    """Of your own; named by rules of the policy."""

    def __post_init__(self) -> None:
        for name in ("created_at", "expires_at", "rotated_at", "status_changed_at"):
            time = getattr(self, name)
            if time is not None:
                setattr(self, name, utc(time))

    def allows(self, country: str) -> bool:
        """Whether the owner lists this country."""
        return country in {each.upper() for each in self.allowed_countries or ()}

    def forbids(self, country: str) -> bool:
        """Whether the owner allows some countries, and not this one; empty: nobody knows it."""
        return bool(self.allowed_countries and country) and not self.allows(country)
