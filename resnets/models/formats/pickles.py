"""Pickles read as data: a machine that knows the plain instructions only, and calls nothing that a file names.

A pickle is a program. Its instructions make numbers, text and containers, and call functions by name. Here a name
stands for a function of ours (`known`) or is refused, so that nothing of the file's choosing is imported or called;
numpy's arrays are described and made by us. Python's own readers are not enough: they allocate what a file declares,
and hash what it nests, which a file of two megabytes turns into the end of the process.
Source: the standard library's `pickletools`, which describes every instruction of protocols 0 to 5.
"""

from collections.abc import Callable
from io import BytesIO
from pickletools import genops
from typing import Any

from resnets.models.formats.content import Refused
from resnets.models.formats.numpy_arrays import Array, Kind, from_buffer

Known = dict[str, Callable[..., Any] | None]
"""What a pickle may name: "module.name" -> the function of ours that is called instead; None: it may only be named."""

MOST_STEPS = 1 << 22
"""Instructions of one pickle. A network of 1,202 layers with its optimiser takes a tenth; each makes 64 bytes or so."""


class Name:
    """A class or a function that a pickle names."""

    def __init__(self, name: str) -> None:
        self.name = name


class Inert:
    """Stands for an object that nobody needs: it is not made, and what it holds is dropped."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass


VALUES = frozenset(
    (
        *("FLOAT", "BINFLOAT", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
"""Instructions that put on the stack what stands behind them."""
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(file: BytesIO, known: Known, persistent: Callable[[Any], Any] | None = None) -> Any:
    """What the pickle at the position of `file` describes; `file` stands behind it afterwards.

    `persistent` makes the objects that are stored outside the pickle. Raises ValueError where it is damaged, has more
    than `MOST_STEPS`, or names what is not in `known`.
    """
    machine = _Machine(known, persistent, file.getbuffer().nbytes)
    try:
        for number, (opcode, argument, _) in enumerate(genops(file)):
            if number > MOST_STEPS:
                raise ValueError(f"more than {MOST_STEPS:,} instructions")
            machine.step(opcode.name, argument)
        return machine.stack.pop()
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"instructions that do not fit each other ({type(error).__name__})") from None


class _Machine:
    def __init__(self, known: Known, persistent: Callable[[Any], Any] | None, room: int) -> None:
        self.known, self.persistent = known, persistent
        self.room = room
        """How many values and bytes calls may make: all together as many as the file has bytes, however often its few
        arguments are used again."""
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in VALUES:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name]())
        elif name in TUPLES:
            stack.append(tuple(self._last(TUPLES[name])))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name not in ("PROTO", "FRAME", "STOP"):
            method = getattr(self, f"do_{name.lower()}", None)
            if method is None:
                raise Refused(f"uses the instruction {name} of pickles, which is not followed")
            method(argument)

    def _last(self, count: int) -> list[Any]:
        """The last `count` things, taken off the stack."""
        if count > len(self.stack):
            raise IndexError
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def _marked(self) -> list[Any]:
        """What was put on the stack since the last mark, taken off."""
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    # Containers

    def do_mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def do_pop(self, _: Any) -> None:
        self.stack.pop()

    def do_pop_mark(self, _: Any) -> None:
        self._marked()

    def do_dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._marked()))

    def do_list(self, _: Any) -> None:
        self.stack.append(self._marked())

    def do_dict(self, _: Any) -> None:
        items = self._marked()
        self.stack.append({})
        self._fill(items)

    def do_append(self, _: Any) -> None:
        self._extend(self._last(1))

    def do_appends(self, _: Any) -> None:
        self._extend(self._marked())

    def do_setitem(self, _: Any) -> None:
        self._fill(self._last(2))

    def do_setitems(self, _: Any) -> None:
        self._fill(self._marked())

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], Inert):
            list.extend(self.stack[-1], items)

    def _fill(self, items: list[Any]) -> None:
        _enter({} if isinstance(self.stack[-1], Inert) else self.stack[-1], items)

    # Names and calls

    def do_global(self, argument: str) -> None:
        self._name(argument.replace(" ", ".", 1))

    def do_stack_global(self, _: Any) -> None:
        self._name(".".join(self._last(2)))

    def _name(self, name: str) -> None:
        if name not in self.known:
            shown = name if name.isprintable() and len(name) < 100 else repr(name[:100])
            raise Refused(
                f"asks for {shown}, which is code and is not run; "
                "allowed are tensors, arrays, numbers and text (save the `state_dict` alone)"
            )
        self.stack.append(Name(name))

    def do_reduce(self, _: Any) -> None:
        name, arguments = self._last(2)
        make = self.known[name.name]
        if make is None:
            raise ValueError(f"calls {name.name}, which is no function")
        made = make(*tuple.__iter__(arguments))
        self.room -= len(made) if isinstance(made, bytes | dict) else 0
        if self.room < 0:
            raise ValueError("calls that make more than the file is large")
        self.stack.append(made)

    do_newobj = do_reduce

    def do_build(self, _: Any) -> None:
        (state,) = self._last(1)
        if isinstance(self.stack[-1], Array | Kind):
            self.stack[-1].build(state)

    def do_binpersid(self, _: Any) -> None:
        if self.persistent is None:
            raise Refused("refers to objects outside the pickle")
        self.stack.append(self.persistent(*self._last(1)))


def _enter(table: dict[Any, Any], items: list[Any]) -> None:
    """Keys and values in turn, into `table`."""
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Anything else may be nested, and hashing it goes as deep as it is.
        if not isinstance(key, str | int | float | bytes | None):
            raise ValueError(f"a table by {type(key).__name__}")
        dict.__setitem__(table, key, value)


# ------------------------------------------------------------------------------------------------------------
# What any pickle may name


def _encode(text: str, codec: str) -> bytes:
    if not (isinstance(text, str) and isinstance(codec, str) and codec == "latin1"):
        raise ValueError("text in another way than latin1")
    return text.encode("latin-1")


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    _enter(made, [part for pair in pairs for part in (pair[0], pair[1])])
    return made


PLAIN: Known = {
    "collections.OrderedDict": _ordered,
    "argparse.Namespace": Inert,
    "_codecs.encode": _encode,
    "numpy.ndarray": None,
    "numpy.dtype": Kind,
    **{
        f"numpy.{core}.{name}": function
        for core in ("core", "_core")
        for name, function in {
            "multiarray._reconstruct": Array,
            "multiarray.scalar": Inert,
            "numeric._frombuffer": from_buffer,
        }.items()
    },
}
"""What any pickle may name: containers, numpy's arrays, and what rides along with them."""
