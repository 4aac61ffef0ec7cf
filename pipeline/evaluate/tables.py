"""A report as text: what `leakline evaluate` and the benchmarks print."""

from collections.abc import Iterable, Mapping, Sequence

from detectors.words import cents
from pipeline.evaluate.report import AttackRow, Report
from pipeline.printable import printable

_ATTACKS = ("attack", "n", "recall", "median", "p90", "lost median", "lost total", "cause")


def render(report: Report) -> str:
    """Every table, and the headline figures."""
    rows = [_attack(row) for row in (*report.kinds, *report.strengths, report.overall)]
    changes = [(row.kind, str(row.n), str(row.paged)) for row in report.changes]
    return "\n\n".join(
        part
        for part in (
            table(_ATTACKS, rows),
            table(("benign change", "n", "paged"), changes) if changes else "",
            _headline(report),
        )
        if part
    )


def compare(reports: Mapping[str, Report]) -> str:
    """One line for each way to page: ours and the comparators', as benchmarks show them."""
    head = ("detector", "recall", "weakest kind", "precision", "false/1000 kw", "benign paged")
    rows = [
        (
            name,
            percent(report.overall.recall),
            f"{percent(report.weakest_recall)} {report.weakest_kind or ''}",
            percent(report.precision),
            number(report.false_pages_per_1000_key_weeks),
            percent(report.benign_changes_paged_share),
            duration(report.overall.detect_seconds_median),
            duration(report.overall.detect_seconds_p90),
            dollars(report.overall.lost_usd_median),
            percent(report.overall.lost_share),
        )
        for name, report in reports.items()
    ]
    return table((*head, "median", "p90", "lost median", "lost share"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns of text: the first to the left, the others to the right.

    What a terminal would obey is written out: some of it was named by others.
    """
    lines = [[printable(cell) for cell in line] for line in (head, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    texts = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([texts[0], "-" * len(texts[0]), *texts[1:]])


def percent(share: float | None) -> str:
    """A share of one, in percent."""
    return "-" if share is None else f"{share * 100:.1f} %"


def number(value: float | None) -> str:
    """A figure with one decimal."""
    return "-" if value is None else f"{value:.1f}"


def dollars(value: float | None) -> str:
    """US dollars."""
    return "-" if value is None else cents(value)


def duration(seconds: float | None) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _attack(row: AttackRow) -> tuple[str, ...]:
    return (
        row.kind,
        str(row.n),
        percent(row.recall),
        duration(row.detect_seconds_median),
        duration(row.detect_seconds_p90),
        dollars(row.lost_usd_median),
        dollars(row.lost_usd_total),
        percent(row.cause_accuracy),
    )


def _headline(report: Report) -> str:
    attacks = report.overall
    return (
        f"{report.events:,} events, {report.keys:,} keys, {report.key_weeks:,.1f} key-weeks\n"
        f"precision {percent(report.precision)} ({report.true_pages} true pages, "
        f"{report.false_pages} false); "
        f"{number(report.false_pages_per_1000_key_weeks)} false pages per 1,000 key-weeks\n"
        f"of {dollars(attacks.spent_usd_total)} that the attacks spent, "
        f"{dollars(attacks.lost_usd_total)} ({percent(attacks.lost_share)}) "
        f"went before a page, or without one\n"
        f"benign changes that paged: {report.benign_changes_paged} of {report.benign_changes} "
        f"({percent(report.benign_changes_paged_share)})"
    )
