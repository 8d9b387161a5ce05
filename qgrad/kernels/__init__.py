"""The door to the kernels: arrays in, arrays out, checked here and trusted inside."""

from .float import (
    affine_f32,
    avg_pool_f32,
    binary_f32,
    conv2d_f32,
    layer_norm_f32,
    linear_f32,
    log_softmax_f32,
    matmul_f32,
    max_pool_f32,
    reduce_f32,
    softmax_f32,
    unary_f32,
)
from .float_functions import BINARY_F32, UNARY_F32

__all__ = [
    "BINARY_F32",
    "UNARY_F32",
    "affine_f32",
    "avg_pool_f32",
    "binary_f32",
    "conv2d_f32",
    "layer_norm_f32",
    "linear_f32",
    "log_softmax_f32",
    "matmul_f32",
    "max_pool_f32",
    "reduce_f32",
    "softmax_f32",
    "unary_f32",
]
