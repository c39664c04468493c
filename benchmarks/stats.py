"""What a handful of samples says: median, spread, and whether it can be trusted."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measure import Run

NOISY_SPREAD = 0.15  # of the median, from least to most
NOISY_FOREIGN = 0.10  # of one CPU, used by others while a sample ran


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Medians over the rounds; ``spread`` is (most - least) / median of the wall time, 0 or more."""

    wall_s: float
    spread: float
    cpu_s: float
    peak_rss_bytes: int
    tree_rss_bytes: int | None
    foreign_cpus: float  # CPUs that others kept busy meanwhile, the worst round
    walls_s: tuple[float, ...]

    @property
    def noise(self) -> str | None:
        """Why the figure is not to be trusted, or None."""
        reasons = []
        if self.spread > NOISY_SPREAD:
            reasons.append(f"spread {self.spread:.0%}")
        if self.foreign_cpus > NOISY_FOREIGN:
            reasons.append(f"others used {self.foreign_cpus:.1f} CPUs")
        return ", ".join(reasons) or None


def summarize(runs: Sequence[Run], warm_up: Run | None = None) -> Summary:
    """``runs`` are one contender's, at least one; memory of the tree comes from its ``warm_up``."""
    walls = tuple(run.wall_s for run in runs)
    wall_s = statistics.median(walls)
    return Summary(
        wall_s=wall_s,
        spread=(max(walls) - min(walls)) / wall_s if wall_s else 0.0,
        cpu_s=statistics.median(run.cpu_s for run in runs),
        peak_rss_bytes=max(run.peak_rss_bytes for run in runs),
        tree_rss_bytes=warm_up.tree_rss_bytes if warm_up else None,
        foreign_cpus=max((run.foreign_cpu_s or 0.0) / run.wall_s for run in runs),
        walls_s=walls,
    )


def ratio_range(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, float]:
    """Least and most of slow / fast over the rounds, which ran side by side."""
    ratios = [first / second for first, second in zip(slow, fast, strict=True)]
    return min(ratios), max(ratios)
