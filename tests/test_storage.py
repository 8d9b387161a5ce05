"""Storages as sequences: what goes in comes out, and what does not fit is refused."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from qgrad import dtypes, storage
from qgrad.errors import DTypeError, ShapeError, UnsupportedOpError
from qgrad.storage import (
    BoolStorage,
    FloatStorage,
    HalfStorage,
    IntStorage,
    LongStorage,
    QInt8Storage,
    QUInt8Storage,
    StorageBase,
    TypedStorage,
    UntypedStorage,
)

TYPED = [cls for cls in vars(storage).values() if isinstance(cls, type) and hasattr(cls, "dtype")]
TYPED = [cls for cls in TYPED if issubclass(cls, TypedStorage)]
INTEGERS = [cls for cls in TYPED if cls.dtype.numpy.kind in "iu"]
FLOATS = [cls for cls in TYPED if cls.dtype.numpy.kind == "f"]

# PyTorch 2.13's public methods of a TypedStorage, all 45.
PYTORCH_METHODS = [
    "bfloat16",
    "bool",
    "byte",
    "char",
    "clone",
    "complex_double",
    "complex_float",
    "copy_",
    "cpu",
    "cuda",
    "data_ptr",
    "device",
    "double",
    "element_size",
    "filename",
    "fill_",
    "float",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "from_buffer",
    "from_file",
    "get_device",
    "half",
    "hpu",
    "int",
    "is_cuda",
    "is_hpu",
    "is_pinned",
    "is_shared",
    "is_sparse",
    "long",
    "nbytes",
    "pickle_storage_type",
    "pin_memory",
    "resizable",
    "resize_",
    "share_memory_",
    "short",
    "size",
    "to",
    "tolist",
    "type",
    "untyped",
]

numbers = st.one_of(
    st.integers(-300, 300),
    st.integers(),
    st.floats(),
    st.sampled_from([127, 128, 255, 256, -128, -129, 2**31, 2**63 - 1, 2**63, 2**64, 1.7, 0.5]),
)


def limits(cls: type[TypedStorage]) -> tuple[int, int]:
    """The lowest and highest integer that a storage class holds."""
    info = np.iinfo(cls.dtype.numpy)
    return int(info.min), int(info.max)


@st.composite
def filled(draw: st.DrawFn, classes: list[type[TypedStorage]] = INTEGERS) -> TypedStorage:
    """A storage of some integer class with some elements."""
    cls = draw(st.sampled_from(classes))
    return cls(draw(st.lists(st.integers(*limits(cls)), max_size=20)))


def test_all_methods_of_pytorch_are_there() -> None:
    """The whole list, on every class."""
    assert len(PYTORCH_METHODS) == 45
    for cls in TYPED:
        assert [name for name in PYTORCH_METHODS if not hasattr(cls, name)] == []


@given(st.data())
def test_elements_come_back(data: st.DataObject) -> None:
    """Python integers in, the same Python integers out, by every way of reading."""
    cls = data.draw(st.sampled_from(INTEGERS))
    elements = data.draw(st.lists(st.integers(*limits(cls))))
    for source in (elements, tuple(elements)):
        s = cls(source)
        assert s.tolist() == list(s) == [s[i] for i in range(len(s))] == elements
        assert all(type(item) is int for item in s)
    assert (len(s), s.size()) == (len(elements), len(elements))
    assert s.nbytes() == len(elements) * s.element_size()
    assert s.data_ptr() % 64 == 0


@given(st.sampled_from(INTEGERS), numbers)
def test_integers_are_stored_exactly_or_refused(cls: type[TypedStorage], value: float) -> None:
    """No way in wraps, truncates or turns NaN into a code, and a refusal changes nothing."""
    low, high = limits(cls)
    exact = math.isfinite(value) and value == int(value) and low <= value <= high
    ways = [
        lambda s: s.fill_(value),
        lambda s: s.__setitem__(1, value),
        lambda s: s.__setitem__(slice(0, 2), value),
        lambda s: s.__setitem__(slice(0, 2), [0, value]),
        lambda s: s.__setitem__(slice(0, 2), (np.float64(0), value)),
        lambda s: s.copy_(cls([0, value])),
    ]
    for write in ways:
        s = cls([7, 7])
        if exact:
            write(s)
            assert s[1] == value
        else:
            with pytest.raises(ValueError, match=f"{cls.__name__}.*cannot be stored; .* integers"):
                write(s)
            assert s.tolist() == [7, 7]


@pytest.mark.parametrize("value", [256, -1, 1.7, math.nan, math.inf, True, "1", [1], None, 1j])
def test_what_is_no_code_is_refused(value: object) -> None:
    """The values that PyTorch wraps, cuts or half-accepts, through each door."""
    s = QUInt8Storage([5, 6])
    for write in (
        lambda: s.fill_(value),
        lambda: s.__setitem__(0, value),
        lambda: s.__setitem__(slice(0, 1), [value]),
        lambda: QUInt8Storage([1, value]),
    ):
        with pytest.raises((ValueError, TypeError), match="QUInt8Storage") as caught:
            write()
        assert len(str(caught.value)) < 600
    assert s.tolist() == [5, 6]


def test_numpy_and_tensor_scalars_are_numbers() -> None:
    """Anything with a one-element `item` is the number in it; a longer array is not."""
    s = QUInt8Storage(2)
    s[np.int64(0)] = np.uint8(3)
    s[1] = np.array([4])
    assert s.tolist() == [3, 4]
    with pytest.raises(TypeError, match="takes one number"):
        s[0] = np.array([1, 2])
    with pytest.raises(TypeError, match="got True"):
        s[0] = np.bool_(True)


@given(st.sampled_from(FLOATS), st.lists(st.floats(width=16)))
def test_floats_come_back(cls: type[TypedStorage], elements: list[float]) -> None:
    """Floats that the narrowest type holds survive in all of them, NaN and infinities too."""
    np.testing.assert_array_equal(cls(elements).tolist(), elements)


@pytest.mark.parametrize(
    ("cls", "value"), [(HalfStorage, 70000), (FloatStorage, 1e39), (FloatStorage, 10**400)]
)
def test_finite_numbers_never_become_infinite(cls: type[TypedStorage], value: float) -> None:
    """A number beyond the type's range is refused; infinity itself is stored."""
    with pytest.raises(
        ValueError, match=r"cannot be stored; a float.. storage holds numbers up to"
    ):
        cls([value])
    with pytest.raises(ValueError, match="cannot be stored"):
        cls(1).fill_(value)
    assert cls([math.inf])[0] == math.inf


