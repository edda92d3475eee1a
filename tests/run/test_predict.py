"""From data of one's own to guesses: ``train --data``, the weights it writes, ``predict``."""

import contextlib
import csv
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import __main__ as door
from tinygrad_np import draw
from tinygrad_np.data.sources import Source, natural
from tinygrad_np.errors import DataWarning
from tinygrad_np.run import description, predict
from tinygrad_np.run.recipes import RECIPES
from tinygrad_np.training import weights

TRAIN, (XT, YT) = tg.data.mnist()
X, Y = TRAIN[0][:900], TRAIN[1][:900]


@pytest.fixture(scope="module", autouse=True)
def plain() -> Iterator[None]:
    """The pictures of a run are stand-ins: tests/draw looks at them."""
    figure = pytest.importorskip("matplotlib.figure")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("curves", "confusion", "embedding", "predictions", "hardest", "reliability",
                     "weights", "saliency", "histograms"):  # fmt: skip
            patch.setattr(draw, name, lambda *_, **__: figure.Figure((1, 1)))
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("own")
    np.savez(place / "own.npz", x_train=X, y_train=Y, x_test=XT[:200], y_test=YT[:200])
    words = ["train", "--data", place / "own.npz", "--sizes", "48,32", "--lr", "0.01",
             "--batch", 32, "--epochs", 6, "--quiet", "--out", place / "runs"]  # fmt: skip
    assert door.main(list(map(str, words))) == 0
    return place / "runs" / "default-own-seed0"


def test_weights_carry_what_makes_their_network_again(trained: Path, tmp_path: Path) -> None:
    model, described = description.rebuilt(trained / "weights.npz")
    assert described.sizes == (784, 48, 32, 10) and described.shape == (28, 28) and described.cut
    page = (trained / "report.html").read_text()
    assert "--sizes 48,32" in page and "--lr 0.01" in page and "--batch 32" in page
    state = tg.load(trained / "weights.npz")
    assert list(state) == list(model.state_dict())
    with np.load(trained / "weights.npz") as plain:
        assert sorted(plain.files) == sorted(state)
    words = weights.metadata(trained / "weights.npz")
    pytest.importorskip("safetensors")
    weights.save(tmp_path / "w.safetensors", state, words)
    again, same = description.rebuilt(tmp_path / "w.safetensors")
    assert same == described
    x = tg.data.normalise(XT[:50]).reshape(50, -1)
    np.testing.assert_array_equal(tg.training.predict(again, x), tg.training.predict(model, x))


CHANGED: list[tuple[Any, str]] = [
    ({"sizes": [784, 10]}, "arrays for"), ({"sizes": [784, -1, 10]}, "the size -1"),
    ({"sizes": [784, 10**9, 10]}, "sizes"), ({"activation": "__import__"}, "'__import__'"),
    ({"shape": [9, 9]}, "pictures of 9×9 pixels for 784 inputs"), ({"names": ["a"]}, "1 names"),
    ({"network": "cnn"}, "arrays for"), ({"norm": "other"}, "norm 'other'"),
    ({"mean": []}, "float"), ({"network": "cnn", "sizes": [16, 10], "shape": [4, 4]}, "sizes"),
]  # fmt: skip


def test_a_description_of_other_weights_is_refused(trained: Path, tmp_path: Path) -> None:
    state = tg.load(trained / "weights.npz")
    text = json.loads(weights.metadata(trained / "weights.npz")[description.KEY])
    for change, message in CHANGED:
        words = {description.KEY: json.dumps({**text, **change})}
        weights.save(tmp_path / "w.npz", state, words)
        with pytest.raises(tg.DataError, match=f"not of these weights .*{message}.*train it again"):
            description.rebuilt(tmp_path / "w.npz")
    weights.save(tmp_path / "bare.npz", state)
    with pytest.raises(tg.DataError, match="found weights without a description of their network"):
        description.rebuilt(tmp_path / "bare.npz")


