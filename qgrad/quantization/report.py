"""What prepare decided: for each node the rule that won and how it will run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class NodeReport:
    """One node: its module's path, the mapping's rule, and what became of it."""

    name: str
    path: str
    rule: Any
    how: str
    unmet: bool = False
    passive: bool = False
    quantizers: Any = None


@dataclass
class PrepareReport:
    """All nodes in running order; prints as a table."""

    nodes: list[NodeReport] = field(default_factory=list)

    def add(self, node: NodeReport) -> None:
        """Append one node."""
        self.nodes.append(node)

    def by_rule(self) -> dict[Any, list[NodeReport]]:
        """The nodes that each rule decided on."""
        found: dict[Any, list[NodeReport]] = {}
        for node in self.nodes:
            found.setdefault(node.rule, []).append(node)
        return found

    def __str__(self) -> str:
        rows = [("node", "module", "rule", "runs as")]
        rows += [(n.name, n.path, str(n.rule), n.how) for n in self.nodes]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join(
            "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]])
            for row in rows
        )
