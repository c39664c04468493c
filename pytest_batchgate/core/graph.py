"""Directed graphs by name: an order, a cycle, the longest paths.

``needs`` maps a name to the names that come before it.  Nothing here recurses:
a chain of thousands of gates is a valid graph.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T", bound=str)


def inverted(names: Iterable[T], needs: Mapping[T, Sequence[T]]) -> dict[T, tuple[T, ...]]:
    """Who comes after whom, in the order of ``names``."""
    after: dict[T, list[T]] = {name: [] for name in names}
    for name in after:
        for need in needs[name]:
            after[need].append(name)
    return {name: tuple(later) for name, later in after.items()}


def topological_order(names: Sequence[T], needs: Mapping[T, Sequence[T]]) -> tuple[T, ...] | None:
    """Every name after its needs, the order of ``names`` among equals; None if there is a cycle."""
    rank = {name: index for index, name in enumerate(names)}
    after = inverted(names, needs)
    missing = {name: len(needs[name]) for name in names}
    free = [rank[name] for name in names if not missing[name]]  # ascending, hence already a heap
    order: list[T] = []
    while free:
        name = names[heapq.heappop(free)]
        order.append(name)
        for later in after[name]:
            missing[later] -= 1
            if not missing[later]:
                heapq.heappush(free, rank[later])
    return tuple(order) if len(order) == len(names) else None


def find_cycle(names: Sequence[T], needs: Mapping[T, Sequence[T]]) -> tuple[T, ...] | None:
    """A cycle ``a, b, ..., a`` in which each needs the next, or None.  No shorter one has its first name."""
    start = _on_a_cycle(names, needs)
    if start is None:
        return None
    came_from: dict[T, T] = {}
    queue = deque([start])
    while queue:
        name = queue.popleft()
        for need in needs[name]:
            if need == start:
                path = [start, name]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return tuple(reversed(path))
            if need not in came_from:
                came_from[need] = name
                queue.append(need)
    raise AssertionError(start)


def _on_a_cycle(names: Sequence[T], needs: Mapping[T, Sequence[T]]) -> T | None:
    # Take away what can run until nothing more can.  Each name that is left
    # needs another that is left, so that following needs must meet a name twice.
    after = inverted(names, needs)
    missing = {name: len(needs[name]) for name in names}
    free = [name for name in names if not missing[name]]
    while free:
        for later in after[free.pop()]:
            missing[later] -= 1
            if not missing[later]:
                free.append(later)
    left = {name for name in names if missing[name]}
    if not left:
        return None
    name = next(name for name in names if name in left)
    seen: list[T] = []
    places: dict[T, int] = {}
    while name not in places:
        places[name] = len(seen)
        seen.append(name)
        name = next(need for need in needs[name] if need in left)
    cycle = set(seen[places[name] :])
    return next(name for name in names if name in cycle)


def longest_paths(
    order: Iterable[T], before: Mapping[T, Sequence[T]], durations: Mapping[T, float]
) -> dict[T, tuple[float, T | None]]:
    """For each name the length of the longest path that ends with it, and the name before it there.

    ``order`` is topological; a name without a duration takes 0.  With the order
    reversed and dependents for ``before``, the paths are those that begin with a name.
    """
    longest: dict[T, tuple[float, T | None]] = {}
    for name in order:
        length, previous = 0.0, None
        for need in before[name]:
            if previous is None or longest[need][0] > length:
                length, previous = longest[need][0], need
        longest[name] = (length + durations.get(name, 0.0), previous)
    return longest