@pytest.mark.parametrize("shape", [(5, 5), (6, 9)])
def test_rows_of_a_table_are_pictures_of_the_networks_size(
    shape: tuple[int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as are smaller than 8×8, or not square."""
    labels = np.arange(60) % 3
    x = np.zeros((60, *shape), np.uint8)
    x[np.arange(60), labels] = 200  # a bright row
    np.savez(tmp_path / "small.npz", x_train=x, y_train=labels, x_test=x[:9], y_test=labels[:9])
    words = ["train", "--data", tmp_path / "small.npz", "--sizes", "8", "--lr", "0.03", "--batch",
             10, "--epochs", 4, "--quiet", "--out", tmp_path / "runs"]  # fmt: skip
    assert door.main(list(map(str, words))) == 0
    rows = x[:6].reshape(6, -1)
    np.savetxt(tmp_path / "bare.csv", rows, "%d", ",")
    names = ",".join(["label", *(f"p{i}" for i in range(rows.shape[1]))])
    table = np.column_stack([labels[:6], rows])
    np.savetxt(tmp_path / "named.csv", table, "%d", ",", header=names, comments="")
    np.savetxt(tmp_path / "first.csv", table, "%d", ",")
    capsys.readouterr()
    for name in ("bare.csv", "named.csv", "first.csv"):
        answers = tmp_path / f"s_{name}"
        run = str(tmp_path / "runs" / "default-small-seed0")
        assert door.main(["predict", run, str(tmp_path / name), "--csv", str(answers)]) == 0
        guess = [int(line.split(",")[1]) for line in answers.read_text().splitlines()[1:]]
        assert guess == labels[:6].tolist(), capsys.readouterr()
    np.savetxt(tmp_path / "other.csv", np.pad(rows, ((0, 0), (0, 2))), "%d", ",")
    assert door.main(["predict", run, str(tmp_path / "other.csv")]) == 2
    assert "expected" in capsys.readouterr().err


def test_guesses_of_tables_files_and_photos(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    rows, names = XT[:12].reshape(12, -1), ",".join(f"pixel{i}" for i in range(784))
    np.savetxt(tmp_path / "test.csv", rows, "%d", ",", header=names, comments="")
    tg.data.save_idx(tmp_path / "x", XT[:12])
    photo = 255 - np.pad(np.kron(XT[0], np.ones((7, 7), np.uint8)), 40)
    image.fromarray(photo).save(tmp_path / "seven.png")
    files = [tmp_path / "test.csv", tmp_path / "x", tmp_path / "seven.png"]
    words = [trained, *files, "--csv", tmp_path / "s.csv", "--show", "--out", tmp_path / "seen"]
    assert door.main(["predict", *map(str, words)]) == 2  # names of files beside rows without any
    told = capsys.readouterr().err
    assert "test.csv: found pictures without names, beside those of" in told
    assert told.count("\n") == 1 and not (tmp_path / "s.csv").exists()
    words.remove(files[2])
    assert door.main(["predict", *map(str, words)]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].split() == ["picture", "guess", "sure", "second", "guess"]
    head, *lines = (tmp_path / "s.csv").read_text().splitlines()
    assert head == "ImageId,Label" and len(lines) == 24
    assert [line.split(",")[0] for line in lines] == [str(i) for i in range(1, 25)]
    guess = np.array([int(line.split(",")[1]) for line in lines])
    np.testing.assert_array_equal(guess[:12], guess[12:24])
    assert (guess[:12] == YT[:12]).mean() > 0.75
    assert sorted(p.name for p in (tmp_path / "seen").iterdir()) == ["test.png", "x.png"]
    assert door.main(["predict", str(trained), str(tmp_path / "seven.png")]) == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split()[1] == "7" and row.endswith("%)")


@pytest.mark.slow
def test_classes_with_names_and_pictures_of_another_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for i in range(60):
        picture = rng.integers(0, 60, (12, 10)).astype(np.uint8)
        picture[:, :4] += np.uint8(150 * (i % 2))
        place = tmp_path / "data" / ("left", "none")[1 - i % 2]
        place.mkdir(parents=True, exist_ok=True)
        image.fromarray(picture).save(place / f"{i}.png")
    data, runs = str(tmp_path / "data"), str(tmp_path / "runs")
    words = ["train", "--data", data, "--sizes", "8", "--batch", "99", "--quiet", "--out", runs]
    assert door.main([*words, "--lr", "0.3"]) == 0
    out, err = capsys.readouterr()
    assert "100-8-2" not in out.replace("120-8-2", "ok")
    assert "--batch 99: there are 44 training images, one step an epoch.\n" in err
    weights_at = str(tmp_path / "runs" / "default-data-seed0" / "weights.npz")
    assert door.main(["predict", weights_at, data, f"{data}/left/1.png"]) == 0
    printed = capsys.readouterr().out
    assert f"{data}: 100.00 % of 60 as labelled" in printed and "left" in printed
    np.savez(tmp_path / "other.npz", x=X[:9])
    assert door.main(["predict", weights_at, str(tmp_path / "other.npz")]) == 2
    assert (
        "found pictures of 28×28 pixels, expected 12×10 as in training" in capsys.readouterr().err
    )


def test_what_is_no_picture_or_none(trained: Path, tmp_path: Path) -> None:
    """Files without pictures, cut off, too large: one sentence, and nothing is written."""
    file = tmp_path / "f.png"
    pytest.importorskip("PIL.Image").new("L", (40, 40), 255).save(file)
    whole = file.read_bytes()
    header = struct.pack(">4I", 0x803, 0, 28, 28)
    claims = whole[:16] + struct.pack(">2I", 20_000, 12_000) + whole[24:29]
    claims += struct.pack(">I", zlib.crc32(claims[12:])) + whole[33:]
    cases = [
        (b"", "found no data set, expected an IDX"),
        (whole, "found no ink on 40×40 pixels"),
        (whole[:60], "not a readable picture"),
        (claims, "found a picture of more than 134,217,728 pixels; make it smaller"),
        (header, "found no picture, expected at least one"),
    ]
    for content, message in cases:
        file.write_bytes(content)
        done = io.StringIO()
        with contextlib.redirect_stderr(done):
            words = ["predict", str(trained / "weights.npz"), str(file), "--csv"]
            assert door.main([*words, str(tmp_path / "out.csv")]) == 2
        assert message in done.getvalue()
        assert done.getvalue().count("\n") == 1
    assert [place.name for place in tmp_path.iterdir()] == ["f.png"]


def test_a_submission_has_the_ids_and_the_labels_of_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of networks that are not trained: what is looked at is what classes and rows are called."""
    for labels, options in ((np.arange(1, 27), {"classes": 26}), (np.arange(1, 11), {}),
                            (np.array([0, 255]), {})):  # fmt: skip
        y = np.tile(labels, 40)
        np.savez(tmp_path / "own.npz", x=np.resize(X, (len(y), 8, 8)), y=y)
        with pytest.warns(DataWarning, match="became 0 to"):
            dataset = tg.data.load(tmp_path / "own.npz", **options)
        recipe = RECIPES["default"].fitted(dataset, [8])
        words = description.describe(recipe, dataset, recipe.parts(dataset))
        model = description.MLP(recipe.sizes, recipe.activation, norm=recipe.norm, seed=0)
        weights.save(tmp_path / "w.npz", model.state_dict(), words)
        rows = np.column_stack([28001 + np.arange(len(y)), np.resize(X, (len(y), 64))])
        for name in ("ImageId", "id"):
            head = ",".join([name, *(f"pixel{i}" for i in range(64))])
            np.savetxt(tmp_path / "test.csv", rows, "%d", ",", header=head, comments="")
            files = [tmp_path / "w.npz", tmp_path / "test.csv", "--csv", tmp_path / "s.csv"]
            assert door.main(["predict", *map(str, files)]) == 0
            first, *lines = (tmp_path / "s.csv").read_text().splitlines()
            found = np.array([line.split(",") for line in lines], int)
            assert first == f"{name},Label" and (found[:, 0] == rows[:, 0]).all()
            assert set(found[:, 1]) <= set(y)
        right = f"own.npz: {100 * (found[:, 1] == y).mean():.2f} % of {len(y):,} as labelled"
        capsys.readouterr()
        assert door.main(["predict", str(tmp_path / "w.npz"), str(tmp_path / "own.npz")]) == 0
        assert capsys.readouterr().out.endswith(f"{right}\n")


FOLDERS: list[tuple[list[str], list[str]]] = [
    (["10.png", "2.png", "1.jpg"], ["1", "2", "10"]),
    (["b10.png", "b2.png", "7.png"], ["7.png", "b2.png", "b10.png"]),
    (["1.png", "1.jpg"], ["1.jpg", "1.png"]),
    (["cat/1.png", "dog/1.png"], ["cat/1.png", "dog/1.png"]),
]


def test_pictures_are_called_as_their_files(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pytest.importorskip("PIL.Image")
    photo = 255 - np.pad(np.kron(XT[0], np.ones((3, 3), np.uint8)), 30)

    def guessed(*places: Path) -> list[str]:
        words = [trained, *places, "--csv", tmp_path / "s.csv"]
        assert door.main(["predict", *map(str, words)]) == 0
        head, *rows = csv.reader((tmp_path / "s.csv").read_text().splitlines())
        assert head == ["ImageId", "Label"]
        return [row[0] for row in rows]

    for number, (names, ids) in enumerate(FOLDERS):
        home = tmp_path / str(number)
        for name in names:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            image.fromarray(photo if "/" not in name else XT[0]).save(home / name)
        assert guessed(home) == ids
        shown = [row.split("  ")[0] for row in capsys.readouterr().out.splitlines()[1:]]
        whole = sorted(names, key=lambda name: natural(name)[0])
        assert shown[: len(ids)] == [str(home / name) for name in whole]
    assert guessed(home.parent / "0" / "2.png", home.parent / "0" / "1.jpg") == ["2", "1"]
    both = [tmp_path / "0", tmp_path / "2"]
    assert guessed(*both) == [
        str(p / n)
        for p, n in zip(
            [both[0]] * 3 + [both[1]] * 2,
            ["1.jpg", "2.png", "10.png", "1.jpg", "1.png"],
            strict=True,
        )
    ]
    image.fromarray(np.hstack([photo, photo])).save(tmp_path / "0" / "1.jpg")
    assert guessed(tmp_path / "0") == ["1.jpg, 1", "1.jpg, 2", "2.png", "10.png"]
    assert f"{tmp_path / '0' / '1.jpg'}, 2  " in capsys.readouterr().out
    for weights_again in (trained, trained / "weights.npz"):
        assert door.main(["predict", str(trained), str(weights_again)]) == 2
        assert f"{weights_again}: these are weights; WEIGHTS comes" in capsys.readouterr().err


def test_messages_name_the_options_of_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "label=1"  # a path is left as it is
    place.mkdir()
    np.savez(place / "gap.npz", x=X[:70], y=np.where(Y[:70], Y[:70], 200))
    np.savez(place / "ids.npz", x=X[:70], labels=np.arange(70) * 3)
    np.savez(place / "plain.npz", x=X[:70], y=Y[:70])
    for file, options, told in (
        ("gap.npz", [], "or give --classes 201"),
        ("ids.npz", [], "name the column of labels with --label, or leave these out"),
        ("plain.npz", ["--side", "32"], "found --side 32 and pictures of 28×28, expected a folder"),
    ):
        words = ["train", "--data", str(place / file), "--out", str(tmp_path / "runs"), *options]
        assert door.main(words) == 2
        message = capsys.readouterr().err
        assert told in message and str(place / file) in message
        assert not [word for word in ("classes=", "size=", " label=") if word in message]


def test_predict_says_what_the_file_may_say(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "odd.csv"
    np.savetxt(file, np.arange(160).reshape(2, 80), "%d", delimiter=",")
    assert door.main(["predict", str(trained), str(file)]) == 2
    message = capsys.readouterr().err
    assert "; call the column of labels 'label' in a header" in message
    assert "label=" not in message


def test_bad_input_of_train_and_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "bare.npz", x=X[:9])
    none = str(tmp_path / "none")
    cases: list[tuple[list[str], str]] = [
        (["predict", none, none], "none: cannot be read (No such file"),
        (["predict"], "required: WEIGHTS, FILE"),
        (["train", "--data", "https://a.b/c.csv"], "this is an address: download it first"),
        (["train", "--data", str(tmp_path / "bare.npz")], "found no labels, expected one for each"),
        (["train", "--sizes", "12,x"], "--sizes: '12,x', expected the widths of hidden layers"),
        (["train", "--lr", "0"], "--lr 0.0: a number above 0 is needed"),
        (["train", "--batch", "0"], "--batch 0: at least 1 is needed"),
        (["train", "--recipe", "all", "--lr", "1"], "leave out --lr"),
        (["train", "--recipe", "cnn", "--sizes", "9"], "--sizes are for linear layers"),
    ]
    for words, message in cases:
        assert door.main([*words, "--out", str(tmp_path / "runs")]) == 2, words
        [line] = capsys.readouterr().err.splitlines()
        assert message in line, line
    assert not (tmp_path / "runs").exists()


def test_shares_are_probabilities() -> None:
    def made(*labels: Any) -> predict.Guesses:
        source = Source(X[:2], np.array(labels))
        return predict.Guesses("a", source, np.array([[0.7, 0.3], [0.2, 0.8]]))

    found = made("no", "no")
    text = predict.table([found], ("no", "yes"))
    assert "a, 1     no     70.0 %  yes (30.0 %)" in text and "a: 50.00 % of 2 as labelled" in text
    for labels, told in [
        (("yes", "cat"), "a: 0.00 % of 1 as labelled; labels such as 'cat' are none of"),
        (("cat", "dog"), "a: labels such as 'cat', 'dog' are none of the network's"),
        ((10, 0), "a: labels such as '0', '10' are none of the network's"),
    ]:
        assert told in predict.table([made(*labels)], ("no", "yes"))
    assert predict.submission([found], ("no", "yes")) == b"ImageId,Label\n1,no\n2,yes\n"
