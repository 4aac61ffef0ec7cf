import json

import pytest

from pipeline.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Ünïcode and 🔑", "plain, Ünïcode and 🔑"),
        ("\x1b[31mred\x07", "\\u001b[31mred\\u0007"),
        ("one\rtwo\nthree\tfour", "one\\rtwo\\nthree\\tfour"),
        ("\x9b31m \x7f", "\\u009b31m \\u007f"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_does_not_show_itself_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert json.loads(f'"{shown}"') == text


def test_what_is_to_be_kept_is_kept() -> None:
    assert printable("a\n\x1b\n", keep="\n") == "a\n\\u001b\n"
