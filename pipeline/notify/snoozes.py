"""When snoozes end."""

from pipeline.journal import Journal
from pipeline.notify import page as pages
from pipeline.notify.page import Page


class Snoozes:
    """Those that have not ended, by incident."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}

    def note(self, page: Page) -> None:
        """Note the snooze of a page, if it has one."""
        if page.snoozed_until is not None:
            self._ends[page.incident.incident_id] = page.snoozed_until

    def take_ended(self, now: float, journal: Journal) -> list[str]:
        """The incidents whose snooze is over; notices after their keys, which they show."""
        ended = [each for each, until in self._ends.items() if until <= now]
        for incident_id in ended:
            del self._ends[incident_id]
        loaded = {each: pages.load(each, journal) for each in ended}
        return sorted(ended, key=lambda each: _is_notice(loaded[each]))


def _is_notice(page: Page | None) -> bool:
    return page is not None and page.fleet is not None
