"""Find the lines of a mapping that match nothing in a model, and say what they may have meant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from qgrad.quantization.object_types import ObjectType, is_leaf, name_of, nearest
from qgrad.quantization.rules import CallCounter, Rule, call_scope

__all__ = ["Call", "unmatched"]

Call = tuple[str, "type | None", str]  # of a node: path, class of the module there, op name


def unmatched(
    rules: Iterable[Rule], modules: Mapping[str, type], calls: Iterable[Call]
) -> list[tuple[Rule, str]]:
    """The rules that match nothing, each with a hint that names the nearest things there are.

    modules: path -> class of every module; calls: every op node of the traced model, in order.
    """
    things = _Things(modules, list(calls))
    found = ((rule, things.problem(rule)) for rule in rules)
    return [(rule, problem) for rule, problem in found if problem]


class _Things:
    """All that rules can be about in one model."""

    def __init__(self, modules: Mapping[str, type], calls: list[Call]) -> None:
        self.paths = [path for path in modules if path]
        self.types = set(modules.values())
        self.ops = {op for _, module_type, op in calls if not is_leaf(module_type)}
        self.calls: Counter[tuple[str, ObjectType]] = Counter()
        counter = CallCounter()
        for call in calls:
            path, module_type, op = call
            scope = call_scope(path, module_type, op)
            self.calls[scope] = counter.index(path, module_type, op) + 1

    def problem(self, rule: Rule) -> str:
        """Why `rule` matches nothing, or "" if it matches something."""
        if rule.kind == "name":
            return self._path_problem(rule.key)
        if rule.kind == "regex":
            return self._regex_problem(rule.key)
        if rule.kind == "type":
            return self._type_problem(rule.key)
        return self._order_problem(*rule.key)

    def _path_problem(self, path: str) -> str:
        if not path or path in self.paths:
            return ""
        return f"matches no module; nearest paths are {nearest(path, self.paths)}"

    def _regex_problem(self, pattern: str) -> str:
        if any(re.match(pattern, path) for path in (*self.paths, "")):
            return ""
        plain = re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)[\^$*+?()|\[\]]", "", pattern))
        return f"matches no module; nearest paths are {nearest(plain, self.paths)}"

    def _type_problem(self, key: ObjectType) -> str:
        if key in self.types or key in self.ops:
            return ""
        known = [*map(name_of, self.types), *map(name_of, self.ops)]
        return f"matches nothing in the model; nearest are {nearest(name_of(key), known)}"

    def _order_problem(self, path: str, key: ObjectType, index: int) -> str:
        if problem := self._path_problem(path):
            return problem
        count = self.calls[path, key]
        if index < count:
            return ""
        if count:
            return f"counts too far: {name_of(key)} is called {count} times there"
        known = [name_of(called) for scope, called in self.calls if scope == path]
        return f"matches no call made there; nearest are {nearest(name_of(key), known)}"
