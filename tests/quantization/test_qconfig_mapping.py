"""QConfigMapping: PyTorch's precedence, plain-data round trips, and loud mistakes."""

from __future__ import annotations

import json
import operator
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.errors import ConfigError
from qgrad.quantization import (
    FixedQParamsObserver,
    HistogramObserver,
    MinMaxObserver,
    QConfig,
    QConfigMapping,
    Rule,
    default_per_channel_qconfig,
    default_qat_qconfig,
    default_qconfig,
    default_weight_observer,
    get_default_qat_qconfig,
    get_default_qat_qconfig_mapping,
    get_default_qconfig,
    get_default_qconfig_mapping,
)
from qgrad.quantization.rules import CallCounter

A, B, C, D = (get_default_qconfig(weight_bits=bits) for bits in (2, 3, 4, 5))

qconfigs = st.sampled_from(
    [
        None,
        A,
        B,
        default_qconfig,
        default_qat_qconfig,
        default_per_channel_qconfig,
        get_default_qat_qconfig(weight_bits=4),
        QConfig(HistogramObserver.with_args(bins=64, eps=1e-6), default_weight_observer),
        QConfig(FixedQParamsObserver.with_args(scale=0.25, zero_point=3), MinMaxObserver),
    ]
)
paths = st.sampled_from(["a", "a.b", "a.b.c", "b", "ab", "a.c"])
patterns = st.sampled_from(["a", r"a\.b", ".*c$", "x", "", "(a|b)$"])
types = st.sampled_from([nn.Conv2d, nn.Linear, nn.Sequential, "add", operator.mul, "reshape"])
lines = st.one_of(
    st.tuples(st.just("set_global"), qconfigs),
    st.tuples(st.just("set_object_type"), types, qconfigs),
    st.tuples(st.just("set_module_name_regex"), patterns, qconfigs),
    st.tuples(st.just("set_module_name"), paths, qconfigs),
    st.tuples(
        st.just("set_module_name_object_type_order"), paths, types, st.integers(0, 3), qconfigs
    ),
)


def mapping_of(lines) -> QConfigMapping:
    """A mapping with these lines set on it, in order."""
    mapping = QConfigMapping()
    for setter, *line in lines:
        assert getattr(mapping, setter)(*line) is mapping
    return mapping


mappings = st.lists(lines, max_size=8).map(mapping_of)


