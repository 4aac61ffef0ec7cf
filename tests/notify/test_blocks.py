"""What a message says of an incident."""

from detectors.discovery import all_detectors
from pipeline.notify.blocks import ABOUT_SOURCES


def test_detectors_that_judge_places_exist() -> None:
    assert {each.name for each in all_detectors()} >= ABOUT_SOURCES
