"""How a network is trained, as a frozen record: what is the same for every task, and overrides by field.

A task derives its own record from `Recipe` and adds fields (its network, data, augmentation). Recipes are functions
that return such records; one is derived from another with `dataclasses.replace`.

A field that is added has a default which means "as before": records written earlier lack it, and are read with it.
"""

import math
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, fields, replace
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Optimisation, schedule, precision and bookkeeping of one training run. Durations are in iterations."""

    name: str
    seed: int = 0
    """Decides initialisation, order, augmentation, and what a network draws in training."""
    iterations: int
    batch_size: int
    """Images an iteration, on all ranks together."""
    accumulate: int = 1
    """In so many passes an iteration sees its batch; BN normalises over the images of one pass."""
    sync_bn: bool = False
    """BN normalises over the images of all ranks; otherwise each rank over its own."""

    lr: float
    """The learning rate, at its highest."""
    schedule: Literal["steps", "plateau", "one-cycle", "cosine"] = "steps"
    """"steps": `lr` times `lr_factor` at each milestone. "plateau": `lr` times `lr_factor` each time that an error has
    stopped falling. "one-cycle": up to `lr`, then linearly down to zero. "cosine": down to zero along a cosine."""
    milestones: tuple[int, ...] = ()
    """Where "steps" multiplies the learning rate, in iterations from the start."""
    lr_factor: float = 0.1
    rise: float = 0.25
    """The part of "one-cycle" in which the learning rate rises, 0 to 1."""
    plateau_error: Literal["validation_error", "train_error"] = "validation_error"
    """Which error "plateau" looks at: on images that are held out, or on the batches. Never that on the test images."""
    plateau_patience: int = 25_000
    """An error has stopped falling when it has not improved for so many iterations."""
    plateau_improvement: float = 0.2
    """It improves when it is lower than the least so far by more than this, in points."""
    warmup: Literal["constant", "linear"] = "constant"
    """At `warmup_lr`, or from there up to `lr`, which takes `warmup_iterations`."""
    warmup_lr: float | None = None
    """The learning rate of the warm-up; none: no warm-up."""
    warmup_error: float = 80.0
    """The warm-up lasts until the training error falls under this, in percent."""
    warmup_iterations: int | None = None
    """The warm-up lasts so many iterations, whatever the error; none: `warmup_error` ends it."""

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    decay: Literal["weights", "all"] = "weights"
    """"weights": convolutions and fully connected layers; "all": BN and biases too.

    The papers only say how much; the Torch code that came with ResNet's followers decays all. "weights" is what
    fb.resnet.torch says of the original when it names "all" as its own deviation: taken wherever a paper is silent.
    """
    lower_lr: float = 1.0
    """The learning rate of the layers that began with given weights, as a part of that of new ones, 0 to 1."""
    ema: float = 0.0
    """Decay of the moving average of the weights that is tested and kept (`training.average`); 0: the weights are."""

    precision: Literal["auto", "fp32", "tf32", "bf16"] = "auto"
    channels_last: bool = True
    compile: bool = False
    """Through torch.compile, where it works; where it does not, a line says so and the run goes on without."""
    fused: bool = False
    """BN, addition and ReLU as one operation (`models.fused_norm`): on a CPU with a C++ compiler, on CUDA with Triton.
    Elsewhere a line says so, and the run goes on without."""
    capture: bool = False
    """The whole iteration as one CUDA graph; refused where there is no CUDA."""
    replay: int = 1
    """With `capture`: how many iterations one graph holds, so that the host launches one in so many."""

    log_every: int = 100
    evaluate_every: int = 1000
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        if problems := self.problems():
            raise ValueError(f"recipe {self.name}: {'; '.join(problems)}")

    def problems(self) -> list[str]:
        """What is wrong with the values, one phrase a field: what was given, what is allowed."""
        counts = ("iterations", "batch_size", "accumulate", "plateau_patience")
        counts += ("replay", "log_every", "evaluate_every", "checkpoint_every")
        found = [f"{f} is {getattr(self, f)}, allowed is 1 or more" for f in counts if getattr(self, f) < 1]
        not_negative = ("lr", "lr_factor", "plateau_improvement", "warmup_lr", "weight_decay")
        values = {f: getattr(self, f) for f in not_negative}
        found += [
            f"{f} is {value}, allowed is a finite number from 0"
            for f, value in values.items()
            if value is not None and not 0 <= value < math.inf
        ]
        if not 0 <= self.seed < 2**63:
            found.append(f"seed is {self.seed}, allowed is 0 to 2**63 - 1")
        if not 0 <= self.rise <= 1:
            found.append(f"rise is {self.rise}, allowed is 0 to 1")
        if self.warmup_iterations is not None and self.warmup_iterations < 1:
            found.append(f"warmup_iterations is {self.warmup_iterations}, allowed is 1 or more, or none")
        if self.warmup == "linear" and None in (self.warmup_lr, self.warmup_iterations):
            found.append("warmup is linear, allowed only with warmup_lr and warmup_iterations")
        if not 0 <= self.warmup_error <= 100:
            found.append(f"warmup_error is {self.warmup_error}, allowed is 0 to 100")
        found += [
            f"{f} is {getattr(self, f)}, allowed is 0 to under 1"
            for f in ("momentum", "ema")
            if not 0 <= getattr(self, f) < 1
        ]
        if not 0 <= self.lower_lr <= 1:
            found.append(f"lower_lr is {self.lower_lr}, allowed is 0 to 1")
        if self.capture and self.lower_lr != 1:
            found.append("lower_lr is given, allowed without capture only: a graph has one learning rate")
        if self.nesterov and self.momentum == 0:
            found.append("nesterov is True, allowed only with a momentum above 0")
        if self.compile and self.fused:
            found.append("fused is True, allowed without compile only, which fuses in its own way")
        if self.accumulate > 1 and self.batch_size % self.accumulate:
            found.append(
                f"accumulate is {self.accumulate}, allowed are numbers that divide batch_size {self.batch_size}"
            )
        if self.accumulate > 1 and self.capture:
            found.append("capture is True, allowed with accumulate 1 only")
        if self.replay > 1 and (not self.capture or self.ema):
            found.append(f"replay is {self.replay}, allowed with capture and without ema only")
        if self.sync_bn and self.fused:
            found.append("fused is True, allowed without sync_bn only: the kernel knows the images of one rank")
        if list(self.milestones) != sorted({m for m in self.milestones if m > 0}):
            found.append(f"milestones is {self.milestones}, allowed are rising iterations from 1")
        return found

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, as JSON keeps them (tuples become lists)."""
        return _lists(asdict(self))


