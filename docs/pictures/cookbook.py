"""Draw the pictures of the cookbook: runs each recipe of its pages and draws what it found.

    python docs/pictures/cookbook.py [WORD …]    (of the recipes' names; all without)

A picture is called ``cookbook_NAME.png`` and stands beside this file.
"""

import contextlib
import io
import os
import re
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import tinygrad_np as tg

HERE = Path(__file__).resolve().parent
RECIPE = re.compile(
    r"^## [^\n]+\n(?:(?!^## ).)*?"
    r"```python\n((?:(?!```).)*)```\n\n!\[[^\]]*\]\(pictures/cookbook_(\w+)\.png\)",
    re.DOTALL | re.MULTILINE,
)
Names = dict[str, Any]


def recipes() -> dict[str, str]:
    """The programs of the pages, by the names of their pictures."""
    pages = [path.read_text("utf-8") for path in sorted(HERE.parent.glob("cookbook*.md"))]
    return {name: code for page in pages for code, name in RECIPE.findall(page)}


def names_of(code: str) -> Names:
    """What a program binds, run in an empty folder."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        file = Path(folder, "recipe.py")
        file.write_text(code, encoding="utf-8")
        os.chdir(folder)
        try:
            return runpy.run_path(str(file))
        finally:
            os.chdir(before)


def axes(count: int = 1, width: float = 5.0, height: float = 3.0) -> Any:
    _, found = plt.subplots(1, count, figsize=(width, height), layout="constrained")
    for each in np.atleast_1d(found):
        each.spines[["top", "right"]].set_visible(False)
    return found


def losses(curves: dict[str, Any]) -> None:
    at = axes()
    for name, history in curves.items():
        at.plot(range(1, len(history) + 1), [epoch.train_loss for epoch in history], label=name)
    at.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    at.legend(frameon=False)


def tiles(at: Any, pictures: Any, columns: int, title: str = "") -> None:
    rows = np.asarray(pictures).reshape(-1, columns, 28, 28)
    sheet = np.vstack([np.hstack(list(row)) for row in rows])
    at.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    at.set_axis_off()
    at.set_title(title, fontsize=10)


def regression(n: Names) -> None:
    at = axes()
    x = np.linspace(-3, 3, 300, dtype=np.float32)[:, None]
    at.plot(n["x"], n["y"], ".", color="0.7", label="readings")
    at.plot(x, tg.training.predict(n["model"], x), color="C3", label="network")
    at.set(xlabel="x", ylabel="y")
    at.legend(frameon=False)


def moons(n: Names) -> None:
    at = axes(height=3.4)
    sides = n["sides"]
    at.contourf(
        sides[..., 0], sides[..., 1], n["margin"], [-99, 0, 99], colors=["#cfe0f3", "#fbdcc4"]
    )
    for label, colour in enumerate(("C0", "C1")):
        at.plot(*n["x"][n["y"] == label].T, ".", color=colour, label=f"class {label}")
    at.legend(frameon=False, loc="lower left")
    at.set_aspect("equal")


def residual(n: Names) -> None:
    losses({"with the sum": n["histories"][True], "without": n["histories"][False]})


def autoencoder(n: Names) -> None:
    at = axes(width=6, height=1.6)
    tiles(at, np.concatenate([n["x_test"][:12], n["back"][:12]]), 12)


def vae(n: Names) -> None:
    _, (left, right) = plt.subplots(2, 1, figsize=(5, 8.4), layout="constrained")
    shown = left.scatter(*n["hidden"].T, c=n["test_labels"][:500], cmap="tab10", s=8)
    left.legend(*shown.legend_elements(), ncol=2, fontsize=9, loc="best")
    left.set_title("hidden numbers of test digits", fontsize=12)
    (x0, y0), (x1, y1) = np.quantile(n["hidden"], [0.04, 0.96], axis=0)
    grid = np.stack(np.meshgrid(np.linspace(x0, x1, 7), np.linspace(y1, y0, 7)), axis=-1)
    with tg.no_grad():
        logits = n["decoder"](grid.reshape(-1, 2).astype(np.float32)).numpy()
    tiles(right, 1 / (1 + np.exp(-logits)), 7)
    right.set_title("digits made from a grid of them", fontsize=12)


def gan(n: Names) -> None:
    at = axes(width=3.6, height=3.4)
    at.plot(*n["points"].T, ".", ms=3, label="made")
    at.plot(*n["ring"].T, ".", ms=5, label="real")
    at.set_aspect("equal")
    at.legend(loc="center", framealpha=1)


def lstm(n: Names) -> None:
    at = axes()
    right = n["guesses"] == n["held_out"][:, 1:]
    at.plot(range(1, right.shape[1] + 1), 100 * right.mean(axis=0))
    at.set(
        xlabel="letters read before", ylabel="right, %", ylim=(0, 100), xticks=[1, 5, 10, 15, 20]
    )


def transformer(n: Names) -> None:
    at = axes(width=3.6, height=3.2)
    with tg.no_grad():
        weights = n["model"].look(n["test"])[2].numpy().mean(axis=0)
    shown = at.imshow(weights, cmap="Blues", vmin=0)
    at.figure.colorbar(shown, label="weight")
    at.set(xlabel="place that is looked at", ylabel="place that looks")


def words(n: Names) -> None:
    at = axes()
    vectors = n["vectors"] - n["vectors"].mean(axis=0)
    places = vectors @ np.linalg.svd(vectors, full_matrices=False).Vh[:2].T
    at.set(xlim=(-1.4, 1.4), ylim=(-1.2, 1.2), xlabel="component 1", ylabel="component 2")
    for kind in range(3):
        own = places[n["kind"] == kind]
        at.plot(*own.T, ".", color=f"C{kind}")
        middle = own.mean(axis=0)
        text = " ".join(n["words"][6 * kind : 6 * kind + 3]) + "\n"
        text += " ".join(n["words"][6 * kind + 3 : 6 * kind + 6])
        far = middle + 0.35 * np.sign(-middle[1] or 1) * np.array([0, 1])
        at.text(*far, text, color=f"C{kind}", ha="center", va="center", fontsize=9)


def maml(n: Names) -> None:
    at = axes()
    spread = np.sort(n["test"][0][..., 0])
    number = np.diff(spread, axis=1).min(axis=1).argmax()  # the task whose readings lie apart
    x, y = (part[number] for part in n["test"][:2])
    task = [part[number : number + 1] for part in n["test"]]
    line = np.linspace(-3, 3, 200)[:, None]
    p = {name: value.numpy() for name, value in n["p"].items()}
    slopes = tg.grad(n["error"])(p, x, y)
    stepped = {name: p[name] - 0.1 * slopes[name] for name in p}
    height = np.linalg.lstsq(
        np.hstack([f(np.vstack([task[0][0], task[2][0]])) for f in (np.sin, np.cos)]),
        np.vstack([task[1][0], task[3][0]]),
    )[0]
    at.plot(line, np.hstack([np.sin(line), np.cos(line)]) @ height, "0.7", label="the new sine")
    at.plot(x, y, "ko", ms=4, label="five readings")
    at.plot(line, n["network"](p, line), "C0--", label="before the step")
    at.plot(line, n["network"](stepped, line), "C3", label="after one step")
    at.legend(frameon=False, fontsize=8)
    at.set(xlabel="x", ylabel="y")


def physics(n: Names) -> None:
    at = axes()
    at.plot(n["t"], n["solved"].y[0], "0.75", lw=5, label="SciPy")
    at.plot(n["t"], n["network"](n["found"].x, n["t"]), "C3--", label="network")
    at.set(xlabel="time", ylabel="angle")
    at.legend(frameon=False)


def circle(n: Names) -> None:
    at = axes(width=3.6, height=3.4)
    angle = np.linspace(0, 2 * np.pi, 200)
    x, y, radius = n["p"]
    at.plot(*n["points"].T, "k.", label="points")
    at.plot(x + radius * np.cos(angle), y + radius * np.sin(angle), "C3", label="circle")
    at.set_aspect("equal")
    at.legend(frameon=False, loc="center")


def logistic(n: Names) -> None:
    at = axes(width=3.6, height=3.0)
    weights = n["found"].x[:196].reshape(14, 14)
    most = np.abs(weights).max()
    shown = at.imshow(weights, cmap="RdBu_r", vmin=-most, vmax=most)
    at.figure.colorbar(shown, label="weight")
    at.set_axis_off()


def kepler(n: Names) -> None:
    at = axes()
    at.plot(n["time"], n["seen"], "k.", label="readings")
    at.plot(n["time"], n["distance"](n["p"]), "C3", label="orbit found")
    at.set(xlabel="time (mean anomaly)", ylabel="distance")
    at.legend(frameon=False)


def optimiser(n: Names) -> None:
    losses(n["histories"])


def callback(n: Names) -> None:
    at = axes(width=5, height=2.6)
    last, mean = n["averaged"].last["weight"], n["averaged"].mean["weight"]
    places = np.arange(10)
    at.bar(places - 0.2, last[1] - last[0], 0.4, label="last", color="0.7")
    at.bar(places + 0.2, mean[1] - mean[0], 0.4, label="mean", color="C3")
    at.set(xlabel="feature (the first five matter, all alike)", ylabel="weight")
    at.set_xticks(places)
    at.legend(frameon=False)


def transfer(n: Names) -> None:
    at = axes(width=5, height=1.8)
    names, shares = list(n["accuracies"]), [100 * a for a in n["accuracies"].values()]
    at.barh(names, shares, color=["C3", "0.7"])
    at.bar_label(at.containers[0], fmt="%.0f %%", padding=3)
    at.set(xlabel="test accuracy, %", xlim=(50, 100))


def process(n: Names) -> None:
    at = axes()
    x, y, (length, amplitude, noise) = n["x"], n["y"], np.exp(n["p"])
    line = np.linspace(-0.3, 6.3, 200)
    cross = amplitude**2 * np.exp(-((line[:, None] - x) ** 2) / (2 * length**2))
    solved = np.linalg.solve(n["covariance"](n["p"]), np.column_stack([y, cross.T]))
    mean = cross @ solved[:, 0]
    spread = 2 * np.sqrt(amplitude**2 - np.sum(cross.T * solved[:, 1:], axis=0) + noise**2)
    at.fill_between(line, mean - spread, mean + spread, color="C0", alpha=0.2, lw=0)
    at.plot(line, mean, "C0", label="mean, and two standard deviations")
    at.plot(x, y, "k.", label="readings")
    at.legend(frameon=False, fontsize=8)
    at.set(xlabel="x", ylabel="y")


def curve(n: Names) -> None:
    at = axes()
    line = np.linspace(0, 10, 300)
    size, decay, frequency = n["fit"].x
    at.plot(n["t"], n["readings"], "k.", label="readings")
    at.plot(line, size * np.exp(-decay * line) * np.cos(frequency * line), "C3", label="fit")
    at.set(xlabel="time", ylabel="reading")
    at.legend(frameon=False)


def kalman(n: Names) -> None:
    wander, noise = np.exp(n["p"])
    state, covariance, seen = np.zeros(2), 10.0 * np.eye(2), []
    for reading in n["readings"]:
        state = n["F"] @ state
        covariance = n["F"] @ covariance @ n["F"].T + wander * np.diag([0.0, 1.0])
        gain = covariance[:, 0] / (covariance[0, 0] + noise)
        state = state + gain * (reading - state[0])
        covariance = covariance - np.outer(gain, covariance[0])
        seen.append((state[0], np.sqrt(covariance[0, 0])))
    mean, spread = np.array(seen).T
    at, steps = axes(), np.arange(len(mean))
    at.fill_between(steps, mean - 2 * spread, mean + 2 * spread, color="C0", alpha=0.2, lw=0)
    at.plot(steps, mean, "C0", label="filtered, two standard deviations")
    at.plot(steps, n["levels"], "0.5", ls="--", label="level")
    at.plot(steps, n["readings"], "k.", label="readings")
    at.set(xlabel="step")
    at.legend(frameon=False, fontsize=8)


def filter(n: Names) -> None:
    at = axes()
    start = 0.3 * np.sinc(0.3 * np.arange(-15, 1))
    for half, name, style in ((start, "cut off", "0.7"), (n["half"], "designed", "C3")):
        decibels = 20 * np.log10(np.maximum(n["response"](half), 1e-6))
        at.plot(n["frequency"], decibels, style, label=name)
    at.axvspan(0.12, 0.18, color="0.93", lw=0)
    at.set(xlabel="cycles per sample", ylabel="response, dB", ylim=(-80, 5))
    at.legend(frameon=False)


def mixture(n: Names) -> None:
    at = axes()
    line = np.linspace(-5, 5, 300)[:, None]
    p = n["p"]
    weights = np.exp(p["logits"] - np.logaddexp.reduce(p["logits"]))
    scales = np.exp(p["log_scales"])
    parts = weights / scales * np.exp(-(((line - p["means"]) / scales) ** 2) / 2)
    at.hist(n["numbers"], 30, density=True, color="0.85")
    at.plot(line, parts / np.sqrt(2 * np.pi), "--")
    at.plot(line, parts.sum(axis=1) / np.sqrt(2 * np.pi), "k")
    at.set(xlabel="number", ylabel="density")


def equation(n: Names) -> None:
    at = axes()
    times = np.linspace(0.01, 3, 60)
    for rates, colour in ((np.array([1.1, 0.8, 0.9, 0.6]), "0.7"), (n["rates"], "C3")):
        prey, predators = np.array([n["end"](rates, time=t) for t in times]).T
        at.plot(prey, predators, color=colour)
    at.plot([], [], color="0.7", label="the first rates")
    at.plot([], [], color="C3", label="the rates found")
    at.plot(1, 0.5, "k.", label="start")
    at.plot(*n["seen"], "k*", label="the end that was seen")
    at.set(xlabel="prey", ylabel="predators")
    at.legend(frameon=False, fontsize=8)


def eigenvalue(n: Names) -> None:
    at = axes(height=2.6)
    at.bar(np.arange(1, 8), n["slopes"])
    at.set(xlabel="spring", ylabel="slope of the lowest")


def components(n: Names) -> None:
    at = axes(height=2.6)
    at.bar(np.arange(20), n["influence"])
    at.set(xlabel="observation", ylabel="influence", xticks=range(0, 20, 2))


def main(wanted: list[str]) -> None:
    for name, code in recipes().items():
        if not wanted or any(word in name for word in wanted):
            plt.close("all")
            globals()[name](names_of(code))
            plt.savefig(HERE / f"cookbook_{name}.png", dpi=80, metadata={"Software": None})
            print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
