"""A worker's way out: everything once and in order, in batches."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from pytest_batchgate.workers import wire
from pytest_batchgate.workers.outbox import FLUSH_TESTS, Outbox


class Sent:
    """Takes what is sent, and lets a test wait for it."""

    def __init__(self) -> None:
        self.batches: list[list[wire.Message]] = []
        self.arrived = threading.Condition()

    def __call__(self, data: bytes) -> None:
        with self.arrived:
            self.batches.append(wire.decode(data))
            self.arrived.notify_all()

    @property
    def messages(self) -> list[wire.Message]:
        return [message for batch in self.batches for message in batch]

    def results(self) -> list[tuple[int, int]]:
        """(unit, index) in the order of arrival."""
        found = []
        for kind, *rest in self.messages:
            if kind == wire.RESULTS:
                found += [(rest[0], index) for index, *_ in rest[1]]
        return found

    def wait_for(self, number: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.messages) >= number, 30.0)


def result(outbox: Outbox, unit: int, index: int, payload: Any = None) -> None:
    outbox.result(unit, index, "passed", 0.1, payload)


def test_results_of_one_unit_travel_together_and_units_apart() -> None:
    sent = Sent()
    outbox = Outbox(sent)
    for unit, index in ((1, 0), (1, 1), (2, 0)):
        result(outbox, unit, index)
    outbox.close()
    assert sent.results() == [(1, 0), (1, 1), (2, 0)]


def test_messages_never_overtake_results() -> None:
    sent = Sent()
    outbox = Outbox(sent)
    result(outbox, 1, 0)
    outbox.put(wire.KEYWORDS, 0, ())
    result(outbox, 1, 1)
    outbox.put_now(wire.UNIT_DONE, 1)
    kinds = [message[0] for message in sent.messages]
    assert kinds == [wire.RESULTS, wire.KEYWORDS, wire.RESULTS, wire.UNIT_DONE]
    outbox.close()


def test_results_tell_what_was_used_for_them() -> None:
    """What was used before the files were listed is nobody's."""
    sent = Sent()
    outbox = Outbox(sent)
    burn(0.2)
    outbox.put(wire.LISTED, ("a.py",), ())
    result(outbox, 1, 0)
    outbox.flush()
    burn(0.1)
    result(outbox, 1, 1)
    outbox.close()
    (first_s, first_bytes), (second_s, _) = [
        message[3:] for message in sent.messages if message[0] == wire.RESULTS
    ]
    assert first_s < 0.2
    assert second_s >= 0.1
    assert first_bytes > 1_000_000


def burn(cpu_s: float) -> None:
    until = time.process_time() + cpu_s
    while time.process_time() < until:
        pass


def test_a_full_batch_goes_at_once() -> None:
    sent = Sent()
    outbox = Outbox(sent)
    for index in range(FLUSH_TESTS):
        result(outbox, 1, index)
    assert len(sent.results()) == FLUSH_TESTS
    outbox.close()


def test_a_slow_test_does_not_hold_back_the_ones_before_it() -> None:
    """Nobody flushes here: the outbox's own thread does."""
    sent = Sent()
    outbox = Outbox(sent)
    result(outbox, 1, 0)
    sent.wait_for(1)
    assert sent.results() == [(1, 0)]
    outbox.close()


def test_many_threads_lose_nothing() -> None:
    sent = Sent()
    outbox = Outbox(sent)

    def work(unit: int) -> None:
        for index in range(300):
            result(outbox, unit, index)
            if index % 50 == 0:
                outbox.put_now(wire.UNIT_DONE, unit)

    threads = [threading.Thread(target=work, args=(unit,)) for unit in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.close()
    by_unit: dict[int, list[int]] = {}
    for unit, index in sent.results():
        by_unit.setdefault(unit, []).append(index)
    assert by_unit == {unit: list(range(300)) for unit in range(4)}


def test_a_forked_child_ends_when_it_has_something_to_say() -> None:
    """What its parent had to say does not go out twice, and no lock that a thread held keeps it waiting."""
    sent = Sent()
    outbox = Outbox(sent)
    outbox._lock.acquire()
    outbox._messages.append((wire.HUNGRY,))
    child = os.fork()
    if child == 0:
        outbox.disown()
        outbox.put_now(wire.HUNGRY)
        os._exit(9)
    outbox._lock.release()
    assert os.waitpid(child, 0) == (child, 0)
    outbox.close()
    assert sent.messages == [(wire.HUNGRY,)]
