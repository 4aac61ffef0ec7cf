"""A key's spend per minute as an SVG bar chart: no script, no style attribute."""

from datetime import UTC, datetime
from math import ceil
from typing import Final

from detectors.words import money
from pipeline.serve.html import Html, join, tag

WIDTH: Final = 720
HEIGHT: Final = 180
_LEFT, _TOP, _BOTTOM = 56, 12, 24
BARS_MAX: Final = 180
"""Longer times are drawn with several minutes a bar."""
_TOP_USD_MIN: Final = 0.0002
"""The least that is drawn to the full height: half of it can still be written at the axis."""
_LABELS: Final = 5

Points = list[tuple[float, float]]
"""(start of the minute in Unix seconds, dollars), in order."""


def spend_chart(points: Points, opened: float, title: str) -> Html:
    """Bars of spend, with a line where the incident began.

    Args:
        points: spend by minute; minutes without spend may be missing.
        opened: Unix seconds of the first evidence.
        title: what a screen reader says.
    """
    if not points:
        return tag("p", "No spend was recorded in this time.", class_="quiet")
    bars, step = _bars(points)
    start, top = bars[0][0], max(_TOP_USD_MIN, *(dollars for _, dollars in bars))
    end = bars[-1][0] + step
    return tag(
        "svg",
        tag("title", title),
        _grid(top),
        join(*(_bar(at, dollars, (start, end, step, top), opened) for at, dollars in bars)),
        _opening(opened, start, end),
        _times(start, end),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="chart",
    )


def _bars(points: Points) -> tuple[Points, float]:
    """(bars, seconds a bar)."""
    first, last = points[0][0], points[-1][0]
    step = 60.0 * max(1, ceil((last - first + 60) / 60 / BARS_MAX))
    sums: dict[float, float] = {}
    for at, dollars in points:
        place = first + (at - first) // step * step
        sums[place] = sums.get(place, 0.0) + dollars
    return sorted(sums.items()), step


def _x(at: float, start: float, end: float) -> float:
    return round(_LEFT + (at - start) / (end - start) * (WIDTH - _LEFT - 8), 1)


def _y(dollars: float, top: float) -> float:
    return round(HEIGHT - _BOTTOM - dollars / top * (HEIGHT - _BOTTOM - _TOP), 1)


def _bar(
    at: float, dollars: float, frame: tuple[float, float, float, float], opened: float
) -> Html:
    start, end, step, top = frame
    left, right, y = _x(at, start, end), _x(at + step, start, end), _y(dollars, top)
    return tag(
        "rect",
        tag("title", f"{_clock(at)}: {money(dollars)}"),
        x=left,
        y=y,
        width=round(max(0.8, (right - left) * 0.85), 1),
        height=round(HEIGHT - _BOTTOM - y, 1),
        class_="after" if at + step > opened else "before",
    )


def _grid(top: float) -> Html:
    return join(
        *(
            join(
                tag("line", x1=_LEFT, x2=WIDTH - 8, y1=_y(level, top), y2=_y(level, top)),
                tag("text", money(level), x=_LEFT - 6, y=_y(level, top) + 4, text_anchor="end"),
            )
            for level in (0.0, top / 2, top)
        )
    )


def _opening(opened: float, start: float, end: float) -> Html:
    if not start <= opened <= end:
        return join()
    x = _x(opened, start, end)
    return tag("line", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM, class_="opened")


def _times(start: float, end: float) -> Html:
    ends = {0: "start", _LABELS - 1: "end"}
    return join(
        *(
            tag(
                "text",
                _clock(at),
                x=_x(at, start, end),
                y=HEIGHT - 6,
                text_anchor=ends.get(index, "middle"),
            )
            for index in range(_LABELS)
            for at in [start + (end - start) * index / (_LABELS - 1)]
        )
    )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M")