class Block(nn.Module):
    """A user's module: a layer, an op of its own, a layer twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(x) + self.relu(x))


def model() -> nn.Module:
    """Two blocks and a classifier."""
    return nn.Sequential(Block(), Block(), nn.Flatten(), nn.Linear(12, 2))


CALLS = [
    ("0.conv", nn.Conv2d, "conv2d"),
    ("0.relu", nn.ReLU, "relu"),
    ("0", Block, "add"),
    ("0.relu", nn.ReLU, "relu"),
    ("2", nn.Flatten, "flatten"),
    ("3", nn.Linear, "linear"),
]


class TestPrecedence:
    """global < object type < regex < module name < (module name, object type, index)."""

    def test_low_to_high(self):
        """Each kind of line goes before the kinds below it."""
        mapping = QConfigMapping()
        where = ("blocks.0.conv", nn.Conv2d, "conv2d", 1)
        assert mapping.match(*where) == (None, Rule("none"))
        mapping.set_global(A)
        assert mapping.match(*where) == (A, Rule("global"))
        mapping.set_object_type(nn.Conv2d, B)
        assert mapping.match(*where) == (B, Rule("type", nn.Conv2d))
        mapping.set_module_name_regex("blocks", C)
        assert mapping.match(*where) == (C, Rule("regex", "blocks"))
        mapping.set_module_name("blocks.0", D)
        assert mapping.match(*where) == (D, Rule("name", "blocks.0"))
        mapping.set_module_name_object_type_order("blocks.0", nn.Conv2d, 1, A)
        assert mapping.match(*where) == (A, Rule("order", ("blocks.0", nn.Conv2d, 1)))
        assert mapping.match("blocks.0.conv", nn.Conv2d, "conv2d", 0)[0] is D

    def test_names_walk_up(self):
        """A name covers all below it; the nearest ancestor wins; siblings do not match."""
        mapping = QConfigMapping().set_module_name("head", A).set_module_name("head.mid", B)
        assert mapping.match("head.0.conv")[0] is A
        assert mapping.match("head.mid.conv")[0] is B
        assert mapping.match("header")[0] is None
        assert mapping.match("")[0] is None

    def test_regex_is_a_prefix_match_and_first_wins(self):
        """`re.match`: "conv" also hits "convb"; setting a pattern again keeps its place."""
        mapping = QConfigMapping()
        mapping.set_module_name_regex("conv", A).set_module_name_regex("convb", B)
        assert mapping.match("convb")[0] is A
        mapping.set_module_name_regex("conv", C)
        assert mapping.match("convb")[0] is C
        assert mapping.match("my.conv")[0] is None

    def test_none_is_a_decision(self):
        """None keeps a part float, over a lower line that would quantize it."""
        mapping = QConfigMapping().set_global(A).set_module_name("head", None)
        assert mapping.match("head.fc", nn.Linear) == (None, Rule("name", "head"))
        mapping.set_object_type(nn.ReLU, None)
        assert mapping.match("body.relu", nn.ReLU) == (None, Rule("type", nn.ReLU))

    def test_ops_take_own_line_then_the_calling_modules(self):
        """For an op in a user's module: its own type, then that module's type, regex and name."""
        mapping = QConfigMapping().set_object_type("add", A)
        assert mapping.match("0", Block, "add") == (A, Rule("type", "add"))
        mapping.set_object_type(Block, B)
        assert mapping.match("0", Block, "add") == (B, Rule("type", Block))
        assert mapping.match("0", Block, "mul") == (B, Rule("type", Block))
        mapping.set_module_name("0", C)
        assert mapping.match("0", Block, "add")[0] is C
        mapping.set_module_name_object_type_order("0", operator.add, 1, D)
        assert mapping.match("0", Block, "add", 1)[0] is D
        assert mapping.match("0", Block, "add", 0)[0] is C

    def test_op_lines_do_not_reach_into_layers(self):
        """A line about the function relu is not about nn.ReLU, as in PyTorch."""
        mapping = QConfigMapping().set_object_type(nn.functional.relu, A)
        assert mapping.match("relu", nn.ReLU, "relu")[0] is None
        assert mapping.match("", Block, "relu")[0] is A

    @pytest.mark.parametrize(
        "spelled", [operator.add, operator.iadd, qgrad.add, qgrad.Tensor.add, "add"]
    )
    def test_one_op_by_all_its_names(self, spelled):
        """A function, a method and its name are the same operation."""
        mapping = QConfigMapping().set_object_type(spelled, A)
        assert mapping.match("", Block, "add")[0] is A
        assert mapping == QConfigMapping().set_object_type("add", A)

    def test_method_names_of_pytorch(self):
        """ "view" is what the op table calls reshape, as a string and as a method."""
        want = QConfigMapping().set_object_type("reshape", A)
        assert QConfigMapping().set_object_type("view", A) == want
        assert QConfigMapping().set_object_type(qgrad.Tensor.view, A) == want

    def test_layers_are_counted_in_their_parent_and_ops_in_their_caller(self):
        """Order indices follow the calls; a layer called twice counts twice."""
        counter = CallCounter()
        assert [counter.index(*call) for call in CALLS] == [0, 0, 0, 1, 0, 0]
        counter = CallCounter()
        layers = [("a", nn.ReLU, "relu"), ("b", nn.ReLU, "relu"), ("", Block, "relu")]
        assert [counter.index(*call) for call in layers] == [0, 1, 0]

    def test_a_layer_of_many_ops_is_one_call(self):
        """The ops of one call of a layer share its index."""
        counter = CallCounter()
        ops = ["matmul", "softmax", "matmul", "softmax"]
        indices = [counter.index("attention", nn.Linear, op) for op in ops]
        assert indices == [0, 0, 1, 1]

    @given(st.lists(lines, max_size=8), paths, st.sampled_from([nn.Conv2d, nn.ReLU, Block]))
    def test_equals_the_written_rule(self, lines, path, module_type):
        """match agrees with the precedence written out the slow way."""
        last: dict[tuple, object] = {}
        for setter, *line in lines:
            *key, qconfig = line
            if key and setter == "set_module_name_object_type_order":
                continue
            key = [k.__name__ if k is operator.mul else k for k in key]
            last[(setter, *key)] = qconfig
        want = last.get(("set_global",))
        for kind in ("add", module_type):
            if kind != "add" or module_type is Block:
                want = last.get(("set_object_type", kind), want)
        hits = [k for k in last if k[0] == "set_module_name_regex" and re.match(k[1], path)]
        want = last[hits[0]] if hits else want
        for depth in range(1, path.count(".") + 2):
            name = ".".join(path.split(".")[:depth])
            want = last.get(("set_module_name", name), want)
        mapping = mapping_of([line for line in lines if not line[0].endswith("order")])
        assert mapping.match(path, module_type, "add")[0] == want


class TestPlainData:
    """to_dict gives JSON, from_dict gives the mapping back, and neither runs anything."""

    @given(mappings)
    def test_round_trip(self, mapping):
        """Through JSON text and back: an equal mapping with the same order of lines."""
        data = mapping.to_dict()
        again = QConfigMapping.from_dict(json.loads(json.dumps(data)))
        assert again == mapping
        assert list(again.lines()) == list(mapping.lines())
        assert again.to_dict() == data
        assert repr(again) == repr(mapping)

    def test_form(self):
        """The keys are PyTorch's; classes, ops and observers stand as names."""
        mapping = QConfigMapping().set_object_type(nn.Linear, None).set_object_type("add", C)
        data = mapping.to_dict()
        assert list(data) == [
            "",
            "object_type",
            "module_name_regex",
            "module_name",
            "module_name_object_type_order",
        ]
        assert data["object_type"][0] == ["nn.Linear", None]
        assert data["object_type"][1] == [
            "ops.add",
            {
                "activation": {"name": "HistogramObserver", "args": {"dtype": "quint8"}},
                "weight": {
                    "name": "PerChannelMinMaxObserver",
                    "args": {
                        "dtype": "qint8",
                        "qscheme": "per_channel_symmetric",
                        "quant_min": -7,
                        "quant_max": 7,
                    },
                },
            },
        ]

    def test_pytorch_form(self):
        """A dict of classes and QConfigs, as PyTorch's from_dict takes, works too."""
        mapping = QConfigMapping.from_dict(
            {
                "": A,
                "object_type": [(nn.Linear, None), (operator.add, B), ("reshape", C)],
                "module_name": {"head": D},
                "module_name_object_type_order": [("head", nn.Linear, 0, A)],
            }
        )
        want = QConfigMapping().set_global(A).set_object_type(nn.Linear, None)
        want.set_object_type("add", B).set_object_type("reshape", C).set_module_name("head", D)
        assert mapping == want.set_module_name_object_type_order("head", nn.Linear, 0, A)

    def test_own_classes_by_a_given_name(self):
        """Classes of the user's own go by names that the user gives, on both sides."""
        mapping = QConfigMapping().set_object_type(Block, A)
        with pytest.raises(ConfigError, match=r"to_dict\(types={'Block': Block}\)"):
            mapping.to_dict()
        data = mapping.to_dict(types={"Block": Block})
        assert QConfigMapping.from_dict(data, types={"Block": Block}) == mapping
        with pytest.raises(ConfigError, match="'Block' is no operation"):
            QConfigMapping.from_dict(data)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ({"object_typ": []}, "unknown key 'object_typ', did you mean 'object_type'"),
            ({"object_type": [["nn.Conv3", None]]}, "unknown name 'nn.Conv3'.*'nn.Conv"),
            ({"object_type": [["os.system", None]]}, "unknown name 'os.system'"),
            ({"object_type": [["nn.Linear"]]}, "a line of 'object_type' has 2 items"),
            ({"object_type": 3}, "must be a list"),
            ({"module_name": [["a", {"activation": 1}]]}, "'activation' and 'weight'"),
            ({"": {"activation": {"name": "MinMax"}, "weight": {}}}, "nearest are 'MinMaxObs"),
            ({"": {"activation": {"name": "eval"}, "weight": {}}}, "unknown observer 'eval'"),
            ({"": {"activation": {"name": []}, "weight": {}}}, "unknown observer"),
            ({"": {"activation": {"nme": "x"}, "weight": {}}}, "'name' and 'args'"),
            ({"module_name_object_type_order": [["a", "nn.Linear", -1, None]]}, "from 0"),
            ({"module_name_regex": [["(", None]]}, "is no pattern"),
            ([], "expected a dict"),
        ],
    )
    def test_bad_data(self, data, message):
        """Unknown names and wrong forms are named, with the nearest right ones."""
        with pytest.raises(ConfigError, match=message) as error:
            QConfigMapping.from_dict(data)
        assert len(str(error.value)) < 600

    @pytest.mark.parametrize(
        "args",
        [
            {"dtype": "int99"},
            {"dtype": ["quint8"]},
            {"qscheme": "weird"},
            {"quant_min": [1]},
            {"quant_min": 0, "quant_max": 999},
            {"nonsense": 1},
            {"observer": {"name": "MinMaxObserver"}},
            [1],
            {"eps": "x"},
            {"eps": 0},
            {"quant_min": -(10**400), "quant_max": 10**400},
            {"bins": 3},
        ],
    )
    def test_bad_observer_arguments(self, args):
        """Arguments in a file are checked like arguments in code."""
        data = {"": {"activation": {"name": "MinMaxObserver", "args": args}, "weight": {}}}
        with pytest.raises(ConfigError):
            QConfigMapping.from_dict(data)

    def test_what_has_no_plain_form(self):
        """A lambda or an argument from a function cannot be written down."""
        for activation in (
            lambda: MinMaxObserver(),
            MinMaxObserver.with_callable_args(eps=lambda: 1.0),
        ):
            mapping = QConfigMapping().set_global(QConfig(activation, MinMaxObserver))
            with pytest.raises(ConfigError, match="to_dict"):
                mapping.to_dict()


