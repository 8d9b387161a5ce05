"""A QConfigMapping as plain data, out and in: nothing is imported or run by name.

The keys are PyTorch's. Classes and ops stand as names (`nn.Conv2d`, `ops.add`), observers as
`{"name": "HistogramObserver", "args": {"quant_min": 0, "quant_max": 15}}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qgrad import dtypes
from qgrad.dtypes import DType
from qgrad.errors import ConfigError
from qgrad.qtensor import QScheme
from qgrad.quantization.factory import Factory
from qgrad.quantization.fake_quantize import FakeQuantize
from qgrad.quantization.object_types import from_name, name_of, nearest
from qgrad.quantization.observer import (
    FixedQParamsObserver,
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
)
from qgrad.quantization.observer_base import QSCHEMES
from qgrad.quantization.qconfig import QConfig

if TYPE_CHECKING:
    from qgrad.quantization.qconfig_mapping import QConfigMapping

__all__ = ["fill", "to_dict"]

Types = Mapping[str, type]

GLOBAL = ""
LARGEST = 2**31  # of any integer argument
SETTERS = {  # key -> how many items come before the QConfig in one line
    "object_type": 1,
    "module_name_regex": 1,
    "module_name": 1,
    "module_name_object_type_order": 3,
}
OBSERVERS: Types = {
    cls.__name__: cls
    for cls in (
        FakeQuantize,
        FixedQParamsObserver,
        HistogramObserver,
        MinMaxObserver,
        MovingAverageMinMaxObserver,
        MovingAveragePerChannelMinMaxObserver,
        PerChannelMinMaxObserver,
    )
}
NAMED: Mapping[str, Mapping[str, Any]] = {
    "dtype": {dtype.name: dtype for dtype in (dtypes.quint8, dtypes.qint8)},
    "qscheme": {scheme.name: scheme for scheme in QSCHEMES},
}


def to_dict(mapping: QConfigMapping, types: Types | None) -> dict[str, Any]:
    """The mapping's lines as dicts, lists, strings and numbers."""
    types = types or {}
    return {
        GLOBAL: _qconfig_out(mapping.global_qconfig, types),
        "object_type": [
            [_type_out(key, types), _qconfig_out(qconfig, types)]
            for key, qconfig in mapping.object_type_qconfigs.items()
        ],
        "module_name_regex": [
            [pattern, _qconfig_out(qconfig, types)]
            for pattern, qconfig in mapping.module_name_regex_qconfigs.items()
        ],
        "module_name": [
            [path, _qconfig_out(qconfig, types)]
            for path, qconfig in mapping.module_name_qconfigs.items()
        ],
        "module_name_object_type_order": [
            [path, _type_out(key, types), index, _qconfig_out(qconfig, types)]
            for (path, key, index), qconfig in (
                mapping.module_name_object_type_order_qconfigs.items()
            )
        ],
    }


def fill(mapping: QConfigMapping, conf: Mapping[str, Any], types: Types | None) -> QConfigMapping:
    """Set every line of `conf` on `mapping`."""
    if not isinstance(conf, Mapping):
        raise ConfigError(f"from_dict: expected a dict, got {conf!r:.80}")
    types = types or {}
    for key, value in conf.items():
        if key == GLOBAL:
            mapping.set_global(_qconfig_in(value, types))
        elif key in SETTERS:
            set_line = getattr(mapping, f"set_{key}")
            for line in _lines(key, value):
                set_line(*_line_in(key, line, types))
        else:
            known = ", ".join(repr(name) for name in (GLOBAL, *SETTERS))
            near = nearest(str(key), SETTERS).split(",")[0]
            raise ConfigError(f"from_dict: unknown key {key!r}, did you mean {near}? ({known})")
    return mapping


def _lines(key: str, value: Any) -> list[Sequence[Any]]:
    width = SETTERS[key] + 1
    if isinstance(value, Mapping):  # PyTorch also takes {name: qconfig}
        value = list(value.items())
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"from_dict: {key!r} holds {value!r:.80}, but must be a list of lines")
    for line in value:
        if not isinstance(line, (list, tuple)) or len(line) != width:
            raise ConfigError(f"from_dict: a line of {key!r} has {width} items, got {line!r:.80}")
    return list(value)


