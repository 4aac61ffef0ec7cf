"""Configuration: one TOML file, overridden by `LEAKLINE_SECTION__FIELD` in the environment.

All mistakes are reported at once, each naming its key. Secrets are `SecretStr` and never print.
"""

import tomllib
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.environment import DELIMITER, PREFIX, Environment, unknown_variables, with_secrets
from pipeline.mistakes import mistakes
from pipeline.values import ApiKey, ApiUrl, Brokers, EmptyIsUnset, NetworkText, Seconds, StoreHost

Network = IPv4Network | IPv6Network


class ConfigError(Exception):
    """A configuration or a policy that cannot be used. Each line of the text names one key."""

    exit_code: ClassVar[int] = 2


class Section(BaseModel):
    """A table of the file; unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Kafka(Section, EmptyIsUnset):
    """The broker and how the log is laid out on it."""

    brokers: Brokers = "127.0.0.1:9092"
    """Comma-separated `host:port`."""
    topic_prefix: str = ""
    """Prefix of every topic and group name, so that installations can share a broker."""
    partitions: Annotated[int, Field(ge=1, le=1024)] = 8
    """Partitions of `usage-events`; fixed by `leakline init`."""
    replication: Annotated[int, Field(ge=1, le=9)] = 1
    """Replicas of each partition: 3 in production."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Encryption (SSL) and login by user and password (SASL)."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """PLAIN unless set."""
    sasl_username: str | None = None
    """User at the broker."""
    sasl_password: SecretStr | None = None
    """Better in the environment."""
    ssl_cafile: Path | None = None
    """PEM file of the authority behind the broker's certificate, if it is none of the usual."""
    ssl_certfile: Path | None = None
    """PEM file of the client certificate, if the broker asks for one."""
    ssl_keyfile: Path | None = None
    """PEM file of its key."""
    checkpoint_seconds: Annotated[Seconds, Field(le=30)] = 5.0
    """States of keys are written, and offsets committed, at least this often.
    At most 30: a transaction times out after a minute."""
    session_timeout_seconds: Seconds = 30.0
    """A worker that shows no sign of life for this long loses its partitions to another."""


class Store(Section, EmptyIsUnset):
    """ClickHouse: a server when `host` is set, else the embedded engine in `path`."""

    host: StoreHost | None = None
    """A ClickHouse server, by its name or address alone; the embedded engine is used unless set."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8123
    """Port of its HTTP interface; 8443 is usual with TLS."""
    username: str = "default"
    """`init` needs a user that may create, the sink one that may insert, the console one that may
    read: better in the environment of each."""
    password: SecretStr = SecretStr("")
    """Better in the environment."""
    secure: bool = False
    """Use TLS."""
    ssl_cafile: Path | None = None
    """PEM file of the authority behind the server's certificate, if it is none of the usual."""
    database: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] = "leakline"
    """The database of the tables; `leakline init` creates it."""
    path: Path = Path("leakline-data")
    """Folder of the embedded engine."""
    batch_rows_max: Annotated[int, Field(ge=1)] = 50_000
    """Most rows in one insert."""
    batch_seconds: Seconds = 1.0
    """Longest wait of an insert for more rows."""
    timeout_seconds: Seconds = 30.0
    """Queries are given up after this."""


class Sources(Section, EmptyIsUnset):
    """Where requests come from."""

    trusted_proxies: list[NetworkText] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
    ]
    """Networks of your own proxies, skipped from the right of a forwarded list of addresses."""
    country_mmdb: Path | None = None
    """A GeoLite2, DB-IP or IPinfo country or city file; built-in registry data unless set."""
    asn_mmdb: Path | None = None
    """The same for autonomous systems; only hosting providers are known unless set."""

    @property
    def proxies(self) -> tuple[Network, ...]:
        """`trusted_proxies`, parsed."""
        return tuple(ip_network(text) for text in self.trusted_proxies)


class Detection(Section):
    """How keys are judged."""

    lateness_seconds: Annotated[Seconds, Field(le=600)] = 300.0
    """An event older than its key's clock by more than this is counted but not judged. At most 600:
    a key's state holds every minute that may still be added to."""
    future_seconds: Seconds = 300.0
    """An event ahead of its append time by more than this is a dead letter."""
    pages_per_1000_key_weeks: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0
    """The page budget: how many false pages the team accepts. `leakline calibrate` sets the
    thresholds to keep it."""
    dead_letter_share_max: Annotated[float, Field(gt=0, le=1)] = 0.5
    """A worker stops when more than this share of its last 1,000 events were dead letters. Those
    ahead of their append time count as none."""


class Slack(Section, EmptyIsUnset):
    """Where pages go. Without a token there is no Slack."""

    token: SecretStr | None = None
    """Bot token with chat:write, and channels:history (of a private channel, groups:history)."""
    app_token: SecretStr | None = None
    """For Socket Mode; clicks arrive over HTTP unless set."""
    signing_secret: SecretStr | None = None
    """Slack signs its requests with it; needed for clicks over HTTP."""
    channel: str = ""
    """Id of the channel for pages."""
    ticket_channel: str = ""
    """Id of the channel for tickets; none are posted unless set."""
    allowed_users: list[str] = []
    """Ids of the Slack users whose clicks are accepted."""
    team_id: str | None = None
    """If set, clicks from other workspaces are refused."""
    base_url: str = "https://slack.com/api/"
    """Slack's Web API, with a slash at the end."""
    fallback_webhook: SecretStr | None = None
    """Used when Slack's API cannot be reached."""
    console_url: str | None = None
    """Base address of the console, for links in messages."""