def test_bool_storage_holds_truth_values() -> None:
    """True, False, 1 and 0; not 2."""
    assert BoolStorage([True, False, 1, 0]).tolist() == [True, False, True, False]
    with pytest.raises(ValueError, match="True and False"):
        BoolStorage([2])


class AgainstAList(RuleBasedStateMachine):
    """A QInt8Storage and a list are changed together, and stay equal."""

    def __init__(self) -> None:
        super().__init__()
        self.real = QInt8Storage()
        self.model: list[int] = []

    values = st.integers(-128, 127)
    positions = st.integers(-8, 8)
    maybe = st.none() | positions

    @rule(elements=st.lists(values, max_size=6))
    def renew(self, elements: list[int]) -> None:
        """Start over from a sequence."""
        self.real, self.model = QInt8Storage(elements), list(elements)

    @rule(position=positions, value=values)
    def set_item(self, position: int, value: int) -> None:
        """Both take the value, or both raise IndexError."""
        try:
            self.model[position] = value
        except IndexError:
            with pytest.raises(IndexError, match="out of range"):
                self.real[position] = value
        else:
            self.real[position] = value
            assert self.real[position] == value

    @rule(start=maybe, stop=maybe, value=values)
    def fill_slice(self, start: int | None, stop: int | None, value: int) -> None:
        """One number fills a slice, and reading it back shares memory."""
        part = slice(start, stop)
        self.real[part] = value
        self.model[part] = [value] * len(self.model[part])
        assert self.real[part].tolist() == self.model[part]

    @rule(start=maybe, stop=maybe)
    def write_through_slice(self, start: int | None, stop: int | None) -> None:
        """A slice is the same memory."""
        part = slice(start, stop)
        self.real[part].fill_(-1)
        self.model[part] = [-1] * len(self.model[part])

    @rule(elements=st.lists(values, max_size=6), start=maybe)
    def set_slice(self, elements: list[int], start: int | None) -> None:
        """A sequence fits a slice of its length and no other."""
        part = slice(start, None)
        if len(self.model[part]) == len(elements):
            self.real[part] = elements
            self.model[part] = elements
        elif len(elements) != 1 or self.model[part]:
            with pytest.raises(ShapeError, match="cannot hold"):
                self.real[part] = elements

    @rule(size=st.integers(0, 12))
    def resize(self, size: int) -> None:
        """The first elements stay, new ones are zero."""
        assert self.real.resize_(size) is self.real
        self.model = (self.model + [0] * size)[:size]

    @rule()
    def copy(self) -> None:
        """A copy into a storage of another type and back loses nothing."""
        wide = IntStorage(len(self.model)).copy_(self.real)
        self.real = QInt8Storage(len(self.model)).copy_(wide)

    @invariant()
    def equal(self) -> None:
        """The storage reads like the list."""
        assert self.real.tolist() == self.model
        assert self.real.data_ptr() % 64 == 0


