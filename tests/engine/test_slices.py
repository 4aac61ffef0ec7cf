"""What a user agent is taken for."""

import pytest

from detectors.baselines.slices import slice_from, slice_of


@pytest.mark.parametrize(
    ("user_agent", "client"),
    [
        ("OpenAI/Python 1.61.1", "openai/python"),
        ("langchain-openai/0.2.14 OpenAI/Python 1.54.3", "langchain-openai"),
        ("curl/8.5.0", "curl"),
        ("claude-cli/1.0.44 (external, cli)", "claude-cli"),
        ("Go-http-client/2.0", "go-http-client"),
        ("OpenAI/Python", "openai/python"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0 Safari", "browser"),
        ("blackbox-exporter/0.25", "blackbox-exporter"),
        ("Expo/2.32 CFNetwork/1494 Darwin/23.4", "browser"),
        ("com.example.chat/1.8 (Android 14)", "browser"),
        ("Chat/5.1 (com.example.chat; build:7; iOS 18.1.0) Alamofire/5.9", "browser"),
        ("Chat/5.1 iOS/18.1", "browser"),
        ("UnityPlayer/2022.3.62f1 (UnityWebRequest/1.0, libcurl/8.10.1-DEV)", "browser"),
        ("assistant/2.4 (Android Studio 2025.1)", "assistant"),
        ("ios-release-notes/2.1 (linux)", "ios-release-notes"),
        ("Mozilla/5.0 (compatible; UptimeRobot/2.0; http://uptime)", "uptimerobot"),
        ("(?)", "other"),
        ("client\U00010400/\U00010400 1.0", "client"),  # as many bytes as characters
        ("\U00010400" * 30, "other"),
        (None, ""),
    ],
)
def test_the_family_of_a_client(user_agent: str | None, client: str) -> None:
    what = slice_from("84.112.20.5", user_agent, "gpt-4o", "chat", "ok", has_origin=False)
    assert what.client == client
    assert slice_of(what.token) == what


def test_a_slice_of_a_state_that_an_earlier_version_stored() -> None:
    now = slice_from("84.112.20.5", "curl/8.5.0", "gpt-4o", "chat", "ok", has_origin=False)
    assert slice_of("84.112.20.5\tcurl\tgpt-4o\tchat\tok\t\t8.5.0") == now
