"""Make `st.from_type` and `st.builds` know qgrad's types."""

from __future__ import annotations

from hypothesis import strategies as st

from qgrad import dtypes, nn
from qgrad.dtypes import DType
from qgrad.qparams import QParams
from qgrad.qtensor import QTensor
from qgrad.quantization import QConfig, QConfigMapping
from qgrad.tensor import Tensor
from qgrad.testing.strategies.configs import qconfig_mappings, qconfigs
from qgrad.testing.strategies.networks import modules
from qgrad.testing.strategies.values import qparams, quantized_tensors, tensors

__all__ = ["register"]


def register() -> None:
    """Called by Hypothesis when it loads an installed qgrad; calling it again does no harm."""
    every = [dtype for dtype in vars(dtypes).values() if isinstance(dtype, DType)]
    st.register_type_strategy(DType, st.sampled_from(every))
    st.register_type_strategy(QParams, lambda _: qparams())
    st.register_type_strategy(Tensor, lambda _: tensors())
    st.register_type_strategy(QTensor, lambda _: quantized_tensors())
    st.register_type_strategy(nn.Module, lambda _: modules())
    st.register_type_strategy(QConfig, lambda _: qconfigs())
    st.register_type_strategy(QConfigMapping, lambda _: qconfig_mappings())
