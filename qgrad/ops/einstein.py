"""Einstein's summation: sums of products, written with one letter for each dim."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from qgrad.errors import ShapeError
from qgrad.ops.indexing import diagonal
from qgrad.ops.matmul import matmul
from qgrad.ops.op import Value
from qgrad.ops.reduction import sum
from qgrad.ops.shape import permute, reshape, unsqueeze

__all__ = ["einsum"]

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Dims are letters; the dims that "..." stands for are named by negative numbers, -1 for the last.
Label = str | int
Labels = list[Label]


def einsum(*args: Any) -> Value:
    """Sums of products of the operands' elements over the letters that the output does not name.

    `einsum("ij,jk->ik", a, b)`, or `einsum(a, [0, 1], b, [1, 2], [0, 2])` with numbers for letters.
    Without an output, it has the letters that occur once, in alphabetical order. `...` stands for
    dims that are broadcast.

    >>> qgrad.einsum("ij,ij->i", qgrad.ones(2, 3), qgrad.ones(2, 3))
    tensor([3., 3.])
    """
    equation, operands = _spelled(args)
    terms, output = _parse(equation, operands)
    values, labels = [], []
    for operand, term in zip(operands, terms, strict=True):
        value, names = _diagonals(equation, operand, term)
        values.append(value)
        labels.append(names)
    _check_lengths(equation, values, labels)
    value, names = values[0], labels[0]
    for i in range(1, len(values)):
        later = {label for rest in labels[i + 1 :] for label in rest} | set(output)
        value, names = _contract(value, names, values[i], labels[i], later)
    summed = tuple(i for i, label in enumerate(names) if label not in output)
    if summed:
        value = sum(value, summed)
        names = [label for label in names if label in output]
    for label in output:
        if label not in names:  # a broadcast dim that only others have
            value, names = unsqueeze(value, 0), [label, *names]
    return permute(value, tuple(names.index(label) for label in output)) if names else value


def _spelled(args: Sequence[Any]) -> tuple[str, list[Value]]:
    """The equation and the operands of either spelling."""
    if not args:
        raise ValueError("einsum: needs an equation and operands, as in einsum('ij->ji', x)")
    if isinstance(args[0], str):
        operands = args[1:]
        if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
            operands = operands[0]
        if not operands:
            raise ValueError(f"einsum: {args[0]!r} has no operands")
        return args[0].replace(" ", ""), list(operands)
    pairs = len(args) // 2
    terms = [_letters(args[2 * i + 1]) for i in range(pairs)]
    output = "->" + _letters(args[-1]) if len(args) % 2 else ""
    return ",".join(terms) + output, list(args[0 : 2 * pairs : 2])


def _letters(sublist: Sequence[Any]) -> str:
    return "".join("..." if i is Ellipsis else _LETTERS[i] for i in sublist)


def _parse(equation: str, operands: Sequence[Value]) -> tuple[list[Labels], Labels]:
    """The labels of every operand's dims and of the output's."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    for part in (*terms, right):
        letters = part.replace("...", "", 1)
        if letters and not all(c in _LETTERS for c in letters):
            raise ValueError(f"einsum: {part!r} in {equation!r} may hold letters and one '...'")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {equation!r} names {len(terms)} operands, got {len(operands)}")
    labels = [_expand(equation, term, v.ndim) for term, v in zip(terms, operands, strict=True)]
    known = {label for names in labels for label in names}
    dots: Labels = sorted(label for label in known if isinstance(label, int))
    if not arrow:
        counts = left.replace("...", "")
        return labels, [*dots, *sorted(c for c in set(counts) - {","} if counts.count(c) == 1)]
    before, ellipsis, after = right.partition("...")
    output: Labels = [*before, *(dots if ellipsis else ()), *after]
    unknown = [label for label in output if label not in known]
    if unknown or len(set(output)) != len(output):
        raise ValueError(
            f"einsum: each letter of the output of {equation!r} must occur in it once, and in an "
            "operand"
        )
    return labels, output


