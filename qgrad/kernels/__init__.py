"""The door to the kernels: arrays in, arrays out, checked here and trusted inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..later import later
from .float import (
    add_rows_f32,
    affine_f32,
    batch_norm_grads_f32,
    batch_norm_stats_f32,
    binary_f32,
    gather_f32,
    layer_norm_f32,
    layer_norm_grads_f32,
    linear_f32,
    linear_grads_f32,
    log_softmax_f32,
    matmul_f32,
    reduce_f32,
    scatter_add_f32,
    softmax_dinput_f32,
    softmax_f32,
    unary_f32,
    where_f32,
)
from .float_functions import BINARY_F32, UNARY_F32
from .isa import available_isas, cpu_features, isa, set_isa
from .threads import get_num_threads, set_num_threads, usable_cpus

if TYPE_CHECKING:
    from .float_images import (
        avg_pool_f32,
        conv2d_dinput_by_phase_f32,
        conv2d_dinput_f32,
        conv2d_dweight_f32,
        conv2d_f32,
        max_pool_dinput_f32,
        max_pool_f32,
    )
    from .integer import (
        add_s8,
        avg_pool_s8,
        conv2d_s8,
        dequantize,
        gemm_s8,
        lut_u8,
        max_pool_s8,
        quantize,
    )
    from .optimizer import adam_step, sgd_step
    from .windows import adaptive_windows, pool_windows

# Loaded when first asked for, so that `import qgrad` stays quick.
__getattr__, __dir__ = later(
    __name__,
    {
        "qgrad.kernels.float_images": (
            "avg_pool_f32",
            "conv2d_dinput_by_phase_f32",
            "conv2d_dinput_f32",
            "conv2d_dweight_f32",
            "conv2d_f32",
            "max_pool_dinput_f32",
            "max_pool_f32",
        ),
        "qgrad.kernels.integer": (
            "add_s8",
            "avg_pool_s8",
            "conv2d_s8",
            "dequantize",
            "gemm_s8",
            "lut_u8",
            "max_pool_s8",
            "quantize",
        ),
        "qgrad.kernels.optimizer": (
            "adam_step",
            "sgd_step",
        ),
        "qgrad.kernels.windows": (
            "adaptive_windows",
            "pool_windows",
        ),
    },
)

__all__ = [
    "BINARY_F32",
    "UNARY_F32",
    "adam_step",
    "adaptive_windows",
    "add_rows_f32",
    "add_s8",
    "affine_f32",
    "available_isas",
    "avg_pool_f32",
    "avg_pool_s8",
    "batch_norm_grads_f32",
    "batch_norm_stats_f32",
    "binary_f32",
    "conv2d_dinput_by_phase_f32",
    "conv2d_dinput_f32",
    "conv2d_dweight_f32",
    "conv2d_f32",
    "conv2d_s8",
    "cpu_features",
    "dequantize",
    "gather_f32",
    "gemm_s8",
    "get_num_threads",
    "isa",
    "layer_norm_f32",
    "layer_norm_grads_f32",
    "linear_f32",
    "linear_grads_f32",
    "log_softmax_f32",
    "lut_u8",
    "matmul_f32",
    "max_pool_dinput_f32",
    "max_pool_f32",
    "max_pool_s8",
    "pool_windows",
    "quantize",
    "reduce_f32",
    "scatter_add_f32",
    "set_isa",
    "set_num_threads",
    "sgd_step",
    "softmax_dinput_f32",
    "softmax_f32",
    "unary_f32",
    "usable_cpus",
    "where_f32",
]
