"""Events behind their key's clock: their windows may be open, or have left something behind."""

from pipeline.accept import Use
from pipeline.engine.counting import totals_of
from pipeline.engine.state import KeyState
from schemas.spend_window import windows_of


def count_late(state: KeyState, use: Use) -> None:
    """Add an event behind the lateness to its windows that are open, and to what is left of others.

    A bill that comes later is held against it, and its month has it.
    """
    at, totals = int(use.at), totals_of(use)
    hour, day, windows = at // 3600, at // 86400, state.windows
    for granularity, number in windows_of(at // 60):
        window = windows.of(granularity, number)
        if window is not None:
            window.add(totals)
            if use.kind.source is not None:
                window.note_source(use.kind.source.digest)
            state.touched.add((granularity, number))
    books = state.history.books
    keeps_hour, keeps_day = hour in windows.hours, day in windows.days
    if not keeps_hour:
        state.history.enter_month(hour, totals)
        if keeps_hour := books.holds_hour(hour):
            books.enter(hour, totals)
    if not keeps_day and (keeps_day := books.holds_day(day)):
        books.enter_day(day, totals)
    where = hour if keeps_hour else None, day if keeps_day else None
    books.accounts.book(use.kind.account, *where, totals)