def _expand(equation: str, term: str, ndim: int) -> Labels:
    before, ellipsis, after = term.partition("...")
    extra = ndim - len(before) - len(after)
    if extra < 0 or (extra and not ellipsis):
        raise ShapeError(
            f"einsum: {term!r} in {equation!r} names {len(before) + len(after)} dims, the operand "
            f"has {ndim}"
        )
    return [*before, *range(-extra, 0), *after]


def _diagonals(equation: str, value: Value, labels: Labels) -> tuple[Value, Labels]:
    """Letters that occur twice in one operand take its diagonal."""
    names = list(labels)
    for label in labels:
        while names.count(label) > 1:
            first = names.index(label)
            second = names.index(label, first + 1)
            if value.shape[first] != value.shape[second]:
                raise ShapeError(
                    f"einsum: {label!r} in {equation!r} names dims of length "
                    f"{value.shape[first]} and {value.shape[second]}"
                )
            value = diagonal(value, 0, first, second)
            names = [n for i, n in enumerate(names) if i not in (first, second)] + [label]
    return value, names


def _check_lengths(equation: str, values: Sequence[Value], labels: Sequence[Labels]) -> None:
    lengths: dict[Label, int] = {}
    for value, names in zip(values, labels, strict=True):
        for n, label in zip(value.shape, names, strict=True):
            known = lengths.setdefault(label, n)
            if known == 1:
                lengths[label] = n
            elif n not in (1, known):
                raise ShapeError(
                    f"einsum: {label!r} in {equation!r} names dims of length {known} and {n}"
                )


def _contract(
    a: Value, a_names: Labels, b: Value, b_names: Labels, later: set[Label]
) -> tuple[Value, Labels]:
    """The product of two operands, summed over the labels that nobody needs later: one matmul."""
    a, a_names = _sum_alone(a, a_names, b_names, later)
    b, b_names = _sum_alone(b, b_names, a_names, later)
    sizes = dict(zip(b_names, b.shape, strict=True))
    both = [label for label in a_names if label in b_names]
    inner = [
        label
        for label in both
        if label not in later and sizes[label] == a.shape[a_names.index(label)]
    ]
    batch = [label for label in both if label not in inner]
    only_a = [label for label in a_names if label not in both]
    only_b = [label for label in b_names if label not in both]
    x, batch_a, rows, _ = _grouped(a, a_names, batch, only_a, inner)
    y, batch_b, _, columns = _grouped(b, b_names, batch, inner, only_b)
    lengths = [n if m == 1 else m for m, n in zip(batch_a, batch_b, strict=True)]
    value = reshape(matmul(x, y), (*lengths, *rows, *columns))
    return value, [*batch, *only_a, *only_b]


def _sum_alone(
    value: Value, names: Labels, others: Labels, later: set[Label]
) -> tuple[Value, Labels]:
    """Without the labels that only this operand has, and dims of length 1 to be summed."""
    alone = [
        i
        for i, label in enumerate(names)
        if label not in later and (label not in others or value.shape[i] == 1)
    ]
    if not alone:
        return value, names
    kept = [label for i, label in enumerate(names) if i not in alone]
    return sum(value, tuple(alone)), kept


def _grouped(
    value: Value, names: Labels, batch: Labels, first: Labels, second: Labels
) -> tuple[Value, list[int], list[int], list[int]]:
    """Dims in the order batch, first, second; `first` and `second` made one dim each."""
    value = permute(value, tuple(names.index(label) for label in (*batch, *first, *second)))
    shape = list(value.shape)
    cut, end = len(batch), len(batch) + len(first)
    sizes = shape[:cut], shape[cut:end], shape[end:]
    value = reshape(value, (*sizes[0], math.prod(sizes[1]), math.prod(sizes[2])))
    return value, *sizes
