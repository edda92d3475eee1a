"""Weights in files: both formats, whole or not at all, never a pickle."""

import io
import os
import pickle
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import DataError
from tinygrad_np.run.networks import MLP
from tinygrad_np.training import weights

ENDINGS = [".npz", ".safetensors"]
STATE: dict[str, Any] = {
    "layers.0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "file": np.array(3.5),
    "scalar": np.float32(2),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "backwards": np.arange(5)[::-1],
    "empty": np.zeros((0, 4)),
    "flags": np.array([True, False]),
    "steps": 7,
    "tensor": tg.Tensor(np.array([1.0, 2.0]), requires_grad=True),
    "arr_0": np.zeros(1, np.float16),
    "ärmel/../x": np.ones(2, np.uint8),
}


def plain(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, tg.Tensor) else np.asarray(value)


@pytest.fixture(params=ENDINGS)
def ending(request: pytest.FixtureRequest) -> str:
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return str(request.param)


def test_round_trip(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "new folder" / f"weights{ending}"
    assert tg.save(path, STATE) == path
    found = tg.load(str(path))
    assert set(found) == set(STATE)
    for name, value in STATE.items():
        np.testing.assert_array_equal(found[name], plain(value))
        assert (found[name].dtype, found[name].shape) == (plain(value).dtype, plain(value).shape)
        assert found[name].flags.writeable
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_model_through_a_file(tmp_path: Path, ending: str) -> None:
    model, other = MLP((4, 5, 3), seed=0), MLP((4, 5, 3), seed=1)
    other.load_state_dict(tg.load(tg.save(tmp_path / f"w{ending}", model.state_dict())))
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_equal_states_give_equal_bytes(tmp_path: Path, ending: str) -> None:
    paths = [tg.save(tmp_path / f"{i}{ending}", STATE) for i in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_numpy_reads_ours_and_we_read_numpys(tmp_path: Path) -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3)
    with np.load(tg.save(tmp_path / "ours.npz", {"a": a, "b": b})) as archive:
        np.testing.assert_array_equal(archive["a"], a)
        np.testing.assert_array_equal(archive["b"], b)
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "theirs.npz", a=a, b=b)
        found = tg.load(tmp_path / "theirs.npz")
        np.testing.assert_array_equal(found["a"], a)
        np.testing.assert_array_equal(found["b"], b)


def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tg.save(tmp_path / f"w{ending}", {"a": np.zeros(3)})
    old = path.read_bytes()

    def full(descriptor: int) -> None:
        del descriptor
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        tg.save(path, {"a": np.ones(3)})
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_that_cannot_be_saved_leaves_the_old_file(tmp_path: Path, ending: str) -> None:
    path = tg.save(tmp_path / f"w{ending}", {"a": np.zeros(3)})
    old = path.read_bytes()
    for value, dtype in ((object(), "object"), ("text", "<U4"), (None, "object")):
        with pytest.raises(DataError, match=f"entry 'b' has dtype {dtype}; only numbers"):
            tg.save(path, {"a": np.ones(3), "b": value})
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_safetensors_refuses_what_the_format_does_not_have(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    with pytest.raises(DataError, match="cannot be saved as safetensors"):
        tg.save(tmp_path / "w.safetensors", {"a": np.ones(2, np.complex128)})
    with pytest.raises(DataError, match="keeps the name __metadata__ for itself; save"):
        tg.save(tmp_path / "w.safetensors", {"__metadata__": np.ones(2)})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file: cannot be made \("):
        tg.save(tmp_path / "file" / "w.npz", {"a": np.ones(1)})


class Trap:
    """Unpickling it would leave a trace."""

    sprung = False

    def __reduce__(self) -> Any:
        return (setattr, (Trap, "sprung", True))


def test_no_pickle_is_ever_opened(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"w{ending}"
    np.savez(tmp_path / "pickled.npz", a=np.array([Trap()], dtype=object))
    for content in (
        pickle.dumps(Trap()),
        (tmp_path / "pickled.npz").read_bytes(),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match="not a readable file of weights"):
            tg.load(path)
    assert not Trap.sprung


def npz(header: bytes, body: bytes = b"", packed: int = zipfile.ZIP_STORED) -> bytes:
    """An archive with one member of a crafted header."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packed) as archive:
        head = header + b" " * (-(10 + len(header)) % 64) + b"\n"
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + body)
    return file.getvalue()


def zeros(shape: str, descr: str = "'<f4'") -> bytes:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()


DAMAGED = [
    (b"", "File is not a zip file"),
    (b"PK\x03\x04 and no more", "File is not a zip file"),
    (npz(zeros("(2,)"), b"\0" * 7), r"a\.npy has 7 bytes for shape \(2,\) of float32"),
    (npz(zeros("(2,)"), b"\0" * 9), "has 9 bytes for shape"),
    (npz(zeros("(1000000000000,)"), b"\0" * 8), "has 8 bytes for shape"),
    (npz(zeros("(-2,)"), b"\0" * 8), "header that does not describe an array of numbers"),
    (npz(zeros("(1,)", "'|O'"), b"\0" * 8), "has objects where numbers are needed"),
    (npz(zeros("(2,)", "'<U3'"), b"\0" * 24), "has words where numbers are needed; for words as"),
    (
        npz(zeros("(1,)", "[('x', '<f4')]"), b"\0" * 4),
        "header that does not describe an array of numbers",
    ),
    (npz(b"{'shape': (2,)}"), "header that does not describe an array of numbers"),
    (npz(b"__import__('os').getcwd()"), "header that does not describe an array of numbers"),
]


@pytest.mark.parametrize(("content", "message"), DAMAGED, ids=[message for _, message in DAMAGED])
def test_damaged_npz(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "w.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        tg.load(path)


def test_an_archive_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    path.write_bytes(npz(zeros("(50000000,)"), b"\0" * 200000000, zipfile.ZIP_DEFLATED))
    with pytest.raises(DataError, match="would unpack from"):
        tg.load(path)


def test_every_truncation_and_a_flipped_bit(tmp_path: Path, ending: str) -> None:
    path = tg.save(tmp_path / f"w{ending}", {"a": np.arange(4.0), "b": np.arange(3)})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            tg.load(path)
    if ending == ".npz":  # has a checksum
        at = whole.index(np.arange(4.0).tobytes()) + 9
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(DataError, match="Bad CRC-32"):
            tg.load(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_missing_file_and_folder(tmp_path: Path, ending: str) -> None:
    with pytest.raises(DataError, match=rf"w\{ending}: there is no such file"):
        tg.load(tmp_path / f"w{ending}")
    (tmp_path / f"d{ending}").mkdir()
    with pytest.raises(DataError, match="is no file but a folder; it has no weights"):
        tg.load(tmp_path / f"d{ending}")


def test_without_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"\0" * 16)
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    for call in (weights.load, lambda path: weights.save(path, {"a": np.ones(1)})):
        with pytest.raises(ImportError, match="pip install safetensors"):
            call(tmp_path / "w.safetensors")
    assert (tmp_path / "w.safetensors").read_bytes() == b"\0" * 16


def test_what_a_killed_save_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    def left(name: str, age: float) -> Path:
        path = tmp_path / f".{name}.{'0a' * 8}.part"
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
        return path

    kept = [left("w.npz.old", 1e6), tmp_path / "w.npz"]
    for age in (4000, 10):
        part = left("w.npz", age)
        tg.save(tmp_path / "w.npz", {"a": np.ones(2)})
        assert part.exists() == (age == 10)  # another process may be writing it
    assert set(tmp_path.iterdir()) == {*kept, part}
