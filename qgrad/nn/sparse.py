"""Embedding."""

from __future__ import annotations

from typing import Any

from qgrad.dtypes import DType
from qgrad.errors import ShapeError, UnsupportedOpError
from qgrad.nn import functional as F
from qgrad.nn import init
from qgrad.nn.module import Module
from qgrad.nn.parameter import Parameter, empty_parameter
from qgrad.tensor import Tensor

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of vectors, looked up by integer index: (...) -> (..., embedding_dim).

    The vector at `padding_idx` is zero at first and gets no gradient; `max_norm`, `norm_type` and
    `scale_grad_by_freq` are those of `F.embedding`.
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        if sparse:
            raise UnsupportedOpError(
                "Embedding: sparse is True, but gradients are dense here; leave it out."
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: padding_idx is {padding_idx}, but must be in "
                    f"[-{num_embeddings}, {num_embeddings})."
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            shape = (num_embeddings, embedding_dim)
            self.weight = empty_parameter("Embedding", shape, device=device, dtype=dtype)
            self.reset_parameters()
        else:
            self.weight = Parameter(_weight)
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An Embedding that uses the rows of `embeddings`, not trained if `freeze`."""
        if len(embeddings.shape) != 2:
            raise ShapeError(
                f"Embedding.from_pretrained: embeddings has shape {tuple(embeddings.shape)}, but "
                "must be (num_embeddings, embedding_dim)."
            )
        rows, columns = embeddings.shape
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        return cls(rows, columns, *options, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        """Draw the vectors anew from the standard normal distribution."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight._data[self.padding_idx] = 0

    def forward(self, input: Any) -> Any:
        """Indices (...) -> vectors (..., embedding_dim)."""
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, plain in (
            ("padding_idx", None),
            ("max_norm", None),
            ("norm_type", 2.0),
            ("scale_grad_by_freq", False),
        ):
            value = getattr(self, name)
            if value != plain:
                text += f", {name}={value}"
        return text
