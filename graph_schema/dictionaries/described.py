"""A dictionary as its files describe it: what it is, and which stored axis is which.

Orientation is told from shapes. Vectors say how many units there are and how wide the output is; a
matrix fits one way round or the other. Where it is square both fit: the format's rule decides, and
the check after loading, which explains variance the right way round, tries the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graph_schema.documents.dictionary import (
    DictionaryDocument,
    DictionaryKind,
    DictionarySource,
    Place,
    Reading,
    Site,
)
from graph_schema.errors import DictionaryError
from graph_schema.printable import quoted

Axes = tuple[str, ...]
"""Of `in`, `unit`, `out` and, of a cross-layer decoder, `layer`; () is one number for all units."""

VECTORS = ("encoder_bias", "threshold", "gate_bias", "mag_bias", "r_mag", "scale", "decoder_bias")


@dataclass(frozen=True)
class Part:
    """One tensor: its file, its name there, its stored shape, and which axis is which.

    `square`: both ways round fit, and the format's rule was taken.
    """

    file: Path
    name: str
    shape: tuple[int, ...]
    axes: Axes
    square: bool = False


@dataclass(frozen=True)
class Described:
    """What the files say of one dictionary; `parts` by role (`encoder`, `decoder_bias`, …).

    Attributes:
        first_written: The layer of the first slice of a cross-layer decoder.
        model_name: Of the model that it was trained on, where the files say.
        notes: What a reader of its circuits should know of how it was read.
    """

    kind: DictionaryKind
    site: Site
    reading: Reading
    parts: Mapping[str, Part]
    sizes: Mapping[str, int]
    source: DictionarySource
    format: str
    release: str | None = None
    model_name: str | None = None
    first_written: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return self.sizes["unit"]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold its tensors."""
        return tuple(sorted({part.file for part in self.parts.values()}))

    @property
    def n_numbers(self) -> int:
        """How many numbers its tensors hold."""
        total = 0
        for part in self.parts.values():
            size = 1
            for length in part.shape:
                size *= length
            total += size
        return total

    def document(self, sha256: str) -> DictionaryDocument:
        """Its identity, with the hash of its tensors (`identity.py`)."""
        return DictionaryDocument(
            kind=self.kind,
            site=self.site,
            width=self.width,
            reading=self.reading,
            sha256=sha256,
            skip="skip" in self.parts,
            release=self.release,
        )


@dataclass
class Draft:
    """Tensors of one dictionary as a format names them, on the way to `Described`.

    Args:
        shapes: Of every tensor of a file, by name.
        rules: The axes of each role's tensor as its format stores them.
    """

    where: str
    parts: dict[str, tuple[Path, str, tuple[int, ...]]] = field(
        default_factory=dict[str, tuple[Path, str, tuple[int, ...]]]
    )
    rules: dict[str, Axes] = field(default_factory=dict[str, Axes])

    def take(
        self,
        file: Path,
        shapes: Mapping[str, tuple[int, ...]],
        names: Mapping[str, tuple[str, Axes]],
        *,
        optional: Sequence[str] = (),
        ignored: Sequence[str] = (),
    ) -> None:
        """Take a file's tensors by their names, role by role.

        Raises:
            DictionaryError: One is missing, or there is one that the format does not have: the
                dictionary would compute something else with it.
        """
        for name, (role, axes) in names.items():
            if name in shapes:
                self.parts[role] = (file, name, tuple(shapes[name]))
                self.rules[role] = axes
            elif name not in optional:
                raise DictionaryError(
                    f"dictionary file {str(file)!r} has no tensor {quoted(name)}; it has "
                    f"{', '.join(map(quoted, sorted(shapes)[:8]))}"
                )
        for name in shapes:
            if name not in names and name not in ignored:
                raise DictionaryError(
                    f"dictionary file {str(file)!r} has a tensor {quoted(name)} that is not read; "
                    f"expected {', '.join(names)} alone: it computes something else with it"
                )

    def oriented(
        self, said: Mapping[str, int | None], *, same_out: bool
    ) -> tuple[dict[str, Part], dict[str, int]]:
        """Every part with its axes, and the sizes `in`, `unit`, `out`.

        Args:
            said: Sizes by the configuration or the model, as far as they are known.
            same_out: An SAE: what it writes is as wide as what it reads.

        Raises:
            DictionaryError: Shapes that do not fit together; says which and what was expected.
        """
        known = {axis: (size, "its configuration") for axis, size in said.items() if size}
        order = sorted(self.parts, key=lambda role: (role not in VECTORS, role))
        found: dict[str, Part] = {}
        for role in order:
            file, name, shape = self.parts[role]
            axes, square = _fit(name, shape, self.rules[role], known)
            for axis, length in zip(axes, shape, strict=True):
                known.setdefault(axis, (length, quoted(name)))
                if same_out and axis in ("in", "out"):
                    known.setdefault("out" if axis == "in" else "in", (length, quoted(name)))
            found[role] = Part(file, name, shape, axes, square)
        sizes = {axis: size for axis, (size, _) in known.items()}
        if same_out and sizes["in"] != sizes["out"]:
            raise DictionaryError(
                f"dictionary {self.where} reads {sizes['in']} numbers and writes {sizes['out']}; "
                "expected the same of a sparse autoencoder"
            )
        return found, sizes