class TestLoud:
    """A line that matches nothing raises with the nearest names."""

    def problems(self, mapping: QConfigMapping) -> str:
        with pytest.raises(ConfigError) as error:
            mapping.check(model(), CALLS)
        assert len(str(error.value)) < 600
        return str(error.value)

    def test_all_that_match_pass(self):
        """Lines that match something, even where another line wins, are fine."""
        mapping = QConfigMapping().set_global(A).set_object_type(nn.Linear, B)
        mapping.set_object_type("add", None).set_object_type(Block, A)
        mapping.set_module_name_regex(r"0\.c", C).set_module_name("3", D).set_module_name("0", D)
        mapping.set_module_name_object_type_order("0", nn.ReLU, 1, A)
        mapping.set_module_name_object_type_order("0", operator.add, 0, A)
        mapping.set_module_name_object_type_order("", nn.Linear, 0, A)
        mapping.check(model(), CALLS)
        assert mapping.unmatched(model(), CALLS) == []

    def test_name(self):
        """A path that does not exist."""
        text = self.problems(QConfigMapping().set_module_name("0.cnov", A))
        assert text.startswith('QConfigMapping: name "0.cnov" matches no module; nearest paths')
        assert "'0.conv', '1.conv'" in text

    def test_regex(self):
        """A pattern that matches no path."""
        text = self.problems(QConfigMapping().set_module_name_regex(r"^0\.cnv.*$", A))
        assert "regex" in text
        assert "'0.conv'" in text

    def test_type(self):
        """A class or op that the model does not have; nn.ReLU is offered for the function."""
        text = self.problems(QConfigMapping().set_object_type(nn.Conv1d, A))
        assert "type nn.Conv1d matches nothing" in text
        assert "'nn.Conv2d'" in text
        text = self.problems(QConfigMapping().set_object_type(nn.functional.relu, A))
        assert "type ops.relu matches nothing" in text
        assert "'nn.ReLU'" in text

    def test_order(self):
        """An index past the calls, a class not called there, and a module that is not there."""
        order = QConfigMapping.set_module_name_object_type_order
        assert "nn.ReLU is called 2 times" in self.problems(
            order(QConfigMapping(), "0", nn.ReLU, 2, A)
        )
        assert "nearest are" in self.problems(order(QConfigMapping(), "0", nn.Linear, 0, A))
        assert "matches no module" in self.problems(order(QConfigMapping(), "9", nn.ReLU, 0, A))

    def test_many(self):
        """Two problems are shown, the others counted."""
        mapping = QConfigMapping()
        for n in range(5):
            mapping.set_module_name("x" * 20 + str(n), A)
        assert "; and 3 more" in self.problems(mapping)

    @pytest.mark.parametrize(
        ("setter", "line", "message"),
        [
            ("set_global", (MinMaxObserver(),), "is no QConfig"),
            ("set_object_type", (int, A), "int is not a qgrad.nn.Module class"),
            ("set_object_type", ("rehsape", A), "'rehsape' is no operation.*'reshape'"),
            ("set_object_type", (len, A), "'len' is no operation"),
            ("set_object_type", (lambda x: x, A), "no operation"),
            ("set_module_name", ("", A), "use set_global"),
            ("set_module_name_regex", ("a(", A), "is no pattern"),
            ("set_module_name_object_type_order", ("a", nn.Linear, -1, A), "from 0"),
        ],
    )
    def test_bad_lines(self, setter, line, message):
        """A line that can never be right is refused when it is set."""
        with pytest.raises(ConfigError, match=message) as error:
            getattr(QConfigMapping(), setter)(*line)
        assert len(str(error.value)) < 600


