"""What check-config says about gateways and the policy."""

from pathlib import Path

from pipeline.config import Config, Gateway, Response, Slack
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
    (outside,) = lines(gateway(url="http://8.8.8.8/hook", allowed_networks=["10.0.0.0/8"]))
    assert "plain http" in outside


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


def test_approvers_who_cannot_press_the_button_are_named(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        'approvers = ["U1", "U9"]\n[[rules]]\nname = "a"\nthen = "ask"\napprovers = ["U8"]\n'
        '[[rules]]\nname = "b"\nthen = "ask"\napprovers = []\n'
    )
    config = Config(slack=Slack(allowed_users=["U1", "U2"]), response=Response(policy=path))
    stranger = "is not in slack.allowed_users, so cannot press Revoke"
    assert check_gateways(config) == [
        f"response.policy: approvers: U9 {stranger}",
        f"response.policy: rules.0.approvers: U8 {stranger}",
        "response.policy: rules.1.approvers: empty, so nobody can press Revoke",
    ]
    path.write_text('approvers = ["U2"]\n[[rules]]\nname = "a"\nthen = "ask"\n')
    assert check_gateways(config) == []