class Gateway(Section, EmptyIsUnset):
    """Somewhere that obeys revocations."""

    name: Annotated[str, Field(min_length=1)]
    """The name that registry entries and `response.default_gateway` use."""
    kind: Literal["webhook", "litellm"] = "webhook"
    """`webhook`: signed Standard Webhooks. `litellm`: the proxy's admin API."""
    url: str
    """`webhook`: the endpoint. `litellm`: the proxy's base address."""
    secret: Annotated[SecretStr, Field(min_length=1)]
    """`webhook`: `whsec_` and base64 of at least 24 bytes. `litellm`: an admin key."""
    probe_url: str | None = None
    """`webhook`: asked after a revocation whether the key still works."""
    timeout_seconds: Seconds = 5.0
    """An attempt that takes longer is given up and retried."""
    attempts_max: Annotated[int, Field(ge=1, le=20)] = 6
    """After this many attempts an action has failed."""
    allowed_networks: list[NetworkText] = []
    """Private networks that this gateway may be in; public addresses need no entry. Plain http
    goes nowhere else."""


class Response(Section, EmptyIsUnset):
    """What may be done, and by whom."""

    policy: Path | None = None
    """The policy file; nothing is revoked automatically unless set."""
    default_gateway: str | None = None
    """The gateway of keys whose registry entry names none."""
    gateway_secrets: dict[str, SecretStr] = {}
    """Secret by gateway, in place of `secret` in its table: `prod = "…"`. A variable cannot be
    named like every gateway: upper and lower case are the same, `_` also stands for hyphens, dots
    and spaces."""
    gateways: Annotated[list[Gateway], Field(validate_default=True)] = []
    """One table for each gateway."""

    @field_validator("gateways", mode="before")
    @classmethod
    def _with_secrets(cls, tables: object, info: ValidationInfo) -> object:
        return with_secrets(tables, info.data.get("gateway_secrets", {}))


class Poll(Section, EmptyIsUnset):
    """Providers that are asked what they bill: those with an admin key."""

    openai_admin_key: ApiKey | None = None
    """An admin key of OpenAI that may read usage. Better in the environment."""
    openai_url: ApiUrl = "https://api.openai.com/v1"
    """Base address of OpenAI's API."""
    anthropic_admin_key: ApiKey | None = None
    """An Admin API key of Anthropic. Better in the environment."""
    anthropic_url: ApiUrl = "https://api.anthropic.com"
    """Base address of Anthropic's API."""
    interval_seconds: Annotated[Seconds, Field(ge=60, le=3600)] = 600.0
    """A provider is asked again so long after its last answer."""


class Serve(Section, EmptyIsUnset):
    """The HTTP server: intake, Slack's clicks, the console."""

    host: str = "127.0.0.1"
    """The address to listen on: 127.0.0.1 for this machine only, 0.0.0.0 for all networks."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8787
    """0 picks a free one."""
    tokens: dict[str, SecretStr] = {}
    """Bearer token by source: `litellm = "…"`. The intake is closed without any. While rotating
    one, give the old and the new, separated by a comma."""
    body_bytes_max: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    """Largest body of a request, before and after decompression."""
    requests_per_second_max: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 500.0
    """Intake requests of one source; bursts of two seconds' worth are accepted."""
    console_token: SecretStr | None = None
    """The console asks for it; needed unless the server listens on loopback only, and no proxy on
    the machine passes requests on to it. Some (nginx, unless told otherwise) do not say that they
    do: whoever reaches such a proxy reaches the console."""


class Config(EmptyIsUnset, BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, extra="forbid", frozen=True
    )

    kafka: Kafka = Kafka()
    store: Store = Store()
    sources: Sources = Sources()
    detection: Detection = Detection()
    slack: Slack = Slack()
    response: Response = Response()
    poll: Poll = Poll()
    serve: Serve = Serve()
    keys: Path | None = None
    """A key registry to load at start; entries count when they are new or changed in it, and are
    withdrawn when they are no longer in it."""
    metrics_port: Annotated[int, Field(ge=1, le=65530)] | None = None
    """Workers show their metrics at `/metrics`: `detect` on this port, `sink`, `reconcile`,
    `notify`, `enforce` and `poll` on the next five. Off unless set."""
    metrics_host: str = "127.0.0.1"
    """The address for the workers' metrics; anyone who can reach it may read them."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        del env_settings, dotenv_settings, file_secret_settings
        return Environment(settings_cls), init_settings

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The configuration in a file (none: defaults) with the environment over it.

        Raises:
            ConfigError: naming every key that is wrong, one a line.
        """
        wrong = list(unknown_variables(cls))
        try:
            config = cls(**(read_toml(path) if path is not None else {}))
        except ValidationError as error:
            wrong.append(mistakes(error, environment=True))
        if wrong:
            raise ConfigError("\n".join(wrong))
        return config


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors may put a mark first
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None
