"""What failed in the tests of a run, bounded: a run with 60,000 failures must give a page that opens.

Texts of the first `MOST_TEXTS` failures are kept, each cut in its middle, `ALL_TEXTS` characters together;
of those up to `MOST_FAILURES` the message; the others are counted, and stand among the tests.
"""

from __future__ import annotations

from pytest_batchgate.core.valuetypes import dataclass
from pytest_batchgate.report.told import Told
from pytest_batchgate.report.words import harmless_lines

MOST_TEXTS = 1_000
MOST_FAILURES = 5_000
ALL_TEXTS = 4_000_000  # characters, of texts and output together
_TEXT = 12_000  # characters of one failure
_OUTPUT = 4_000  # of each of its captured outputs
_MESSAGE = 2_000
_BRIEF = 300  # of a message where there is no text
_MOST_OUTPUTS = 12


@dataclass(slots=True, eq=False, kw_only=True)
class Failure:
    """``cut``: characters that were left out."""

    outcome: str
    message: str
    text: str = ""
    output: tuple[tuple[str, str], ...] = ()
    cut: int = 0


class Failures:
    """By file and test; the last attempt that failed is the one that is shown."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, int], Failure] = {}  # by the file's identity and the test's index
        self._room = ALL_TEXTS

    def has_room(self, key: tuple[int, int]) -> bool:
        """Whether anything would be kept of it: reading what a test said has its price."""
        return len(self.kept) < MOST_FAILURES or key in self.kept

    def put(self, key: tuple[int, int], outcome: str, told: Told) -> None:
        if not self.has_room(key):
            return
        if (len(self.kept) >= MOST_TEXTS and key not in self.kept) or self._room <= 0:
            left = len(told.text) + sum(len(said) for _, said in told.output)
            message = clean(told.message, _BRIEF)[0]
            self.kept[key] = Failure(outcome=outcome, message=message, cut=left)
            return
        message, cut = clean(told.message, _MESSAGE)
        text, left = clean(told.text, _TEXT)
        cut += left
        output = []
        for heading, said in told.output[:_MOST_OUTPUTS]:
            shown, left = clean(said, _OUTPUT)
            cut += left
            output.append((clean(heading, _BRIEF)[0], shown))
        cut += sum(len(said) for _, said in told.output[_MOST_OUTPUTS:])
        self._room -= len(text) + sum(len(shown) for _, shown in output)
        self.kept[key] = Failure(outcome=outcome, message=message, text=text, output=tuple(output), cut=cut)


def clean(text: str, most: int) -> tuple[str, int]:
    """At most about ``most`` characters, begin and end, as harmless lines; and how many were left out."""
    cut = max(0, len(text) - most)
    if cut:
        begin = most // 3  # the end says more
        end = most - begin
        lines = harmless_lines(text[:begin])
        lines.append(f"[... {cut:,} characters left out ...]")
        lines += harmless_lines(text[-end:])
    else:
        lines = harmless_lines(text)
    return "\n".join(lines), cut