class TestResolve:
    """Which line won for every module, before anything is traced."""

    mapping = (
        QConfigMapping()
        .set_global(get_default_qconfig())
        .set_object_type(nn.Linear, get_default_qconfig(weight_bits=4))
        .set_module_name_regex(r"1\..*", default_qconfig)
        .set_module_name("0.conv", None)
    )

    def test_table(self):
        """It prints as a table of module, type, rule and QConfig."""
        assert str(self.mapping.resolve(model())).splitlines() == [
            "module  type        rule            qconfig",
            "------  ----------  --------------  ---------------------------------",
            "0       Block       global          A8 Histogram, W8 PerChannelMinMax",
            '0.conv  nn.Conv2d   name "0.conv"   float',
            "0.relu  nn.ReLU     global          A8 Histogram, W8 PerChannelMinMax",
            "1       Block       global          A8 Histogram, W8 PerChannelMinMax",
            '1.conv  nn.Conv2d   regex "1\\..*"   A8 MinMax, W8 MinMax',
            '1.relu  nn.ReLU     regex "1\\..*"   A8 MinMax, W8 MinMax',
            "2       nn.Flatten  global          A8 Histogram, W8 PerChannelMinMax",
            "3       nn.Linear   type nn.Linear  A8 Histogram, W4 PerChannelMinMax",
        ]

    def test_is_a_mapping(self):
        """Path -> what it got and why; plain containers are left out."""
        resolution = self.mapping.resolve(model())
        assert "" not in resolution
        assert len(resolution) == 8
        assert resolution["0.conv"].qconfig is None
        assert resolution["0.conv"].rule == Rule("name", "0.conv")
        assert [path for path, at in resolution.items() if at.rule.kind == "type"] == ["3"]

    def test_order(self):
        """Order lines count layers as they were registered."""
        mapping = QConfigMapping().set_module_name_object_type_order("0", nn.ReLU, 0, A)
        assert mapping.resolve(model())["0.relu"].qconfig is A