TestAgainstAList = AgainstAList.TestCase


def test_slices_have_step_one() -> None:
    """A strided slice cannot share flat memory, so it is refused when read."""
    with pytest.raises(ValueError, match="its step is 1, got 2"):
        QUInt8Storage(4)[::2]
    with pytest.raises(TypeError, match="the index is an integer or a slice, got 'a'"):
        QUInt8Storage(4)["a"]
    with pytest.raises(TypeError, match=r"got 1\.0 of type float"):
        QUInt8Storage(4)[1.0]


@given(filled())
def test_copies_are_independent(s: TypedStorage) -> None:
    """pickle, copy, deepcopy and clone give equal elements in other memory."""
    elements = s.tolist()
    for twin in (pickle.loads(pickle.dumps(s)), copy.copy(s), copy.deepcopy(s), s.clone()):
        assert type(twin) is type(s)
        assert twin.tolist() == elements
        assert twin != s
        assert twin.resizable()
        if len(s):
            twin.fill_(3)
            s.fill_(4)
            assert twin[0] == 3


def test_storages_over_one_memory_stay_together_in_a_copy() -> None:
    """A pickle or deepcopy of two storages that share memory keeps them sharing."""
    s = QUInt8Storage([1, 2])
    for first, second in (copy.deepcopy((s, s.untyped())), pickle.loads(pickle.dumps((s, s[:])))):
        first[0] = 9
        assert s[0] == 1
        assert isinstance(second, StorageBase)
    pair = copy.deepcopy((s, s.untyped()))
    pair[0][0] = 9
    assert pair[1][0] == 9


@given(filled(), st.sampled_from(TYPED))
def test_casts_keep_every_value_or_are_refused(s: TypedStorage, target: type[TypedStorage]) -> None:
    """A cast gives equal numbers in new memory, or an error that names the first lost one."""
    values = np.array(s.tolist(), object)
    kind = target.dtype.numpy.kind
    if kind in "iu":
        low, high = limits(target)
        fits = all(low <= v <= high for v in values)
    elif kind == "b":
        fits = all(v in (0, 1) for v in values)
    else:
        fits = kind == "c" or all(abs(v) < float(np.finfo(target.dtype.numpy).max) for v in values)
    if not fits:
        with pytest.raises(ValueError, match=f"{s._name} to {target.__name__}: element"):
            s.type(target)
        return
    got = s.type(target)
    assert type(got) is target
    assert not np.shares_memory(got, s)
    np.testing.assert_array_equal(got.tolist(), values.astype(target.dtype.numpy))


