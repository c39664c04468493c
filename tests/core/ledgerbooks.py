"""What must hold of the dispatcher's own books, after every step of a simulated run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_batchgate.core.ledger import OUT, TODO

if TYPE_CHECKING:
    from invariants import Watch


def check_ledger(watch: Watch) -> None:
    """Each collected test stands in one place, and every count is the sum of what it counts."""
    state = watch.sim.dispatcher.state
    waiting: Counter[str] = Counter()
    pausing: Counter[str] = Counter()
    due = {(id(file), index) for _, _, _, file, index in state.retrying}
    special = {(one.realm.key, one.file.name, one.index) for one in state.specials}
    assert len(special) == len(list(state.specials))
    for realm in state.realms.values():
        assert len({id(file) for file in realm.queue}) == len(realm.queue)
        for file in realm.files.values():
            units = [unit for unit in state.units.values() if unit.file is file]
            if file.collected is None:
                assert (file in realm.queue) is (file.collector is None), file
                assert len(units) == (file.collector is not None)
                continue
            out = Counter(index for unit in units for index in unit.out)
            todo = Counter(index for indexes in file.todo.values() for index in indexes)
            for index, code in enumerate(file.state):
                key = (realm.key, file.name, index)
                assert out[index] == (code == OUT), (file.name, index, code)
                pauses = index in file.tried and file.tried[index].pausing
                assert not pauses or (id(file), index) in due
                listed = todo[index] + (key in special) + pauses
                assert listed == (code == TODO), (file.name, index, code)
                assert index not in file.tried or code in {TODO, OUT}
                if code in {TODO, OUT}:
                    owner = watch.plan.claims[file.collected.gates[index]].name
                    waiting[owner] += 1
                    pausing[owner] += pauses
            assert (file.name in realm.waiting) is bool(file.todo)
    for run in state.gates.values():
        assert run.remaining == waiting[run.name], f"{run.name}: {run.remaining} {waiting}"
        assert run.pausing == pausing[run.name]
        assert (run.name in watch.reports) is run.ended
    assert set(state.serial_held.values()) <= set(state.units)
