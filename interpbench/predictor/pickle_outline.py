"""What a pickle would make, and how much work that is, found out without making anything.

torch reads a checkpoint's pickle by an interpreter of its own, which runs no foreign code but does all else it is told:
a file of a few kilobytes may keep it busy for hours, or fill the memory. Here each step is only weighed. A tuple weighs
what its parts weigh, however often it holds the same one, since whoever hashes or shows it goes through all of them.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import BinaryIO

MOST_STEPS = 1_000_000  # about 8,000 weights, each with two states of an optimiser
HEAVIEST = 2**26  # of one value, in numbers and characters
MOST_WORK = 2**28  # of all calls together

# Classes that make as much as a number asks for.
_HUNGRY = ("builtins.bytearray", "__builtin__.bytearray", "torch.Tensor", "torch.storage.", "torch.FloatTensor")
_CALLS = ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "OBJ", "INST")
_KINDS = {"EMPTY_DICT": "dict", "DICT": "dict", "EMPTY_LIST": "list", "LIST": "list", "BINPERSID": "storage"}
_FILL = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS")
_KEEP = ("PUT", "BINPUT", "LONG_BINPUT")
_FETCH = ("GET", "BINGET", "LONG_BINGET")


class ExcessivePickle(ValueError):
    """A pickle asks for more work or memory than any checkpoint needs."""


@dataclass
class PickleOutline:
    """What a pickle makes."""

    kind: str  # of the whole: `dict`, or a class as module.name
    names: tuple[str, ...]  # all classes and functions that it names, as module.name, in their order


@dataclass(slots=True)
class _Value:
    weight: int = 1
    kind: str = ""


def outline_of(file: BinaryIO) -> PickleOutline:
    """Go through one pickle; the file is then at its end.

    Raises:
        TooMuch: it asks for more than a checkpoint needs.
        ValueError: it is no whole pickle.
    """
    reader = _OpcodeReader()
    for count, (step, argument, _) in enumerate(pickletools.genops(file)):
        if count >= MOST_STEPS:
            raise ExcessivePickle(f"its pickle has more than {MOST_STEPS:,} steps")
        try:
            reader.take(step, argument)
        except (IndexError, KeyError) as error:
            raise ValueError("its pickle is malformed") from error
    return PickleOutline(reader.last.kind, tuple(dict.fromkeys(reader.names)))


class _OpcodeReader:
    """A stack machine that knows weights in place of values."""

    def __init__(self) -> None:
        self.stack: list[_Value | None] = []  # None is a mark
        self.memo: dict[object, _Value] = {}
        self.names: list[str] = []
        self.last = _Value()
        self.work = 0
        self.largest = 0  # weight of the heaviest list or the like so far

    def take(self, step: pickletools.OpcodeInfo, argument: object) -> None:
        """Do one step."""
        name = step.name
        if name in _FETCH:
            self.stack.append(self.memo[argument])
        elif name in _KEEP:
            self.memo[argument] = self._top()
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self._top()
        elif name == "MARK":
            self.stack.append(None)
        elif name == "DUP":
            self.stack.append(self._top())
        elif name == "STOP":
            self.last = self._top()
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self._name(str(argument) if name == "GLOBAL" else "")
            if name == "STACK_GLOBAL":
                del self.stack[-2:]
            self.stack.append(_Value(kind=self.names[-1]))
        else:
            popped = self._popped(step)
            if name in _FILL:
                self._fill(popped)
            elif name in _CALLS:
                self._call(name, popped)
            elif step.stack_after:
                self._made(name, popped, argument)

    def _top(self) -> _Value:
        found = self.stack[-1]
        if found is None:
            raise ValueError("its pickle is malformed")
        return found

    def _name(self, words: str) -> None:
        module, _, name = words.partition(" ")
        self.names.append(f"{module}.{name}")

    def _popped(self, step: pickletools.OpcodeInfo) -> list[_Value]:
        """What the step takes from the stack, from the bottom up, without the mark."""
        before = list(step.stack_before)
        number, taken = len(before), list[_Value]()
        if pickletools.markobject in before:
            number = before.index(pickletools.markobject)  # below the mark
            while (one := self.stack.pop()) is not None:
                taken.append(one)
        for _ in range(number):
            one = self.stack.pop()
            if one is None:
                raise ValueError("its pickle is malformed")
            taken.append(one)
        return taken[::-1]

    def _made(self, name: str, popped: list[_Value], argument: object) -> None:
        weight = 1 + sum(one.weight for one in popped)
        if isinstance(argument, str | bytes | bytearray):
            weight += len(argument)
        if weight > HEAVIEST:
            raise ExcessivePickle("its pickle makes values that contain the same values again and again")
        kind = _KINDS.get(name, name.lower().rstrip("0123456789"))
        self.stack.append(_Value(1 if kind == "storage" else weight, kind))

    def _fill(self, popped: list[_Value]) -> None:
        target, parts = popped[0], popped[1:]
        target.weight += sum(one.weight if one.kind == "tuple" else 1 for one in parts)
        self.largest = max(self.largest, target.weight)
        self.stack.append(target)

    def _call(self, name: str, popped: list[_Value]) -> None:
        function, given = popped[0], popped[1:]
        if name != "BUILD" and _hungry(function.kind):
            raise ExcessivePickle(f"its pickle allocates memory with {function.kind}")
        weight = sum(one.weight for one in given)
        # What is called may go through a list that has grown since it was weighed; what makes a tensor does not.
        through = name == "BUILD" or (weight > 1 and not function.kind.startswith("torch."))
        self.work += max(weight, self.largest if through else 0)
        if self.work > MOST_WORK:
            raise ExcessivePickle("its pickle copies the same values again and again")
        self.stack.append(function if name == "BUILD" else _Value(kind=function.kind))


def _hungry(kind: str) -> bool:
    return kind.startswith(_HUNGRY) or (kind.startswith("torch.") and kind.endswith(("Storage", "Tensor")))
