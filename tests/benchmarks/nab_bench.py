"""`make bench-nab DATA=DIR`: the volume baseline's ideas under NAB's own rules."""

from pipeline.evaluate.tables import table
from tests.benchmarks.harness import Figures, Options, say
from tests.benchmarks.nab import DETECTORS, PROFILES, TUNED, benchmark, groups, load

PUBLISHED = {
    "ARTime": (74.9, 65.1, 80.4),
    "Numenta HTM": (70.5, 62.6, 75.2),
    "CAD OSE": (69.9, 67.0, 73.2),
    "earthgecko Skyline": (58.2, 46.2, 63.9),
    "KNN-CAD": (58.0, 43.4, 64.8),
    "AWS random cut forest": (51.7, 38.4, 59.7),
    "Twitter ADVec": (47.1, 33.6, 53.5),
    "windowed Gaussian": (39.6, 20.9, 47.4),
    "random": (11.0, 1.2, 19.5),
}
"""On all 58 series; standard, reward low FP, reward low FN."""
PREFIXES = {"volume ideas": "nab", "windowed Gaussian": "nab_gaussian"}
SUFFIXES = {"all": "", "tuned on": "_tuned", "not tuned on": "_untuned"}


def measure(options: Options) -> Figures | None:
    """NAB's three figures for our scores and for a baseline, on the series in the folder."""
    if options.data is None or not (options.data / "combined_windows.json").exists():
        say("nab: --data DIR with combined_windows.json and data/ is needed", error=True)
        return None
    series = load(options.data)
    split = groups(series)
    found = {
        (name, group): benchmark(part, scorer)
        for name, scorer in DETECTORS.items()
        for group, part in split.items()
    }
    rows = [
        (f"{name}, {group} ({len(split[group])})", *(f"{figures[p]:.1f}" for p in PROFILES))
        for (name, group), figures in found.items()
    ]
    published = [
        (f"{name} (published, all 58)", *map(str, figures)) for name, figures in PUBLISHED.items()
    ]
    windows = sum(len(each.windows) for each in series)
    say(f"{len(series)} series, {windows} anomalies; NAB picks one threshold for each row below")
    for each in series:
        say(f"{'tuned on' if each.name in TUNED else 'not tuned on':>14}  {each.name}")
    say(table(("detector", "standard", "low FP", "low FN"), [*rows, *published]))
    figures: Figures = {"data": f"NAB, {len(series)} series", "nab_series": len(series)}
    for (name, group), values in found.items():
        prefix = PREFIXES[name] + SUFFIXES[group]
        figures |= {f"{prefix}_{profile}": values[profile] for profile in PROFILES}
    return figures
