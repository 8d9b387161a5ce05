"""Losses: PyTorch's values, an independent formula, ignored targets, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.errors import DTypeError, ShapeError
from qgrad.nn import functional as F


def fill(shape: tuple[int, ...], start: float) -> Any:
    """Numbers that are all different, without a random generator."""
    data = np.sin(np.arange(math.prod(shape)) * 0.7 + start).reshape(shape)
    return qgrad.from_numpy(data.astype(np.float32))


X = fill((4, 3), 0.3) * 3
IMAGE = fill((2, 3, 2, 2), 0.0) * 2
T = qgrad.tensor([2, 0, -100, 1])
T_IMAGE = qgrad.tensor([[[0, 1], [2, 2]], [[1, -100], [0, 1]]])
W = qgrad.tensor([0.5, 1.0, 2.0])
P = F.softmax(fill((4, 3), 1.0), 1)
POS = qgrad.tensor([3.0, 1.0, 0.5])
LP = F.log_softmax(X, 1)
PR = F.sigmoid(X)
Y = fill((4, 3), 1.0).sign()
Z = fill((4, 3), 2.0)
CLASSES = qgrad.tensor([2, 0, 1, 1])

# (loss by reduction, mean, sum, first values of "none"), from PyTorch 2.13.
PYTORCH = [
    (lambda r: F.cross_entropy(X, T, reduction=r), 0.574092, 1.72228, [0.56596, 0.157302, 0.0]),
    (lambda r: F.cross_entropy(X, T, W, reduction=r), 0.63131, 2.20959, [1.13192, 0.078651, 0.0]),
    (
        lambda r: F.cross_entropy(X, T, W, reduction=r, label_smoothing=0.1),
        0.731257, 2.5594, [1.13458, 0.40999, 0.0, 1.01482],
    ),
    (
        lambda r: F.cross_entropy(X, T, reduction=r, label_smoothing=0.1),
        0.679676, 2.03903, [0.650594, 0.349422, 0.0, 1.03901],
    ),
    (lambda r: F.cross_entropy(X, P, reduction=r), 1.33404, 5.33615, [1.43401, 1.42416]),
    (
        lambda r: F.cross_entropy(X, P, W, reduction=r, label_smoothing=0.2),
        1.44602, 5.7841, [1.15352, 2.40119, 1.07894],
    ),
    (
        lambda r: F.cross_entropy(IMAGE, T_IMAGE, W, reduction=r, label_smoothing=0.1),
        1.50941, 12.0753, [0.727492, 2.2988, 2.18115, 1.26031, 4.26843, 0.0],
    ),
    (
        lambda r: F.nll_loss(F.log_softmax(X, 1), T, W, reduction=r),
        0.63131, 2.20959, [1.13192, 0.078651, 0.0, 0.999013],
    ),
    (
        lambda r: F.cross_entropy(X, qgrad.tensor([2, 0, 0, 1]), ignore_index=0, reduction=r),
        0.782487, 1.56497, [0.56596, 0.0, 0.0, 0.999013],
    ),
    (lambda r: F.cross_entropy(X[0], qgrad.tensor(1), reduction=r), 1.01654, 1.01654, [1.01654]),
    (
        lambda r: F.binary_cross_entropy_with_logits(X * 10, P, reduction=r),
        9.89741, 118.769, [5.91948, 15.4953],
    ),
    (
        lambda r: F.binary_cross_entropy_with_logits(X, P, W, reduction=r, pos_weight=POS),
        1.47688, 17.7226, [0.583167, 1.62659, 4.36067],
    ),
    (lambda r: F.mse_loss(X, P, reduction=r), 4.31518, 51.7822, [0.307177, 4.57203]),
    (lambda r: F.l1_loss(X, P, reduction=r), 1.85155, 22.2186, [0.554235, 2.13823]),
    (
        lambda r: F.huber_loss(X, P, reduction=r),
        1.39651, 16.7581, [0.153588, 1.63823, 2.1935],
    ),
    (
        lambda r: F.huber_loss(X, P, r, 2.0, weight=PR),
        1.08598, 13.0318, [0.108768, 2.10763, 3.2225],
    ),
    (
        lambda r: F.smooth_l1_loss(X, P, reduction=r, beta=0.5),
        1.61165, 19.3398, [0.304235, 1.88823, 2.4435],
    ),
    (
        lambda r: F.smooth_l1_loss(X, P, reduction=r, beta=0.0),
        1.85155, 22.2186, [0.554235, 2.13823, 2.6935],
    ),
    (
        lambda r: F.soft_margin_loss(X, Y, reduction=r),
        0.290118, 3.48141, [0.345057, 0.0770586, 0.0497875],
    ),
    (
        lambda r: F.kl_div(LP, P, reduction=r),
        0.0970784, 1.16494, [0.516019, 0.0251385, -0.19752],
    ),
    (
        lambda r: F.kl_div(LP, P.log(), reduction=r, log_target=True),
        0.0970784, 1.16494, [0.516019, 0.0251385, -0.19752],
    ),
    (
        lambda r: F.binary_cross_entropy(PR, P, reduction=r),
        1.17389, 14.0867, [0.936991, 1.62659, 2.18734],
    ),
    (
        lambda r: F.binary_cross_entropy(PR, P, W, reduction=r),
        1.50969, 18.1163, [0.468496, 1.62659, 4.37469],
    ),
    (
        lambda r: F.mse_loss(X, P, reduction=r, weight=PR),
        3.82357, 27.1349, [0.217536, 4.23295, 6.90259],
    ),
    (
        lambda r: F.l1_loss(X, P, reduction=r, weight=PR),
        1.74358, 12.3737, [0.392498, 1.97965, 2.56268],
    ),
    (
        lambda r: F.poisson_nll_loss(X, Z.abs() * 4, full=True, reduction=r),
        6.94461, 83.3353, [1.82591, 8.56222, 16.4787],
    ),
    (
        lambda r: F.poisson_nll_loss(PR, Z.abs(), False, reduction=r),
        1.09248, 13.1098, [1.02194, 0.958769, 0.964154],
    ),
    (
        lambda r: F.gaussian_nll_loss(X, Z, PR, True, reduction=r),
        16.6733, 200.079, [0.746775, 3.25532, 6.3786],
    ),
    (
        lambda r: F.gaussian_nll_loss(X, Z, PR[:, 0], eps=0.5, reduction=r),
        3.97122, 47.6546, [-0.172164, 2.9323, 7.19591],
    ),
    (
        lambda r: F.hinge_embedding_loss(X, Y, 2.0, reduction=r),
        2.41988, 29.0385, [0.886561, 2.52441, 2.97499],
    ),
    (
        lambda r: F.margin_ranking_loss(X, Z, Y, 0.5, reduction=r),
        0.433395, 5.20074, [0.522737, 0.0, 0.0],
    ),
    (
        lambda r: F.cosine_embedding_loss(X, Z, Y[:, 0], 0.1, reduction=r),
        0.646769, 2.58708, [0.728837, 1.12116, 0.0],
    ),
    (
        lambda r: F.triplet_margin_loss(X, Z, P, 2.0, reduction=r),
        2.42161, 9.68643, [2.36814, 2.7362, 2.20422],
    ),
    (
        lambda r: F.triplet_margin_loss(X, Z, P, p=1.0, swap=True, reduction=r),
        5.31067, 21.2427, [5.1951, 2.57563, 8.20329],
    ),
    (
        lambda r: F.multilabel_soft_margin_loss(X, P, W, reduction=r),
        1.50969, 6.03876, [2.15659, 0.753274, 0.961588],
    ),
    (
        lambda r: F.multi_margin_loss(X, CLASSES, reduction=r),
        0.434391, 1.73756, [0.183139, 0.0, 1.08217],
    ),
    (
        lambda r: F.multi_margin_loss(X, CLASSES, 2, 0.5, W, reduction=r),
        0.417377, 1.66951, [0.00162812, 0.0, 1.38773],
    ),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:kl_div")
@pytest.mark.parametrize(("loss", "mean", "total", "first"), PYTORCH)
def test_equals_pytorch(loss: Any, mean: float, total: float, first: list[float]) -> None:
    """The three reductions give PyTorch's values (six digits)."""
    assert loss("mean").item() == pytest.approx(mean, rel=1e-5)
    assert loss("sum").item() == pytest.approx(total, rel=1e-5)
    each = loss("none").numpy().reshape(-1)[: len(first)]
    np.testing.assert_allclose(each, first, rtol=1e-5, atol=1e-6)