def _line_in(key: str, line: Sequence[Any], types: Types) -> list[Any]:
    *place, qconfig = line
    where = {"object_type": 0, "module_name_object_type_order": 1}.get(key)
    if where is not None and isinstance(place[where], str):
        place[where] = _type_in(place[where], types)
    return [*place, _qconfig_in(qconfig, types)]


def _type_in(name: str, types: Types) -> Any:
    # A bare method name ("reshape") is PyTorch's form; its check and errors are the setter's.
    return from_name(name, types) if "." in name or name in types else name


def _type_out(key: Any, types: Types) -> str:
    name = name_of(key, types)
    if name.startswith(("nn.", "ops.")) or name in types:
        return name
    raise ConfigError(
        f"to_dict: {name} is a class of your own; name it with to_dict(types={{'{name}': {name}}}) "
        "and give the same types to from_dict"
    )


def _qconfig_out(qconfig: QConfig | None, types: Types) -> dict[str, Any] | None:
    if qconfig is None:
        return None
    return {role: _factory_out(factory, types) for role, factory in qconfig._asdict().items()}


def _factory_out(factory: Callable[..., Any], types: Types) -> dict[str, Any]:
    known = {cls: name for name, cls in {**OBSERVERS, **types}.items()}
    made = Factory(factory) if isinstance(factory, type) else factory
    if not isinstance(made, Factory) or made.cls not in known:
        raise ConfigError(
            f"to_dict: {made!r:.80} is not one of qgrad's observers; make it by with_args, and "
            "pass a class of your own in types={'MyObserver': MyObserver}"
        )
    if made.callables:
        raise ConfigError(f"to_dict: {made!r:.80} gets arguments from functions; use with_args")
    args = {name: _value_out(name, value, made, types) for name, value in made.kwargs.items()}
    return {"name": known[made.cls], "args": args}


def _value_out(name: str, value: Any, made: Factory, types: Types) -> Any:
    if isinstance(value, (DType, QScheme)):
        return value.name
    if name == "observer":
        return _factory_out(value, types)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise ConfigError(f"to_dict: {made!r:.80} has {name}={value!r:.40}, which is no plain number")


def _qconfig_in(data: Any, types: Types) -> QConfig | None:
    if data is None or isinstance(data, QConfig):
        return data
    if not isinstance(data, Mapping) or set(data) != {"activation", "weight"}:
        raise ConfigError(
            "from_dict: expected null or a QConfig with 'activation' and 'weight', "
            f"got {data!r:.80}"
        )
    return QConfig(**{role: _factory_in(factory, types) for role, factory in data.items()})


def _factory_in(data: Any, types: Types) -> Callable[..., Any]:
    known = {**OBSERVERS, **types}
    if not isinstance(data, Mapping) or not set(data) <= {"name", "args"}:
        raise ConfigError(f"from_dict: expected an observer's 'name' and 'args', got {data!r:.80}")
    name, args = data.get("name"), data.get("args", {})
    if not isinstance(name, str) or name not in known:
        raise ConfigError(
            f"from_dict: unknown observer {name!r:.40}; "
            f"nearest are {nearest(str(name)[:40], known)}"
        )
    if not isinstance(args, Mapping):
        raise ConfigError(f"from_dict: args of {name} must be a dict, got {args!r:.80}")
    cls = known[name]
    made = Factory(cls, {key: _value_in(key, value, types) for key, value in args.items()})
    return made if args else cls


def _value_in(name: str, value: Any, types: Types) -> Any:
    if name in NAMED:
        named = NAMED[name]
        if not isinstance(value, str) or value not in named:
            raise ConfigError(
                f"from_dict: unknown {name} {value!r:.40}; "
                f"nearest are {nearest(str(value)[:40], named)}"
            )
        return named[value]
    if name == "observer":
        return _factory_in(value, types)
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int) and abs(value) <= LARGEST:
        return value
    raise ConfigError(f"from_dict: {name!r:.40}={value!r:.40} is no plain number")