R = TypeVar("R", bound=Recipe)


def from_dict(kind: type[R], values: dict[str, Any]) -> R:
    """The recipe that `to_dict` wrote, now or before some of its fields were added.

    ValueError naming every field that is unknown, of a wrong type, or missing where there is no default.
    """
    types = get_type_hints(kind)
    whole = completed(kind, values)
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in whole.items()}
    problems = [f"unknown field {name!r}" for name in given if name not in types]
    problems += [f"field {f.name!r} is missing" for f in fields(kind) if f.name not in given]
    problems += [
        f"{k} is {v!r}, allowed is {_describe(types[k])}"
        for k, v in given.items()
        if k in types and not _fits(v, types[k])
    ]
    if problems:
        raise ValueError(f"recipe: {'; '.join(problems)}")
    return kind(**given)


def completed(kind: type[Recipe], values: dict[str, Any]) -> dict[str, Any]:
    """What `to_dict` wrote, with the defaults of the fields that were added since."""
    lacking = [f for f in fields(kind) if f.name not in values]
    defaults = {f.name: f.default for f in lacking if f.default is not MISSING}
    made = {f.name: f.default_factory() for f in lacking if f.default_factory is not MISSING}
    return {**values, **_lists(defaults), **made}


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    """Tuples become lists, as in JSON."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def override(recipe: R, assignments: list[str]) -> R:
    """`recipe` with fields replaced, each assignment being "field=value", or "field.key=value" for one of a mapping.

    Raises one ValueError that names every unknown field, every value of a wrong type and every one out of range.
    """
    types = get_type_hints(type(recipe))
    problems: list[str] = []
    changes: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        field, _, key = name.partition(".")
        if not equals:
            problems.append(f"{assignment!r} is not field=value")
        elif key and _is_mapping(types.get(field)):
            changes[field] = {**changes.get(field, getattr(recipe, field)), key: _plain(text)}
        elif name not in types or name == "name":
            near = get_close_matches(name, [t for t in types if t != "name"], n=1)
            problems.append(f"unknown field {name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        else:
            try:
                changes[name] = _parse(text, types[name])
            except ValueError:
                problems.append(f"{name} is {text!r}, allowed is {_describe(types[name])}")
    problems += _out_of_range(recipe, changes)
    if problems:
        raise ValueError(f"{len(problems)} wrong in the recipe's fields: {'; '.join(problems)}")
    return replace(recipe, **changes)


def _out_of_range(recipe: Recipe, changes: dict[str, Any]) -> list[str]:
    """What `problems` says of the changed recipe, without raising, so that all is reported together."""
    trial = object.__new__(type(recipe))
    for name, value in {**{f.name: getattr(recipe, f.name) for f in fields(recipe)}, **changes}.items():
        object.__setattr__(trial, name, value)
    return trial.problems()


def changed_fields(given: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """One phrase for each field in which two recipes differ."""
    names = [name for name in {**expected, **given} if given.get(name) != expected.get(name)]
    return [f"{name} is {given.get(name)!r}, was {expected.get(name)!r}" for name in names]


# ---------------------------------------------------------------------------------------------------------------
# Values as text: the few types that fields have

PLAIN = (int, float, bool, str, NoneType)
"""What a mapping may hold."""


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _parse(text: str, kind: Any) -> Any:
    """`text` as a value of the type `kind`; ValueError where it is none."""
    for choice in sorted(_choices(kind), key=lambda choice: choice is not NoneType):
        if choice is NoneType:
            if text.lower() == "none":
                return None
        elif choice is bool:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
        elif get_origin(choice) is Literal:
            if text in get_args(choice):
                return text
        elif get_origin(choice) is tuple:
            return tuple(int(part) for part in text.strip("()[]").split(",") if part.strip())
        elif _is_mapping(choice):
            break  # its values are assigned one by one
        else:
            return choice(text)
    raise ValueError(text)


def _plain(text: str) -> Any:
    """`text` as what it looks like: a whole number, a number, true or false, none, or else a text."""
    for kind in (int, float, bool, NoneType):
        with suppress(ValueError):
            return _parse(text, kind)
    return text


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is dict


def _fits(value: Any, kind: Any) -> bool:
    """Whether `value` is of the type `kind`; an integer is a float too, a bool is no integer."""
    for choice in _choices(kind):
        if get_origin(choice) is Literal:
            fits = value in get_args(choice)
        elif get_origin(choice) is tuple:
            fits = isinstance(value, tuple) and all(type(part) is int for part in value)
        elif _is_mapping(choice):
            fits = isinstance(value, dict) and all(type(part) in PLAIN for part in value.values())
        elif choice is float:
            fits = type(value) in (int, float)
        else:
            fits = type(value) is choice
        if fits:
            return True
    return False


def _describe(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: "none"}
    words = []
    for choice in _choices(kind):
        if get_origin(choice) is Literal:
            words.append(" or ".join(get_args(choice)))
        elif get_origin(choice) is tuple:
            words.append("whole numbers joined by commas")
        elif _is_mapping(choice):
            words.append("a mapping, each value given as FIELD.NAME=value")
        else:
            words.append(names[choice])
    return " or ".join(words)
