"""Examples of `exposed_key`: what it fires on, and near misses."""

import msgspec
import pytest

from pipeline.message import Message
from schemas.usage_event import UsageEvent
from tests.support.events import event, messages, office
from tests.support.examples import NOW, Example, findings, honest

BROWSER = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0"


def visitors(user_agent: str, origin: str | None) -> list[UsageEvent]:
    return [
        event(NOW + n * 11, client_ip=f"84.{n % 12 + 20}.1.7", user_agent=user_agent, origin=origin)
        for n in range(60)
    ]


def front_end() -> list[Message]:
    return messages(
        [
            msgspec.structs.replace(each, user_agent=BROWSER, origin="https://app.example.com")
            for each in office(14)
        ]
    )


FIRES: dict[str, Example] = {
    "browsers of many people": lambda: honest(visitors(BROWSER, "https://app.example.com")),
    "an SDK within a page": lambda: honest(visitors("OpenAI/JS 5.0.1", "https://app.example.com")),
    "a mobile app": lambda: honest(visitors("MyApp/3 CFNetwork/1490 Darwin/23", None)),
}
QUIET: dict[str, Example] = {
    "servers of many people": lambda: honest(visitors("OpenAI/Python 1.99.0", None)),
    "a front end that was always one": front_end,
}


def test_one_request_from_a_browser_is_but_a_try() -> None:
    one = findings("exposed_key", lambda: honest(visitors(BROWSER, None)[:1]))
    some = findings("exposed_key", lambda: honest(visitors(BROWSER, None)[:8]))
    assert max(each.score for each in one) < 0.7 * max(each.score for each in some)


def test_browsers_behind_the_companys_web_gateway_say_half() -> None:
    def most(client_ip: str) -> float:
        colleagues = [
            msgspec.structs.replace(each, client_ip=client_ip) for each in visitors(BROWSER, None)
        ]
        return max(each.score for each in findings("exposed_key", lambda: honest(colleagues)))

    assert most("165.225.72.9") == pytest.approx(most("84.20.1.7") / 2)  # Zscaler


def test_one_telephone_says_less_than_half_of_what_four_visitors_do() -> None:
    four = visitors(BROWSER, None)[:4]
    one = [msgspec.structs.replace(each, client_ip="84.20.1.7") for each in four]
    alone = findings("exposed_key", lambda: honest(one))
    visited = findings("exposed_key", lambda: honest(four))
    assert max(each.score for each in alone) < 0.45 * max(each.score for each in visited)


@pytest.mark.parametrize("example", FIRES.values(), ids=FIRES)
def test_it_fires(example: Example) -> None:
    assert findings("exposed_key", example)


@pytest.mark.parametrize("example", QUIET.values(), ids=QUIET)
def test_it_keeps_quiet(example: Example) -> None:
    assert not findings("exposed_key", example)
