"""``dataclass``, as of the standard library, without its price at start-up.

``dataclasses`` compiles up to seven methods for each class when it is defined: a
fifth of the start of a run, for classes of which most are never made.  Here
comparing, hashing and printing are closures over the fields, and ``__init__`` is
compiled when a first instance is made.  Fields, defaults, ``replace`` and ``fields``
are those of ``dataclasses``; types are checked as if nothing had been exchanged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - exported under this name
else:

    def dataclass(
        cls: type | None = None,
        /,
        *,
        eq: bool = True,
        frozen: bool = False,
        slots: bool = False,
        kw_only: bool = False,
    ) -> Any:
        """The options of ``dataclasses.dataclass`` that this project uses."""

        def define(cls: type) -> type:
            if cls.__doc__ is None:
                cls.__doc__ = cls.__name__  # else `dataclasses` spells the signature out
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
            _compare_and_show(made, eq=eq, frozen=frozen)
            if frozen:
                _freeze(made)
            made.__init__ = _late_init(made, frozen=frozen)
            return made

        return define if cls is None else define(cls)


def _compare_and_show(made: Any, *, eq: bool, frozen: bool) -> None:
    fields = dataclasses.fields(made)
    values = _getter([field.name for field in fields if field.compare])

    def show(self: Any) -> str:
        shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields if field.repr)
        return f"{type(self).__qualname__}({shown})"

    def equal(self: Any, other: object) -> Any:
        return values(self) == values(other) if type(self) is type(other) else NotImplemented

    def hashed(self: Any) -> int:
        return hash(values(self))

    made.__repr__ = show
    if eq:
        made.__eq__ = equal
        made.__hash__ = hashed if frozen else None


def _getter(names: list[str]) -> Callable[[Any], Any]:
    return attrgetter(*names) if names else lambda _: ()


def _freeze(made: Any) -> None:
    names = [field.name for field in dataclasses.fields(made)]

    def refuse(_self: Any, name: str, *_value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"field {name!r} cannot be changed")

    def state(self: Any) -> list[Any]:
        return [getattr(self, name) for name in names]

    def restore(self: Any, state: list[Any]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    made.__setattr__ = made.__delattr__ = refuse
    made.__getstate__, made.__setstate__ = state, restore  # copies and pickles


def _late_init(made: Any, *, frozen: bool) -> Callable[..., None]:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        made.__init__ = _compiled_init(made, frozen=frozen)
        made.__init__(self, *args, **kwargs)

    init.__annotations__ = {field.name: field.type for field in dataclasses.fields(made) if field.init}
    return init


def _compiled_init(made: Any, *, frozen: bool) -> Callable[..., None]:
    space: dict[str, Any] = {"_missing": dataclasses.MISSING, "_set": object.__setattr__}
    positional = ["self"]
    keywords: list[str] = []
    lines: list[str] = []
    for field in dataclasses.fields(made):
        name = field.name
        value = name
        if field.default is not dataclasses.MISSING:
            space[f"_default_{name}"] = field.default
            value = name if field.init else f"_default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            space[f"_factory_{name}"] = field.default_factory
            made_here = f"_factory_{name}()"
            value = f"{made_here} if {name} is _missing else {name}" if field.init else made_here
        elif not field.init:
            continue
        if field.init:
            (keywords if field.kw_only else positional).append(_parameter(field))
        lines.append(_assignment(made, name, value, space, frozen=frozen))
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join([*positional, *(["*", *keywords] if keywords else [])])
    body = "\n    ".join(lines or ["pass"])
    exec(f"def __init__({parameters}):\n    {body}\n", space)  # noqa: S102  # nosec B102 (names of fields, nothing else)
    compiled: Callable[..., None] = space["__init__"]
    compiled.__qualname__ = f"{made.__qualname__}.__init__"
    return compiled


def _parameter(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"{field.name}=_default_{field.name}"
    if field.default_factory is not dataclasses.MISSING:
        return f"{field.name}=_missing"
    return field.name


def _assignment(made: Any, name: str, value: str, space: dict[str, Any], *, frozen: bool) -> str:
    if not frozen:
        return f"self.{name} = {value}"
    slot = getattr(made, name, None)
    if slot is not None and hasattr(slot, "__set__"):  # straight into its slot, past the refusal
        space[f"_set_{name}"] = slot.__set__
        return f"_set_{name}(self, {value})"
    return f"_set(self, {name!r}, {value})"
