from pipeline.pause import backoff


def test_a_backoff_grows_and_is_bounded_however_often_something_fails() -> None:
    pauses = [backoff(failures, 2.0, 3.0, 300.0) for failures in (1, 2, 3, 4, 5, 6, 1_100)]
    assert pauses == [2, 6, 18, 54, 162, 300, 300]
