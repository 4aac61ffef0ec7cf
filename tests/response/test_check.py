"""What check-config says about gateways and the policy."""

from pathlib import Path

from pipeline.config import Config, Gateway, Response
from pipeline.response.check import check_gateways
from tests.support.samples import WEBHOOK_SECRET


def gateway(**changes: object) -> Gateway:
    settings: dict[str, object] = {
        "name": "edge",
        "url": "https://gateway.example.com/hook",
        "secret": WEBHOOK_SECRET,
    }
    return Gateway.model_validate(settings | changes)


def lines(*gateways: Gateway, default: str | None = None, policy: Path | None = None) -> list[str]:
    response = Response(gateways=list(gateways), default_gateway=default, policy=policy)
    return check_gateways(Config(response=response))


def test_a_good_one_has_nothing_to_say() -> None:
    assert lines(gateway(), default="edge") == []
    inside = gateway(url="http://10.0.0.5/hook", allowed_networks=["10.0.0.0/8"])
    assert lines(inside) == []


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    said = lines(
        gateway(secret="whsec_short"),
        gateway(url="http://gateway.example.com"),
        gateway(name="b", url="https://169.254.169.254/"),
        gateway(name="c", url="gateway.example.com", probe_url="https://[::1]/"),
        default="nowhere",
        policy=tmp_path / "none.toml",
    )
    assert len(said) == 8
    assert all("short" not in line for line in said)
    assert "two have the name edge" in said[0]
    assert "there is no gateway nowhere" in said[1]
    assert said[-1].startswith("response.policy:")
