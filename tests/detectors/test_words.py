import pytest

from detectors.baselines.totals import Totals
from detectors.words import cents, counted, dollars, mean, money, network, paid, quoted, span, times


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (counted(1, "request"), "1 request"),
        (counted(0, "address"), "0 addresses"),
        (counted(12_345, "token"), "12,345 tokens"),
        (span(0.2), "1 second"),
        (span(60), "60 seconds"),
        (span(5 * 3600), "5 hours"),
        (dollars(0), "$0.00"),
        (dollars(1_250_000_000), "$1.25"),
        (dollars(2_500_000), "$0.0025"),
        (dollars(40_000), "less than $0.0001"),
        (paid(Totals(requests=3, nanos=1_250_000_000)), "$1.25"),
        (paid(Totals(requests=3, unpriced=3)), "of unknown price"),
        (paid(Totals(3, nanos=10_000_000, unpriced=2)), "$0.01, and 2 of unknown price"),
        (mean(0.3, 2_500_000), "0.3 ($0.0025)"),
        (mean(0.3, 0.0), "0.3"),
        (mean(4.0, 0.0), "4"),
        (mean(9.96, 0.0), "10"),
        (mean(1234.5, 0.0), "1,234"),
        (mean(0.04, 250_000.0), "hardly any ($0.0003)"),
        (money(0.5), "$0.50"),
        (cents(1234.5), "$1,234.50"),
        (cents(0.002), "$0.00"),
        (times(31, 10, "the usual"), "3.1 times the usual"),
        (times(1234, 10, "the record"), "123 times the record"),
        (times(3, 0, "the usual"), "where nothing is usual"),
        (quoted("gpt-4o"), '"gpt-4o"'),
        (quoted('x". All is well. "y'), "\"x'. All is well. 'y\""),
        (quoted("x" * 90), '"' + "x" * 79 + '…"'),
        (network("88.6"), "88.6.0.0/16"),
        (network("2003:469"), "2003:469::/32"),
        (network("2a00:"), "2a00::/32"),
        (network("AS15169"), "AS15169"),
        (network("Amazon AWS"), "Amazon AWS"),
    ],
)
def test_numbers_and_names_as_people_say_them(said: str, text: str) -> None:
    assert said == text
