"""Which functions of ``scipy.special`` have a derivative: the last part of docs/coverage.md."""

import importlib
import importlib.metadata
from typing import Any

import numpy as np

from tinygrad_np.autodiff.rules import TABLE, of_scipy

DIFFERENTIABLE, SOME = "differentiable", "differentiable by some operands"
CONSTANT, SIBLING = "constant", "as `tinygrad_np.special`"
REFUSED, NOT_APPLICABLE = "refused", "not applicable"
CLASSES = (DIFFERENTIABLE, SOME, CONSTANT, SIBLING, REFUSED, NOT_APPLICABLE)
STEPS = ("gammasgn", "round")  # whose slope is 0
MADE_OF_UFUNCS = "assoc_laguerre h1vp h2vp ivp jvp kvp lambertw sinc softplus yvp zeta"
# Python functions that turn their arguments into arrays, with what to write instead.
WAYS: dict[str, str] = {
    "diric": "`np.sin(n * x / 2) / (n * np.sin(x / 2))`",
    "factorial2 factorialk": "`gamma`",
    "spherical_jn spherical_yn": "`jv` and `yv` of n + 1/2, times `np.sqrt(np.pi / (2 * z))`",
    "spherical_in spherical_kn": "`iv` and `kv` of n + 1/2, times `np.sqrt(np.pi / (2 * z))`",
    "assoc_legendre_p assoc_legendre_p_all sph_legendre_p sph_legendre_p_all": "`lpmv`",
    "legendre_p legendre_p_all": "`eval_legendre`",
    "sph_harm_y sph_harm_y_all": "`lpmv`, and `np.exp(1j * m * phi)`",
    "chebyc chebys chebyt chebyu gegenbauer genlaguerre hermite hermitenorm jacobi laguerre "
    "legendre sh_chebyt sh_chebyu sh_jacobi sh_legendre": "`eval_` and the name, of degree and x",
    "lqmn lqn clpmn lpmn lpn": "`lpmv`; of the second kind there is none",
    "ellip_harm ellip_harm_2 ellip_normal lmbda pbdn_seq pbdv_seq pbvv_seq riccati_jn riccati_yn "
    "sph_harm": "none: no function in SciPy is the derivative",
}  # fmt: skip
REASONS: dict[str, str] = {
    "takes integers, or makes coefficients": (
        "bernoulli euler mathieu_even_coef mathieu_odd_coef obl_cv_seq pro_cv_seq stirling2"
    ),
    "is about errors": (
        "SpecialFunctionError SpecialFunctionWarning errstate geterr seterr test"
    ),
}  # fmt: skip
ROOTS = ("roots", "zeros")  # numbers that belong to a degree


def names() -> dict[str, Any]:
    """Every public callable of ``scipy.special``."""
    sp = importlib.import_module("scipy.special")
    found = {name: getattr(sp, name) for name in dir(sp) if not name.startswith("_")}
    return {name: fn for name, fn in found.items() if callable(fn)}


def among(name: str, groups: Any) -> str | None:
    """The first of ``groups`` that has the name as one of its words."""
    return next((words for words in groups if name in words.split()), None)


def classify(name: str, fn: Any) -> str | None:
    """The class of a function; None if nobody has said."""
    if isinstance(fn, np.ufunc):
        known, reason = of_scipy(fn)
        if not known:
            return REFUSED if reason else None
        return CONSTANT if name in STEPS else DIFFERENTIABLE if all(TABLE[fn].vjps) else SOME
    if name in MADE_OF_UFUNCS.split():
        return SOME if "v" in name or name in ("assoc_laguerre", "zeta") else DIFFERENTIABLE
    if hasattr(importlib.import_module("tinygrad_np.special"), name):
        return SIBLING
    if among(name, WAYS):
        return REFUSED
    known_reason = among(name, REASONS.values()) or any(word in name for word in ROOTS)
    return NOT_APPLICABLE if known_reason else None


def unclassified() -> list[str]:
    """Names of SciPy that nobody has classified."""
    return [name for name, fn in names().items() if classify(name, fn) is None]


def operands(fn: np.ufunc) -> str:
    """The operands that a ufunc has a derivative by, counted from 0."""
    return " ".join(str(k) for k, vjp in enumerate(TABLE[fn].vjps) if vjp is not None)


TITLE = "## SciPy's special functions"
ABOUT = """\
Every public function of `scipy.special` in SciPy {}; a test fails if SciPy has a name that is in
no class. Some functions have a derivative only for some of their operands. The numbers in brackets
are the places of these operands, counted from 0. A gradient for another operand is an error."""


def release() -> str:
    """SciPy's version as far as names depend on it; none without SciPy."""
    try:
        return ".".join(importlib.metadata.version("scipy").split(".")[:2])
    except importlib.metadata.PackageNotFoundError:
        return ""


def section(page: str) -> str:
    """The part of the page: written anew from SciPy, or as it was where that is another one."""
    start = page.find(TITLE)
    if not release() or (start >= 0 and f"SciPy {release()};" not in page):
        return page[start:].rstrip("\n") if start >= 0 else ""
    found: dict[str, list[str]] = {}
    for name, fn in names().items():
        found.setdefault(classify(name, fn) or REFUSED, []).append(name)
    lines = [TITLE, ABOUT.format(release())]
    lines.append(
        "\n".join(
            [
                f"| {' | '.join(CLASSES)} |",
                "| --- " * len(CLASSES) + "|",
                f"| {' | '.join(str(len(found[kind])) for kind in CLASSES)} |",
            ]
        )
    )
    for kind in CLASSES[:4]:
        shown = [f"`{n}`" + (f" ({operands(fn)})" if kind == SOME and isinstance(fn, np.ufunc) else
                             "") for n in found[kind] for fn in [names()[n]]]  # fmt: skip
        lines.append(f"{kind[0].upper()}{kind[1:]}: {', '.join(shown)}.")
    ways: dict[str, list[str]] = {}
    for name in found[REFUSED]:
        words = among(name, WAYS)
        way = (
            WAYS[words]
            if words
            else of_scipy(names()[name])[1].removeprefix(" (").removesuffix(")")
        )
        ways.setdefault(way.replace("|", "\\|"), []).append(name)
    rows = [f"| {' '.join(f'`{n}`' for n in inside)} | {way} |" for way, inside in ways.items()]
    lines.append("\n".join(["| refused | instead, or why |", "| --- | --- |", *rows]))
    listed = " ".join(f"`{name}`" for name in found[NOT_APPLICABLE])
    lines.append(
        f"Not applicable (integers, coefficients, roots of polynomials, errors): {listed}."
    )
    return "\n\n".join(lines)