def test_repr():
    """One line a rule, and nothing for an empty mapping."""
    assert repr(QConfigMapping()) == "QConfigMapping()"
    mapping = QConfigMapping().set_global(default_qat_qconfig).set_module_name("head", None)
    assert repr(mapping) == (
        "QConfigMapping(\n"
        "  global: A8 MovingAverageMinMax, W8 MovingAverageMinMax\n"
        '  name "head": float\n'
        ")"
    )


def test_equality():
    """Mappings are equal when their lines are, in order; they cannot be dict keys."""
    first = QConfigMapping().set_module_name_regex("a", A).set_module_name_regex("b", B)
    other = QConfigMapping().set_module_name_regex("b", B).set_module_name_regex("a", A)
    assert first != other  # the first pattern that matches wins, so order is meaning
    assert first == QConfigMapping.from_dict(first.to_dict())
    with pytest.raises(TypeError):
        hash(first)


def test_default_mappings():
    """Usable without arguments; everything gets the default QConfig."""
    assert get_default_qconfig_mapping().global_qconfig == get_default_qconfig()
    assert get_default_qat_qconfig_mapping().global_qconfig == get_default_qat_qconfig()
    get_default_qconfig_mapping().check(model(), CALLS)
    assert get_default_qconfig_mapping(weight_bits=4).global_qconfig == C