MODULES = [
    (nn.CrossEntropyLoss(W, label_smoothing=0.1), X, T, 0.731257),
    (nn.NLLLoss(W), F.log_softmax(X, 1), T, 0.63131),
    (nn.BCEWithLogitsLoss(W, pos_weight=POS), X, P, 1.47688),
    (nn.MSELoss(), X, P, 4.31518),
    (nn.L1Loss(reduction="sum"), X, P, 22.2186),
    (nn.HuberLoss(), X, P, 1.39651),
    (nn.HuberLoss("sum", 2.0), X, P, 24.3522),
    (nn.SmoothL1Loss(beta=0.5), X, P, 1.61165),
    (nn.SoftMarginLoss(reduction="sum"), X, Y, 3.48141),
    (nn.KLDivLoss(reduction="batchmean"), LP, P, 1.16494 / 4),
    (nn.KLDivLoss(reduction="sum", log_target=True), LP, P.log(), 1.16494),
    (nn.BCELoss(W), PR, P, 1.50969),
]


# Modules, the functions they call, whose values stand above, and their further arguments.
MARGINS = [
    (nn.PoissonNLLLoss(full=True, reduction="sum"), F.poisson_nll_loss, [Z], {"full": True}),
    (nn.GaussianNLLLoss(eps=0.5), F.gaussian_nll_loss, [Z, PR], {"eps": 0.5}),
    (nn.HingeEmbeddingLoss(2.0), F.hinge_embedding_loss, [Y], {"margin": 2.0}),
    (nn.MarginRankingLoss(0.5), F.margin_ranking_loss, [Z, Y], {"margin": 0.5}),
    (
        nn.CosineEmbeddingLoss(0.1, reduction="none"),
        *(F.cosine_embedding_loss, [Z, Y[:, 0]], {"margin": 0.1}),
    ),
    (
        nn.TripletMarginLoss(2.0, 1.0, 0.1, True),
        *(F.triplet_margin_loss, [Z, P], {"margin": 2, "p": 1, "eps": 0.1, "swap": True}),
    ),
    (nn.MultiLabelSoftMarginLoss(W), F.multilabel_soft_margin_loss, [P], {"weight": W}),
    (
        nn.MultiMarginLoss(2, 0.5, W),
        *(F.multi_margin_loss, [CLASSES], {"p": 2, "margin": 0.5, "weight": W}),
    ),
]


