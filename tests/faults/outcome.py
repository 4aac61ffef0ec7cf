"""What came of a fault."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """How often a fault was injected, and what was wrong afterwards."""

    fault: str
    repetitions: int
    violations: list[str] = field(default_factory=list)
