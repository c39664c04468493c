"""Whether something that did not pass is tried again, and after what pause.

The pause grows exponentially up to a cap, as Ethernet's stations have backed off since
Metcalfe and Boggs ("Ethernet: distributed packet switching for local computer networks",
CACM 19(7), 1976), and is spread by *equal jitter*: half of it is certain, the other half is
left to chance.  Formula and name are Marc Brooker's ("Exponential Backoff And Jitter", AWS
Architecture Blog, 2015):

    t = min(cap, base * 2 ** attempt);  pause = t / 2 + random_between(0, t / 2)

His measurements favour *full* jitter, random_between(0, t), where many clients contend for
one server.  Here few gates do, and a pause is there for something to recover meanwhile: full
jitter would every tenth time wait for less than a tenth of the `delay` that was asked for.
nextest, a test runner too, varies its pauses between half and all of them for the same keys.

Chance is an argument: the same run can be played again.
"""

from __future__ import annotations

import re
import zlib

from pytest_batchgate.core.model import GateState, Retries


def is_retried(retries: Retries, *, attempt: int, state: GateState, text: str = "") -> bool:
    """Whether attempt number ``attempt`` (from 1), which ended so, is followed by another one.

    ``state`` is failed, timed-out or crashed, of a command or of a single test; nothing is
    retried after any other.  ``text`` is what `match` is searched in.
    """
    if attempt > retries.count or state.value not in retries.on:
        return False
    return retries.match is None or re.search(retries.match, text) is not None


def pause_s(retries: Retries, *, attempt: int, chance: float) -> float:
    """Seconds between the end of attempt number ``attempt`` (from 1) and the start of the next one.

    ``chance`` is a random number, 0 <= chance < 1, without effect if `jitter` is off.  Never
    more than `max_delay_s`, with jitter never less than half of the pause without.
    """
    assert attempt >= 1
    assert 0 <= chance < 1
    whole_s = _whole_pause_s(retries, attempt)
    return whole_s / 2 + chance * (whole_s / 2) if retries.jitter else whole_s


def chance_of(*words: str) -> float:
    """A number, 0 <= chance < 1, that depends on nothing but ``words``: the same run pauses the same."""
    return zlib.crc32("\0".join(words).encode()) / 2**32


def _whole_pause_s(retries: Retries, attempt: int) -> float:
    cap_s = retries.max_delay_s
    if retries.backoff == "constant" or retries.delay_s == 0 or retries.factor == 1:
        return min(retries.delay_s, cap_s)
    try:
        # As floats, which end in an error; whole numbers would grow to any length.
        grown_s = retries.delay_s * float(retries.factor) ** (attempt - 1)
    except OverflowError:
        return cap_s
    return min(grown_s, cap_s)