@pytest.mark.parametrize(("module", "function", "others", "options"), MARGINS)
def test_margin_modules_pass_their_options_on(
    module: Any, function: Any, others: list[Any], options: dict[str, Any]
) -> None:
    """Each module is its function with the module's options."""
    expected = function(X, *others, reduction=module.reduction, **options)
    np.testing.assert_array_equal(module(X, *others).numpy(), expected.numpy())


@pytest.mark.parametrize(("module", "x", "target", "value"), MODULES)
def test_modules_pass_their_options_on(module: Any, x: Any, target: Any, value: float) -> None:
    """Each module computes its function with its own options; weights are buffers."""
    assert module(x, target).item() == pytest.approx(value, rel=1e-5)
    names = [name for name, _ in module.named_buffers()]
    assert names == [n for n in ("weight", "pos_weight") if getattr(module, n, None) is not None]


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
    smoothing=st.sampled_from([0.0, 0.3]),
    weighted=st.booleans(),
)
def test_gradient_of_cross_entropy(
    shape: list[int], seed: int, smoothing: float, weighted: bool
) -> None:
    """The gradient is w * (sum(q) * softmax(x) - q) / sum(w) for the smoothed target q."""
    rng = np.random.default_rng(seed)
    dim = 1 if len(shape) > 1 else 0
    classes = shape[dim]
    x = qgrad.from_numpy(rng.standard_normal(shape)).requires_grad_()
    target = rng.integers(0, classes, [n for i, n in enumerate(shape) if i != dim])
    w = rng.random(classes) + 0.5 if weighted else np.ones(classes)
    weight = qgrad.from_numpy(w) if weighted else None
    F.cross_entropy(
        x, qgrad.from_numpy(np.array(target)), weight, label_smoothing=smoothing
    ).backward()

    probs = np.exp(x.detach().numpy())
    probs /= probs.sum(dim, keepdims=True)
    hot = np.moveaxis(np.eye(classes)[target], -1, dim)
    by_class = w.reshape([-1 if i == dim else 1 for i in range(len(shape))])
    q = (1 - smoothing) * hot * by_class + smoothing / classes * by_class
    expected = (q.sum(dim, keepdims=True) * probs - q) / w[target].sum()
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_masked_classes_stay_finite() -> None:
    """A logit of -inf for a class that is not the target adds nothing, not even NaN."""
    x = qgrad.tensor([[0.0, -math.inf, 0.0], [-math.inf, 1.0, 1.0]], requires_grad=True)
    loss = F.cross_entropy(x, qgrad.tensor([0, -100]))
    assert loss.item() == pytest.approx(math.log(2))
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), [[-0.5, 0, 0.5], [0, 0, 0]], atol=1e-7)


