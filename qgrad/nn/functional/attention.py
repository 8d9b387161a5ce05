"""Attention as functions."""

from __future__ import annotations

import math
from typing import Any

from qgrad import creation, dtypes, ops
from qgrad.errors import ShapeError

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(query @ key^T * scale + mask) @ value: (..., L, E), (..., S, E), (..., S, V).

    `attn_mask` broadcasts to (..., L, S): True where a query may look at a key, or a float that is
    added. A query that may look nowhere gives zeros. `is_causal` is the mask i >= j. `scale` is
    1 / sqrt(E) if None; `dropout_p` is the probability to drop a weight. With `enable_gqa`, key and
    value have fewer heads (dim -3), each for several of the query.
    """
    if attn_mask is not None and is_causal:
        raise ValueError(
            "scaled_dot_product_attention: attn_mask and is_causal exclude each other; put both "
            "into attn_mask"
        )
    _check_attention(query, key, value)
    if is_causal:
        length, source = query.shape[-2], key.shape[-2]
        attn_mask = creation.ones(length, source, dtype=dtypes.bool_).tril()
    if enable_gqa:
        heads = query.shape[-3]
        key, value = _spread_heads(key, heads), _spread_heads(value, heads)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    output, _ = _attend(query, key, value, attn_mask, factor, dropout_p, True)
    return output


def _attend(
    query: Any, key: Any, value: Any, mask: Any, factor: float, dropout_p: float, training: Any
) -> tuple[Any, Any]:
    """(what each query sees, the weights with which it sees it)."""
    scores = ops.matmul(query * factor, ops.transpose(key, -2, -1))
    if mask is None:
        weights = ops.softmax(scores, -1)
    elif mask.dtype in (dtypes.bool_, bool):
        weights = ops.safe_softmax(ops.where(mask, scores, -math.inf), -1)
    else:
        weights = ops.safe_softmax(scores + mask, -1)
    if dropout_p > 0:
        weights = ops.dropout(weights, dropout_p, training)
    return ops.matmul(weights, value), weights


def _check_attention(query: Any, key: Any, value: Any) -> None:
    shapes = [tuple(x.shape) for x in (query, key, value)]
    if min(map(len, shapes)) < 2:
        problem = "all need at least 2 dims"
    elif shapes[0][-1] != shapes[1][-1]:
        problem = "query and key need one width (the last dim)"
    elif shapes[1][-2] != shapes[2][-2]:
        problem = "key and value need one length (dim -2)"
    else:
        return
    raise ShapeError(
        f"scaled_dot_product_attention: {problem}, got query {shapes[0]}, key {shapes[1]}, value "
        f"{shapes[2]}"
    )


def _spread_heads(x: Any, heads: int) -> Any:
    """Each head (dim -3) repeated so that there are `heads` of them."""
    *lead, own, length, width = x.shape
    if heads % own:
        raise ShapeError(
            f"scaled_dot_product_attention: with enable_gqa the {heads} heads of query must be a "
            f"multiple of the {own} of key and value"
        )
    wide = ops.expand(ops.unsqueeze(x, -3), (*lead, own, heads // own, length, width))
    return ops.reshape(wide, (*lead, heads, length, width))


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """What nn.MultiheadAttention computes: query (L, N, E), key (S, N, K), value (S, N, V).

    Gives (output (L, N, E), weights (N, L, S) or None). Without N the inputs have 2 dims. Masks are
    True where a query must not look, or floats that are added: `key_padding_mask` (N, S),
    `attn_mask` (L, S) or (N * num_heads, L, S). `static_k` and `static_v` (N * num_heads, S, E /
    num_heads) take the place of the projected key and value.
    """
    batched = _check_inputs(query, key, value, embed_dim_to_check, num_heads)
    if is_causal and attn_mask is None:
        raise ValueError(
            "multi_head_attention_forward: is_causal is a hint about attn_mask, which is missing; "
            "pass it, True (or -inf) where a query must not look"
        )
    same = (query is key, key is value)
    if not batched:
        query, key, value = (ops.unsqueeze(x, 1) for x in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = ops.unsqueeze(key_padding_mask, 0)
    if use_separate_proj_weight:
        weights = (q_proj_weight, k_proj_weight, v_proj_weight)
        q, k, v = _project_separately((query, key, value), weights, in_proj_bias)
    else:
        q, k, v = _project((query, key, value), same, in_proj_weight, in_proj_bias)
    length, batch, width = query.shape
    if bias_k is not None:
        spread = (1, batch, width)
        k = ops.cat([k, ops.expand(bias_k, spread)])
        v = ops.cat([v, ops.expand(bias_v, spread)])
    head_width = width // num_heads
    q = _heads(q, batch, num_heads, head_width)
    k = _heads(k, batch, num_heads, head_width) if static_k is None else _static(static_k, batch)
    v = _heads(v, batch, num_heads, head_width) if static_v is None else _static(static_v, batch)
    added = int(bias_k is not None)
    if add_zero_attn:
        added += 1
        k, v = _with_zeros(k), _with_zeros(v)
    mask = _merged_mask(attn_mask, key_padding_mask, batch, num_heads, added, query)
    factor = 1 / math.sqrt(head_width)
    output, attention = _attend(q, k, v, mask, factor, dropout_p, training)
    output = ops.reshape(ops.permute(output, (2, 0, 1, 3)), (length, batch, width))
    output = ops.linear(output, out_proj_weight, out_proj_bias)
    if need_weights and average_attn_weights:
        attention = ops.mean(attention, 1)
    if not batched:
        output, attention = ops.squeeze(output, 1), ops.squeeze(attention, 0)
    return output, attention if need_weights else None


def _check_inputs(query: Any, key: Any, value: Any, embed_dim: int, num_heads: int) -> bool:
    """Whether there is a batch dim, after the checks of all shapes."""
    where = "multi_head_attention_forward"
    shapes = [tuple(x.shape) for x in (query, key, value)]
    shown = f"(query {shapes[0]}, key {shapes[1]}, value {shapes[2]})"
    if len(shapes[0]) not in (2, 3) or any(len(s) != len(shapes[0]) for s in shapes):
        raise ShapeError(f"{where}: query, key and value must all have 3 dims, or all 2 {shown}")
    if shapes[0][-1] != embed_dim:
        raise ShapeError(f"{where}: the last dim of query must be embed_dim {embed_dim} {shown}")
    if shapes[1][:-1] != shapes[2][:-1]:
        raise ShapeError(f"{where}: key and value must have one length and one batch {shown}")
    if embed_dim % num_heads:
        raise ShapeError(f"{where}: {num_heads} heads do not divide embed_dim {embed_dim}")
    return len(shapes[0]) == 3


def _project(
    inputs: tuple[Any, Any, Any], same: tuple[bool, bool], weight: Any, bias: Any
) -> tuple[Any, Any, Any]:
    """Query, key and value by the three parts of one weight (3E, E), as one product if they can."""
    query, key, value = inputs
    width = query.shape[-1]
    if same == (True, True):
        return _parts(ops.linear(query, weight, bias), width, 3)
    weights = _parts(weight, width, 3, 0)
    biases = (None,) * 3 if bias is None else _parts(bias, width, 3)
    q = ops.linear(query, weights[0], biases[0])
    if same[1]:
        rest = ops.narrow(weight, 0, width, 2 * width)
        tail = None if bias is None else ops.narrow(bias, 0, width, 2 * width)
        return (q, *_parts(ops.linear(key, rest, tail), width, 2))
    k = ops.linear(key, weights[1], biases[1])
    return q, k, ops.linear(value, weights[2], biases[2])


def _parts(x: Any, width: int, count: int, dim: int = -1) -> Any:
    return tuple(ops.narrow(x, dim, i * width, width) for i in range(count))


def _project_separately(
    inputs: tuple[Any, Any, Any], weights: tuple[Any, Any, Any], bias: Any
) -> tuple[Any, Any, Any]:
    width = inputs[0].shape[-1]
    biases = (None,) * 3 if bias is None else _parts(bias, width, 3)
    q, k, v = (ops.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True))
    return q, k, v


def _heads(x: Any, batch: int, heads: int, width: int) -> Any:
    """(L, N, E) as (N, heads, L, E / heads)."""
    return ops.permute(ops.reshape(x, (x.shape[0], batch, heads, width)), (1, 2, 0, 3))


def _static(x: Any, batch: int) -> Any:
    return ops.reshape(x, (batch, x.shape[0] // batch, *x.shape[1:]))


def _with_zeros(x: Any) -> Any:
    """One more position, of zeros."""
    return ops.pad(x, (0, 0, 0, 1))


def _merged_mask(
    attn_mask: Any, key_padding_mask: Any, batch: int, heads: int, added: int, like: Any
) -> Any:
    """One float mask (1 or N, 1 or heads, 1 or L, S) to be added to the scores, or None."""
    mask = None
    if attn_mask is not None:
        mask = _additive(attn_mask, like)
        if len(attn_mask.shape) == 3:
            mask = ops.reshape(mask, (batch, heads, *attn_mask.shape[1:]))
        elif len(attn_mask.shape) != 2:
            raise ShapeError(
                "multi_head_attention_forward: attn_mask must have shape (L, S) or (N * num_heads, "
                f"L, S), got {tuple(attn_mask.shape)}"
            )
    if key_padding_mask is not None:
        length = key_padding_mask.shape[-1]
        padding = ops.reshape(_additive(key_padding_mask, like), (batch, 1, 1, length))
        mask = padding if mask is None else mask + padding
    return ops.pad(mask, (0, added)) if mask is not None and added else mask


def _additive(mask: Any, like: Any) -> Any:
    """0 where a bool mask is False and -inf where it is True; a float mask itself."""
    if mask.dtype not in (dtypes.bool_, bool):
        return mask
    zero = creation.zeros((), dtype=like.dtype)
    return ops.where(mask, -math.inf, zero)