def _fit(
    name: str, shape: tuple[int, ...], rule: Axes, known: Mapping[str, tuple[int, str]]
) -> tuple[Axes, bool]:
    if 0 in shape:
        raise DictionaryError(f"tensor {quoted(name)} has shape {shape}; expected something in it")
    if rule == ("unit",) and shape in ((), (1,)) and known.get("unit", (2, ""))[0] != 1:
        return (("one",) if shape else ()), False
    turned = rule[::-1]
    fits = [axes for axes in dict.fromkeys((rule, turned)) if _agrees(axes, shape, known)]
    # A decoder by layer has one order; "layer" last would be read as another tensor.
    fits = [axes for axes in fits if "layer" not in axes or axes == rule]
    if not fits:
        words = ", ".join(
            f"{axis} {known[axis][0]} by {known[axis][1]}" if axis in known else axis
            for axis in rule
        )
        raise DictionaryError(
            f"tensor {quoted(name)} has shape {shape}; expected [{words}], or the other way round"
        )
    square = len(fits) > 1 and len(shape) == 2 and shape[0] == shape[1]
    return fits[0], square


def _agrees(axes: Axes, shape: tuple[int, ...], known: Mapping[str, tuple[int, str]]) -> bool:
    return len(axes) == len(shape) and all(
        axis not in known or known[axis][0] == length
        for axis, length in zip(axes, shape, strict=True)
    )


def described(
    draft: Draft,
    *,
    kind: DictionaryKind,
    site: Site,
    reading: Reading,
    said: Mapping[str, int | None],
    source: DictionarySource,
    format: str,
    release: str | None = None,
    model_name: str | None = None,
    first_written: int | None = None,
    notes: tuple[str, ...] = (),
) -> Described:
    """The dictionary that a draft's tensors make.

    Raises:
        DictionaryError: As `Draft.oriented`; or more units are asked to be active than there are.
    """
    same = kind is DictionaryKind.SAE
    if same:
        width = said.get("in") or said.get("out")
        said = {**said, "in": width, "out": width}
    parts, sizes = draft.oriented(said, same_out=same)
    if reading.k is not None and reading.k > sizes["unit"]:
        raise DictionaryError(
            f"dictionary {draft.where} keeps {reading.k} units of {sizes['unit']}; expected fewer"
        )
    if turned := [part.name for part in parts.values() if part.square]:
        notes = (
            *notes,
            f"{', '.join(turned)} {'is' if len(turned) == 1 else 'are'} square: read as {format} "
            "stores it",
        )
    return Described(
        kind, site, reading, parts, sizes, source, format, release, model_name, first_written, notes
    )


def widths(place: Place, sizes: Mapping[str, int]) -> int:
    """How wide a place is in a model of these sizes (`d_model`, `d_mlp`, `d_head`, `n_heads`)."""
    if place is Place.ATTN_Z:
        return sizes["n_heads"] * sizes["d_head"]
    return sizes["d_mlp"] if place is Place.NEURONS else sizes["d_model"]
