"""What the owner of a key says about it (file or topic `keys`, compacted)."""

from typing import Literal

from msgspec import Struct

from schemas.fields import Dollars, Identifier, Time, utc


class KeyRecord(Struct, omit_defaults=True, kw_only=True):
    """An entry of the key registry; a key without one is learnt from its traffic."""

    key_id: Identifier
    alias: str | None = None
    team: str | None = None
    owner: str | None = None
    environment: str | None = None
    provider: str | None = None
    provider_key_id: Identifier | None = None
    gateway: str | None = None
    """Which configured gateway obeys a revocation of this key."""
    timezone: str | None = None
    """An IANA zone, or hours east of UTC (`UTC+9`); learnt from the traffic when absent."""
    created_at: Time | None = None
    expires_at: Time | None = None
    rotated_at: Time | None = None
    daily_budget_usd: Dollars | None = None
    """Of a UTC day; 0: nothing may be spent."""
    monthly_budget_usd: Dollars | None = None
    """Of a UTC month; likewise."""
    allowed_countries: list[str] | None = None
    """ISO 3166-1 alpha-2 codes."""
    protected: bool = False
    """Never revoked without a person."""
    canary: bool = False
    """Any use is a leak."""
    status: Literal["active", "revoked", "rotated"] = "active"
    status_changed_at: Time | None = None
    tags: list[str] | None = None

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