def test_large_logits_do_not_overflow() -> None:
    """Losses of +-1e4 logits are finite and exact."""
    x = qgrad.tensor([1e4, -1e4], requires_grad=True)
    assert F.cross_entropy(x, qgrad.tensor(1)).item() == 2e4
    loss = F.binary_cross_entropy_with_logits(x, qgrad.tensor([0.0, 1.0]))
    assert loss.item() == 1e4
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.5, -0.5])


def test_probabilities_of_0_and_1() -> None:
    """As in PyTorch: logarithms of at least -100, and gradients that are large but finite."""
    x = qgrad.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    t = qgrad.tensor([1.0, 0.0, 0.0, 1.0])
    loss = F.binary_cross_entropy(x, t, reduction="none")
    assert loss.tolist() == [100.0, 100.0, 0.0, 0.0]
    loss.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [-1e12, 1e12, 0, 0], rtol=1e-6)
    with pytest.raises(ValueError, match=r"probabilities in \[0, 1\], got values from -1.0 to 1.0"):
        F.binary_cross_entropy(qgrad.tensor([-1.0, 1.0]), t[:2])


def test_margins_and_divergences_do_not_overflow() -> None:
    """Margins of 1e4 and targets of 0 give what the limit is."""
    x = qgrad.tensor([1e4, -1e4], requires_grad=True)
    loss = F.soft_margin_loss(x, qgrad.tensor([1.0, 1.0]), reduction="none")
    assert loss.tolist() == [0.0, 1e4]
    loss.sum().backward()
    assert x.grad.tolist() == [0.0, -1.0]
    zero = F.kl_div(qgrad.tensor([[-1.0, -2.0]]), qgrad.tensor([[0.0, 1.0]]), reduction="sum")
    assert zero.item() == 2.0


@pytest.mark.parametrize("at", [-1.0, 1.0])
def test_huber_at_its_corner(at: float) -> None:
    """Both branches meet with one slope; the second derivative is the outer one, 0."""
    x = qgrad.tensor([at], requires_grad=True)
    for loss in (F.huber_loss, F.smooth_l1_loss):
        (g,) = qgrad.autograd.grad(loss(x, qgrad.zeros(1)), x, create_graph=True)
        assert g.tolist() == [at]
        (second,) = qgrad.autograd.grad(g.sum(), x)
        assert second.tolist() == [0.0]


