"""MultiheadAttention."""

from __future__ import annotations

from typing import Any

from qgrad import ops
from qgrad.dtypes import DType
from qgrad.nn import functional as F
from qgrad.nn import init
from qgrad.nn.linear import NonDynamicallyQuantizableLinear
from qgrad.nn.module import Module
from qgrad.nn.parameter import Parameter, empty_parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of `num_heads` heads: each query looks at all keys and takes from their values.

    query (L, N, E), key (S, N, kdim), value (S, N, vdim) -> (output (L, N, E), weights (N, L, S)),
    or with N first if `batch_first`, or without N. in_proj_weight (3E, E) projects all three;
    if `kdim` or `vdim` is not E, there are q_proj_weight (E, E), k_proj_weight (E, kdim) and
    v_proj_weight (E, vdim) instead.
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: num_heads is {num_heads}, but must be >= 1 and divide "
                f"embed_dim ({embed_dim})."
            )
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn
        same = self.kdim == embed_dim and self.vdim == embed_dim
        self._qkv_same_embed_dim = same
        for name, shape, present in (
            ("in_proj_weight", (3 * embed_dim, embed_dim), same),
            ("q_proj_weight", (embed_dim, embed_dim), not same),
            ("k_proj_weight", (embed_dim, self.kdim), not same),
            ("v_proj_weight", (embed_dim, self.vdim), not same),
            ("in_proj_bias", (3 * embed_dim,), bias),
            ("bias_k", (1, 1, embed_dim), add_bias_kv),
            ("bias_v", (1, 1, embed_dim), add_bias_kv),
        ):
            param = None
            if present:
                param = empty_parameter("MultiheadAttention", shape, device=device, dtype=dtype)
            self.register_parameter(name, param)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias, device=device, dtype=dtype
        )
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Projections uniform by Xavier, biases 0, bias_k and bias_v normal by Xavier."""
        for weight in (
            self.in_proj_weight,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
        ):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """(query, key, value) -> (output, weights); the weights are None if not `need_weights`.

        Masks are True where a query must not look, or floats that are added: `key_padding_mask`
        (N, S), `attn_mask` (L, S) or (N * num_heads, L, S). Without `average_attn_weights` the
        weights are (N, num_heads, L, S). `is_causal` says that `attn_mask` is the causal one.
        """
        turned = self.batch_first and len(query.shape) == 3
        if turned:
            query, key, value = _turned(query, key, value)
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (ops.transpose(output, 0, 1) if turned else output), weights


def _turned(query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
    """With the first two dims swapped; what was one tensor stays one."""
    q = ops.transpose(query, 0, 1)
    k = q if key is query else ops.transpose(key, 0, 1)
    return q, k, k if value is key else ops.transpose(value, 0, 1)