def test_cast_methods_name_their_class() -> None:
    """`.float()` and friends, on quantized storages too, where PyTorch has none."""
    s = QUInt8Storage([0, 1])
    names = ["bool", "byte", "char", "short", "int", "long", "half", "float", "double"]
    names += ["complex_float", "complex_double"]
    classes = [type(getattr(s, name)()).__name__ for name in names]
    assert classes == [
        "BoolStorage", "ByteStorage", "CharStorage", "ShortStorage", "IntStorage", "LongStorage",
        "HalfStorage", "FloatStorage", "DoubleStorage", "ComplexFloatStorage",
        "ComplexDoubleStorage",
    ]  # fmt: skip
    assert s.float().byte().tolist() == [0, 1]
    assert FloatStorage([1e30]).double().float().tolist() == FloatStorage([1e30]).tolist()


@pytest.mark.parametrize("value", [1.5, math.nan, math.inf, -1.0, 256.0, 2.0**70])
def test_casts_to_integers_do_not_cut(value: float) -> None:
    """What PyTorch turns into 1, 0 or 255 without a word is an error here."""
    with pytest.raises(
        ValueError, match=r"FloatStorage to ByteStorage: element 1: .*round or clamp"
    ):
        FloatStorage([1, value]).byte()


def test_int64_edge_of_float_casts() -> None:
    """2**63 is a float64 but no int64; the float just below is one."""
    below = math.nextafter(2.0**63, 0)
    assert storage.DoubleStorage([below, -(2.0**63)]).long().tolist() == [int(below), -(2**63)]
    with pytest.raises(ValueError, match="element 0"):
        storage.DoubleStorage([2.0**63]).long()
    with pytest.raises(ValueError, match="element 0"):
        LongStorage([2**63])


@pytest.mark.parametrize(
    "method", ["bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz", "float8_e4m3fnuz"]
)
def test_types_that_numpy_lacks_say_so(method: str) -> None:
    """The error names the types to use instead."""
    with pytest.raises(UnsupportedOpError, match=rf"FloatStorage.{method}: no .* use .half\(\)"):
        getattr(FloatStorage(1), method)()


@pytest.mark.parametrize("method", ["cuda", "hpu", "pin_memory"])
def test_devices_that_are_not_there_say_so(method: str) -> None:
    """There is one device, and asking for another is an error."""
    s = QUInt8Storage([1])
    with pytest.raises(UnsupportedOpError, match=f"QUInt8Storage.{method}: no"):
        getattr(s, method)()
    with pytest.raises(UnsupportedOpError, match="no device 'cuda'"):
        s.to(device="cuda")
    assert s.to(device="cpu") is s.cpu() is s
    assert (str(s.device), s.get_device(), s.is_cuda, s.is_hpu) == ("cpu", -1, False, False)
    assert not s.is_sparse
    assert not s.is_pinned()


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((-1,), ValueError, "the size is at least 0, got -1"),
        ((2**62,), MemoryError, "cannot allocate .* bytes; ask for fewer"),
        ((2**70,), MemoryError, "cannot allocate"),
        ((True,), TypeError, "the size is an integer, got True"),
        ((2.0,), TypeError, "takes nothing, a size, a sequence .* got float"),
        ((None,), TypeError, "got NoneType"),
        (("abc",), TypeError, "got str"),
        ((b"abc",), TypeError, "got bytes; .*from_buffer"),
        ((np.zeros(2),), TypeError, "got ndarray; .*from_buffer"),
        (([1], [2]), TypeError, "got list, list"),
    ],
)
def test_wrong_constructions_are_refused(
    arguments: tuple[object, ...], error: type[Exception], says: str
) -> None:
    """Nothing but no argument, a size, a sequence of numbers or wrap_storage=."""
    with pytest.raises(error, match=f"^LongStorage: .*{says}"):
        LongStorage(*arguments)