@pytest.mark.parametrize(
    ("options", "reduction"),
    [
        ({"size_average": True}, "mean"),
        ({"size_average": False}, "sum"),
        ({"reduce": False}, "none"),
        ({"reduce": True, "size_average": False}, "sum"),
    ],
)
def test_the_former_spelling_of_reductions(options: dict[str, bool], reduction: str) -> None:
    """size_average and reduce still work, with a warning that names the new way."""
    with pytest.warns(DeprecationWarning, match=f"use reduction='{reduction}' instead"):
        old = F.mse_loss(X, P, **options)
    np.testing.assert_array_equal(old.numpy(), F.mse_loss(X, P, reduction=reduction).numpy())
    with pytest.warns(DeprecationWarning, match="KLDivLoss: size_average"):
        assert nn.KLDivLoss(False).reduction == "sum"


def test_kl_div_warns_of_its_mean() -> None:
    """The default divides by the number of elements, which is not the divergence."""
    with pytest.warns(UserWarning, match="'batchmean'"):
        F.kl_div(LP, P)


def test_probability_targets_get_gradients() -> None:
    """Soft targets that require grad are differentiated, as in distillation."""
    p = qgrad.tensor([[0.5, 0.5]], requires_grad=True)
    F.cross_entropy(qgrad.tensor([[1.0, 2.0]]), p).backward()
    np.testing.assert_allclose(p.grad.numpy(), [[1.313262, 0.313262]], rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: F.cross_entropy(X, qgrad.tensor([0, 1, 2, 3])),
            IndexError,
            "cross_entropy: target holds class 3, but input has 3 classes",
        ),
        (
            lambda: F.cross_entropy(X, qgrad.tensor([0, 1])),
            ShapeError,
            r"input has shape \(4, 3\), so target must have shape \(4,\), but has \(2,\)",
        ),
        (
            lambda: F.cross_entropy(X, qgrad.tensor([0.0, 1.0, 2.0, 0.0])),
            DTypeError,
            r"target is float32 of shape \(4,\).*probabilities of shape \(4, 3\).*target.long\(\)",
        ),
        (
            lambda: F.cross_entropy(X, T, qgrad.ones(2)),
            ShapeError,
            r"weight has shape \(2,\).*3 classes",
        ),
        (lambda: F.cross_entropy(X, T, label_smoothing=2), ValueError, "label_smoothing is 2"),
        (lambda: F.cross_entropy(X, T, reduction="avg"), ValueError, "reduction is 'avg'"),
        (lambda: F.nll_loss(qgrad.tensor(1.0), T), ShapeError, "nll_loss: input is a scalar"),
        (lambda: F.huber_loss(X, P, delta=0), ValueError, "delta is 0, but must be positive"),
        (lambda: F.smooth_l1_loss(X, P, beta=-1), ValueError, "beta is -1"),
        (lambda: F.mse_loss(X, P, weight=W), ShapeError, r"weight has shape \(3,\).*\(4, 3\)"),
        (lambda: F.binary_cross_entropy(PR, P[0]), ShapeError, r"target \(3,\)"),
        (lambda: nn.KLDivLoss(reduction="average"), ValueError, "reduction is 'average'"),
        (lambda: nn.TripletMarginLoss(0.0), ValueError, "margin is 0.0, but must be positive"),
        (lambda: nn.MultiMarginLoss(3), ValueError, "p is 3, but must be 1 or 2"),
        (lambda: F.multi_margin_loss(X, T[:2]), ShapeError, r"got \(4, 3\) and \(2,\)"),
        (lambda: F.cosine_embedding_loss(X, X, X), ShapeError, r"target \(N\)"),
        (lambda: F.gaussian_nll_loss(X, Z, W), ShapeError, r"var has shape \(3,\)"),
        (lambda: F.gaussian_nll_loss(X, Z, Z), ValueError, "values below 0"),
        (
            lambda: F.binary_cross_entropy_with_logits(X, T),
            ShapeError,
            r"input has shape \(4, 3\), target \(4,\).*unsqueeze",
        ),
    ],
)
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    """Targets that do not fit are refused with both shapes and the way out."""
    with pytest.raises(kind, match=message):
        call()


def test_broadcasting_targets_warn() -> None:
    """(4, 1) against (4,) is the classical slip: it is computed, with a warning."""
    with pytest.warns(UserWarning, match=r"mse_loss: input has shape \(4, 1\), target \(4,\)"):
        F.mse_loss(X[:, :1], X[:, 0])
