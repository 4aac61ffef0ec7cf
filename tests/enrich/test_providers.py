"""Gateways, OpenTelemetry and bills write the same provider differently."""

import pytest

from pipeline.enrich.providers import provider_name


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (("openai", "OpenAI", " openai ", "text-completion-openai"), "openai"),
        (("azure", "azure_ai", "azure.ai.openai", "az.ai.openai", "azure_openai"), "azure"),
        (("bedrock", "aws.bedrock", "bedrock_converse"), "aws"),
        (("gemini", "vertex_ai", "gcp.vertex_ai", "gcp.gen_ai", "google"), "google"),
        (("xai", "x_ai", "x-ai"), "x-ai"),
        (("of-our-own", "Of-Our-Own"), "of-our-own"),
        (("", None), ""),
    ],
)
def test_one_name_for_each(names: tuple[str | None, ...], name: str) -> None:
    assert {provider_name(each) for each in names} == {name}


def test_a_name_of_any_length_is_cut() -> None:
    assert len(provider_name("p" * 100_000)) <= 64
