"""Memory of processes, as the system tells it."""

from pathlib import Path


def peak_mb(pid: int) -> int:
    """The most megabytes that a process had resident; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    found = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    return found // 1024