def test_the_four_constructions() -> None:
    """Empty, zeros, elements, and a view of an untyped storage."""
    assert QUInt8Storage().tolist() == QUInt8Storage(0).tolist() == []
    assert QUInt8Storage(np.int64(3)).tolist() == [0, 0, 0]
    assert QUInt8Storage(range(3)).tolist() == [0, 1, 2]
    untyped = UntypedStorage(range(9))
    wrapped = IntStorage(wrap_storage=untyped)
    assert len(wrapped) == 2  # the ninth byte is no element
    wrapped[0] = -1
    assert untyped[0] == 255
    assert wrapped.untyped().data_ptr() == untyped.data_ptr()
    with pytest.raises(TypeError, match=r"wrap_storage is one UntypedStorage .* got QUInt8Storage"):
        IntStorage(wrap_storage=QUInt8Storage(4))
    with pytest.raises(TypeError, match="nothing beside it"):
        IntStorage(1, wrap_storage=untyped)


def test_typed_storage_picks_the_class() -> None:
    """TypedStorage(dtype=) and storage_class name the same classes; the wrong dtype is refused."""
    for cls in TYPED:
        s = TypedStorage(2, dtype=cls.dtype)
        assert type(s) is cls is storage.storage_class(cls.dtype)
        assert (s.type(), s.pickle_storage_type()) == (f"qgrad.{cls.__name__}", cls.__name__)
    with pytest.raises(TypeError, match="TypedStorage: give dtype="):
        TypedStorage(2)
    with pytest.raises(
        TypeError, match=r"FloatStorage: holds qgrad.float32, not dtype=qgrad.quint8"
    ):
        FloatStorage(2, dtype=dtypes.quint8)
    with pytest.raises(DTypeError, match="no storage for dtype 'float32'"):
        storage.storage_class("float32")
    with pytest.raises(DTypeError, match="'Float' is no storage type"):
        QUInt8Storage(1).type("Float")


def test_resizing_is_seen_by_all_types_over_the_memory() -> None:
    """The untyped storage follows its typed one."""
    s = IntStorage([1, 2])
    untyped = s.untyped()
    s.resize_(3)
    assert untyped.nbytes() == 12
    untyped.resize_(4)
    assert s.tolist() == [1]


def test_copy_takes_storages_of_the_same_size() -> None:
    """Sequences and other sizes are refused, with the way out."""
    s = QUInt8Storage(2)
    assert s.copy_(FloatStorage([3, 4])) is s
    assert s.tolist() == [3, 4]
    with pytest.raises(ShapeError, match="cannot copy 3 elements into 2"):
        s.copy_(QUInt8Storage(3))
    with pytest.raises(TypeError, match=r"got list; use storage\[:\] = values"):
        s.copy_([1, 2])
    with pytest.raises(ValueError, match=r"element 1: 300\.0 cannot be stored"):
        s.copy_(FloatStorage([3, 300]))


def test_repr_shows_few_elements_and_the_size() -> None:
    """Small storages print as PyTorch's do, large ones in less than twenty lines."""
    assert repr(QUInt8Storage([1, 2])) == " 1\n 2\n[qgrad.QUInt8Storage of size 2]"
    long = repr(FloatStorage(1000)).splitlines()
    assert len(long) < 20
    assert long[-1] == "[qgrad.FloatStorage of size 1000]"


def test_equality_is_identity() -> None:
    """As in PyTorch: two storages with equal elements are two storages."""
    s = QUInt8Storage([1])
    assert s == s
    assert s != QUInt8Storage([1])
    assert len({s, s, QUInt8Storage([1])}) == 2
