from pathlib import Path

from tests.support.full_disk import SAYS, run


def test_a_full_disk_is_waited_for_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    assert run(tmp_path / "store") == SAYS
