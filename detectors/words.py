"""Numbers as people say them, for the sentences of findings."""


def times(value: float, usual: float) -> str:
    """A ratio in words: `12 times`, or `for the first time` without a usual value."""
    if usual <= 0:
        return "more than ever"
    ratio = value / usual
    return f"{ratio:.0f} times" if ratio >= 10 else f"{ratio:.1f} times"


def span(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    if seconds < 172_800:
        return f"{round(seconds / 3600)} hours"
    return f"{round(seconds / 86400)} days"


def dollars(nanos: float) -> str:
    """Nano-dollars in words."""
    value = nanos / 1e9
    return f"${value:,.2f}" if value >= 0.01 or value == 0 else f"${value:.4f}"
