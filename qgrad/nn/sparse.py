"""Embedding."""

from __future__ import annotations

from typing import Any

from qgrad import ops
from qgrad.dtypes import DType
from qgrad.errors import ShapeError, UnsupportedOpError
from qgrad.nn import init
from qgrad.nn.module import Module
from qgrad.nn.parameter import Parameter, empty_parameter
from qgrad.tensor import Tensor

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of vectors, looked up by integer index: (...) -> (..., embedding_dim).

    The vector at `padding_idx` is zero at first and gets no gradient.
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
        if max_norm is not None or scale_grad_by_freq or sparse:
            raise UnsupportedOpError(
                f"Embedding: max_norm is {max_norm!r}, scale_grad_by_freq {scale_grad_by_freq!r}, "
                f"sparse {sparse!r}, but only their defaults None, False, False are implemented."
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
        if _weight is None:
            shape = (num_embeddings, embedding_dim)
            self.weight = empty_parameter("Embedding", shape, device=device, dtype=dtype)
            self.reset_parameters()
        else:
            self.weight = Parameter(_weight)
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Embedding:
        """An Embedding that uses the rows of `embeddings`, not trained if `freeze`."""
        if len(embeddings.shape) != 2:
            raise ShapeError(
                f"Embedding.from_pretrained: embeddings has shape {tuple(embeddings.shape)}, but "
                "must be (num_embeddings, embedding_dim)."
            )
        rows, columns = embeddings.shape
        return cls(rows, columns, padding_idx, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        """Draw the vectors anew from the standard normal distribution."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight._data[self.padding_idx] = 0

    def forward(self, input: Any) -> Any:
        """Indices (...) -> vectors (..., embedding_dim)."""
        return ops.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
