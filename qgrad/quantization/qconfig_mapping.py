"""QConfigMapping: which QConfig each part of a model gets.

Precedence is PyTorch's, low to high: global, object type, regex, module name, and (module name,
object type, index). A QConfig of None is a decision too: keep this part float. Unlike PyTorch's, a
line that matches nothing in the model is an error when the model is prepared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from qgrad import nn
from qgrad.errors import ConfigError
from qgrad.quantization import recipe
from qgrad.quantization.coverage import Call, unmatched
from qgrad.quantization.object_types import ObjectType, is_container, is_leaf
from qgrad.quantization.object_types import object_type as _object_type
from qgrad.quantization.qconfig import QConfig, get_default_qat_qconfig, get_default_qconfig
from qgrad.quantization.rules import CallCounter, Resolution, Resolved, Rule, call_scope, short

__all__ = ["QConfigMapping", "get_default_qat_qconfig_mapping", "get_default_qconfig_mapping"]

OrderKey = tuple[str, ObjectType, int]

_SHOWN_PROBLEMS = 2  # in one message, to keep it short


class QConfigMapping:
    """Lines that say which QConfig a module or operation gets; every setter returns the mapping.

    >>> from qgrad import nn
    >>> mapping = (QConfigMapping()
    ...            .set_global(get_default_qconfig())
    ...            .set_object_type(nn.Linear, get_default_qconfig(weight_bits=4))
    ...            .set_module_name_regex(r"blocks\\.0\\..*", get_default_qconfig())
    ...            .set_module_name("head", None))
    """

    def __init__(self) -> None:
        self.global_qconfig: QConfig | None = None
        self.object_type_qconfigs: dict[ObjectType, QConfig | None] = {}
        self.module_name_regex_qconfigs: dict[str, QConfig | None] = {}
        self.module_name_qconfigs: dict[str, QConfig | None] = {}
        self.module_name_object_type_order_qconfigs: dict[OrderKey, QConfig | None] = {}

    # -- setting ---------------------------------------------------------------------------------

    def set_global(self, global_qconfig: QConfig | None) -> QConfigMapping:
        """What everything gets that no other line matches."""
        self.global_qconfig = _checked(global_qconfig)
        return self

    def set_object_type(self, object_type: Any, qconfig: QConfig | None) -> QConfigMapping:
        """What a module class, a function (`qgrad.add`, `operator.add`) or a method name gets."""
        self.object_type_qconfigs[_object_type(object_type)] = _checked(qconfig)
        return self

    def set_module_name_regex(
        self, module_name_regex: str, qconfig: QConfig | None
    ) -> QConfigMapping:
        """What modules get whose path starts with a match of this pattern (`re.match`).

        Of several patterns that match, the one that was set first wins.
        """
        try:
            re.compile(module_name_regex)
        except (re.error, TypeError) as error:
            raise ConfigError(f"regex: {module_name_regex!r} is no pattern: {error}") from None
        self.module_name_regex_qconfigs[module_name_regex] = _checked(qconfig)
        return self

    def set_module_name(self, module_name: str, qconfig: QConfig | None) -> QConfigMapping:
        """What the module of this path gets, and all below it that have no nearer line."""
        if not isinstance(module_name, str) or not module_name:
            raise ConfigError(
                f"module name: {module_name!r} is no path; use set_global for the whole model"
            )
        self.module_name_qconfigs[module_name] = _checked(qconfig)
        return self

    def set_module_name_object_type_order(
        self, module_name: str, object_type: Any, index: int, qconfig: QConfig | None
    ) -> QConfigMapping:
        """What the call number `index` (from 0) of this layer class or op inside a module gets."""
        if not isinstance(index, int) or index < 0:
            raise ConfigError(f"order: index is {index!r}; count calls from 0")
        key = (module_name, _object_type(object_type), index)
        self.module_name_object_type_order_qconfigs[key] = _checked(qconfig)
        return self

    # -- asking ----------------------------------------------------------------------------------

    def match(
        self,
        path: str,
        module_type: type | None = None,
        op_name: str | None = None,
        index: int = 0,
    ) -> tuple[QConfig | None, Rule]:
        """The QConfig for one call, and the line it comes from.

        path: the module that makes the call, "" for the model itself.
        module_type: that module's class.
        op_name: the op that is called; lines about ops do not reach into qgrad's own layers.
        index: the number of the call in its scope, from `CallCounter`.
        """
        layer = is_leaf(module_type)
        found: tuple[QConfig | None, Rule] = self.global_qconfig, Rule("global")
        if self.global_qconfig is None:
            found = None, Rule("none")
        for key in (None if layer else op_name, module_type):
            if key in self.object_type_qconfigs:
                found = self.object_type_qconfigs[key], Rule("type", key)
        for pattern, qconfig in self.module_name_regex_qconfigs.items():
            if re.match(pattern, path):
                found = qconfig, Rule("regex", pattern)
                break
        for name in _upwards(path):
            if name in self.module_name_qconfigs:
                found = self.module_name_qconfigs[name], Rule("name", name)
                break
        scope, counted = call_scope(path, module_type, op_name or "")
        order = (scope, counted, index)
        if order in self.module_name_object_type_order_qconfigs:
            found = self.module_name_object_type_order_qconfigs[order], Rule("order", order)
        return found

    def resolve(self, model: nn.Module) -> Resolution:
        """Which line wins for every module of a model, without running it.

        Plain containers are left out. Layers are counted in the order they were registered, for
        order lines; `prepare` counts the calls that the model really makes.
        """
        counter = CallCounter()
        entries: dict[str, Resolved] = {}
        for path, module in model.named_modules():
            kind = type(module)
            if is_container(kind):
                continue
            index = counter.index(path, kind, "")
            qconfig, rule = self.match(path, kind, None, index)
            entries[path] = Resolved(path, kind, qconfig, rule)
        return Resolution(entries)

    def unmatched(self, model: nn.Module, calls: Iterable[Call]) -> list[tuple[Rule, str]]:
        """The lines that match nothing in a model and the calls it makes, each with a hint.

        calls: `(path, module_type, op_name)` of every op node of the traced model, in order.
        """
        modules = {path: type(module) for path, module in model.named_modules()}
        rules = [rule for rule, _ in self.lines() if rule.kind != "global"]
        return unmatched(rules, modules, calls)

    def check(self, model: nn.Module, calls: Iterable[Call]) -> None:
        """Raise ConfigError if a line matches nothing: it is a typo, or about another model."""
        problems = self.unmatched(model, calls)
        if not problems:
            return
        shown = "; ".join(f"{rule} {hint}" for rule, hint in problems[:_SHOWN_PROBLEMS])
        more = f"; and {len(problems) - _SHOWN_PROBLEMS} more" * (len(problems) > _SHOWN_PROBLEMS)
        raise ConfigError(f"QConfigMapping: {shown}{more}. Correct the line, or remove it")

    # -- plain data ------------------------------------------------------------------------------

    def to_dict(self, types: Mapping[str, type] | None = None) -> dict[str, Any]:
        """The mapping as data that `json.dumps` takes, with PyTorch's keys.

        types: names for module classes and observers of your own.
        """
        return recipe.to_dict(self, types)

    @classmethod
    def from_dict(
        cls, conf: Mapping[str, Any], types: Mapping[str, type] | None = None
    ) -> QConfigMapping:
        """A mapping from `to_dict`'s data, or from PyTorch's form with QConfigs and classes in it.

        Names are looked up among qgrad's own and `types`, never imported. Raises ConfigError.
        """
        return recipe.fill(cls(), conf, types)

    def lines(self) -> Iterator[tuple[Rule, QConfig | None]]:
        """All lines, lowest precedence first, each kind in the order it was set."""
        if self.global_qconfig is not None:
            yield Rule("global"), self.global_qconfig
        for kind, qconfigs in self._tables():
            for key, qconfig in qconfigs.items():
                yield Rule(kind, key), qconfig

    def _tables(self) -> tuple[tuple[str, Mapping[Any, QConfig | None]], ...]:
        return (
            ("type", self.object_type_qconfigs),
            ("regex", self.module_name_regex_qconfigs),
            ("name", self.module_name_qconfigs),
            ("order", self.module_name_object_type_order_qconfigs),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QConfigMapping):
            return NotImplemented
        return list(self.lines()) == list(other.lines())

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        lines = [f"  {rule}: {short(qconfig)}" for rule, qconfig in self.lines()]
        return "\n".join(["QConfigMapping(", *lines, ")"]) if lines else "QConfigMapping()"


def _checked(qconfig: Any) -> QConfig | None:
    if qconfig is not None and not isinstance(qconfig, QConfig):
        raise ConfigError(
            f"QConfigMapping: {qconfig!r:.80} is no QConfig; give "
            "QConfig(activation=..., weight=...), or None to keep that part float"
        )
    return qconfig


def _upwards(path: str) -> Iterator[str]:
    """`a.b.c`, `a.b`, `a`."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def get_default_qconfig_mapping(
    backend: str = "x86", *, weight_bits: int = 8, activation_bits: int = 8
) -> QConfigMapping:
    """Everything by `get_default_qconfig`, for `prepare`."""
    qconfig = get_default_qconfig(backend, weight_bits=weight_bits, activation_bits=activation_bits)
    return QConfigMapping().set_global(qconfig)


def get_default_qat_qconfig_mapping(
    backend: str = "x86", *, weight_bits: int = 8, activation_bits: int = 8
) -> QConfigMapping:
    """Everything by `get_default_qat_qconfig`, for `prepare_qat`."""
    qconfig = get_default_qat_qconfig(
        backend, weight_bits=weight_bits, activation_bits=activation_bits
    )
    return QConfigMapping().set_global(qconfig)
