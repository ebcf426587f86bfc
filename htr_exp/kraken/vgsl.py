"""What the VGSL specification of a network tells without torch: the columns that are left of a line, its weights, its work.

CTC gives each column one character or nothing. A line with more characters than columns has no alignment, so that nothing
is learnt from it, and kraken says nothing of it: its loss takes such a line for none (`zero_infinity`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

# The blocks of kraken/lib/vgsl/model.py (7.1, and the same in 4.3); names in braces, as model files have them, are taken
# away before.
# A specification may come from anybody's model file. None is a network with a number of more than six digits, nor one with a
# kernel, a stride or a dilation of 0.
_N, _1 = r"(\d{1,6})", r"(0*[1-9]\d{0,5})"
_INPUT = re.compile(f"{_N},{_N},{_N},{_N}", re.ASCII)
_CONVOLUTION = re.compile(rf"C(?:s|t|r|lr|l|m){_1},{_1},\d+(?:,{_1},{_1})?(?:,{_1},{_1})?", re.ASCII)
_POOLING = re.compile(f"Mp{_1},{_1}(?:,{_1},{_1})?", re.ASCII)
_RESHAPE = re.compile(r"S(\d+)\(\d+x\d+\)(\d+),(\d+)")
_SUMMARY = re.compile(r"[LG][frb]xs")
_SAME_WIDTH = re.compile(r"[LG][frb][xy]|Do|Gn|I|O|A[13]")  # blocks after which there are as many columns as before
_WEIGHTED = re.compile(
    rf"(?:CT?(?:s|t|r|lr|l|m){_1},{_1},{_1}(?:,\d+)*|([LG])([frb])[xy]s?[co]?{_N}|O\d[lsc]a?{_N}|(Gn)\d+)", re.ASCII
)
_HEIGHT_TO_CHANNELS = re.compile(r"S1\((?:1x\d+|\d+x1)\)1,3")
_WITHOUT_WEIGHTS = re.compile(r"Do.*|I|Mp.*")
_LONGEST = 10_000  # characters of a specification; those of kraken's own networks have two hundred
_WIDTH = 2  # the number of the horizontal dimension in VGSL


@dataclass(frozen=True, slots=True)
class Step:
    """A layer that changes the number of columns, by the formulas of its kind in kraken/lib/vgsl/layers.py."""

    kind: str  # convolution or pooling
    kernel: int  # columns it looks at
    stride: int
    dilation: int = 1

    def columns(self, before: int) -> int:
        """How many columns it leaves of so many."""
        reach = self.dilation * (self.kernel - 1)
        if self.kind == "pooling":
            return max((before - reach - 1) // self.stride + 1, 0)
        return max((before + 2 * (reach // 2) - reach - 1) // self.stride + 1, 1)


@dataclass(frozen=True, slots=True)
class Network:
    """What decides how wide a line is when it leaves the network.

    Attributes:
        height: to which a line is scaled, pixels; 0: it is not.
        width: to which it is scaled, pixels; 0: in proportion to its height.
        steps: the layers that change the number of columns, from below.
    """

    height: int
    width: int
    steps: tuple[Step, ...]

    def columns(self, width: float, height: float, pad: int) -> int:
        """The columns that are left of a line.

        Args:
            width: of the line in its page's image, pixels.
            height: of the line, pixels, above 0.
            pad: blank columns on each side, added after scaling (training.pad).
        """
        if self.width and self.height:
            count = self.width  # kraken pads neither these lines nor those it does not scale
        elif self.width:
            count = self.width + 2 * pad
        elif self.height:
            count = int(width * self.height / height) + 2 * pad
        else:
            count = int(width)
        for step in self.steps:
            count = step.columns(count)
        return count


def blocks_of(spec: str) -> list[str]:
    """The blocks of a VGSL specification, without the names that model files give them; none of one that is beyond all measure."""
    if len(spec) > _LONGEST:
        return []
    return re.sub(r"\{\w+\}", "", spec.strip().removeprefix("[").removesuffix("]")).split()


def read_network(spec: str) -> Network | None:
    """Read a VGSL specification, as an `architecture` has it or a model file.

    Returns:
        What decides on the columns, or None where that cannot be told: another kind of network, parallel branches,
        transposed convolutions, a reshape of the width.
    """
    blocks = blocks_of(spec)
    entry = _INPUT.fullmatch(blocks[0]) if blocks else None
    if entry is None:
        return None
    height, width, channels = (int(entry[number]) for number in (2, 3, 4))
    if height == 1 and width == 0 and channels > 3:  # a line's columns are the channels
        height = channels
    steps = []
    for block in blocks[1:]:
        if found := _CONVOLUTION.fullmatch(block):
            steps.append(Step("convolution", int(found[2]), int(found[4] or 1), int(found[6] or 1)))
        elif found := _POOLING.fullmatch(block):
            steps.append(Step("pooling", int(found[2]), int(found[4] or found[2])))
        elif found := _RESHAPE.fullmatch(block):
            if str(_WIDTH) in found.groups():
                return None
        elif _SUMMARY.match(block) or not _SAME_WIDTH.match(block):
            return None
    return Network(height, width, tuple(steps))


def count_weights(spec: str, outputs: int = 0) -> int | None:
    """The number of trainable weights of a network, by the formulas of PyTorch's layers.

    A convolution has one weight for each place of its kernel, input channel and output channel, and one bias for each output
    channel; a gate of an LSTM or GRU has a row for each unit over the inputs and the units, and two biases; a GroupNorm two
    numbers for each channel.

    Args:
        spec: VGSL, as an `architecture` or a model file has it.
        outputs: labels of the last layer, where the specification does not name them.

    Returns:
        None where a layer is of a kind that is not known, or the height that a reshape folds into the channels is not fixed.
    """
    layers = _layers(spec, outputs, 0)
    return None if layers is None else sum(weights for weights, _ in layers)


def multiplications(spec: str, aspect: float) -> int | None:
    """The multiplications that a network does on one image: each weight of a layer is used once at each of its positions.

    Args:
        spec: VGSL, as an `architecture` or a model file has it.
        aspect: width by height of the image.

    Returns:
        None as for `count_weights`, and where images are not scaled to a height.
    """
    layers = _layers(spec, 0, aspect)
    if layers is None or not all(positions for _, positions in layers):
        return None
    return sum(weights * positions for weights, positions in layers)


def _layers(spec: str, outputs: int, aspect: float) -> list[tuple[int, int]] | None:
    """The weights of each layer that has some, and the positions of its output; 0 positions where they are not known."""
    blocks = blocks_of(spec)
    entry = _INPUT.fullmatch(blocks[0]) if blocks else None
    if entry is None:
        return None
    height, channels = int(entry[2]), int(entry[4])
    width = int(entry[3]) or round(height * aspect)
    if height == 1 and entry[3] == "0" and channels > 3:  # a line's columns are the channels
        return None
    if outputs and not blocks[-1].startswith("O"):
        blocks.append(f"O1c{outputs}")
    layers: list[tuple[int, int]] = []
    for block in blocks[1:]:
        if found := _CONVOLUTION.fullmatch(block):
            step = Step("convolution", int(found[1]), int(found[3] or 1), int(found[5] or 1))
            height = step.columns(height) if height else 0
            across = Step("convolution", int(found[2]), int(found[4] or 1), int(found[6] or 1))
            width = across.columns(width) if width else 0
        elif found := _POOLING.fullmatch(block):
            height = Step("pooling", int(found[1]), int(found[3] or found[1])).columns(height) if height else 0
            width = Step("pooling", int(found[2]), int(found[4] or found[2])).columns(width) if width else 0
        if _HEIGHT_TO_CHANNELS.fullmatch(block):
            if not height:
                return None
            channels, height = channels * height, 1
        elif found := _WEIGHTED.fullmatch(block):
            rows, columns, filters, kind, direction, units, labels, norm = found.groups()
            if filters:
                weights = (int(rows) * int(columns) * channels + 1) * int(filters)
                channels = int(filters)
            elif kind:
                gates, ways, size = {"L": 4, "G": 3}[kind], 1 + (direction == "b"), int(units)
                weights = ways * gates * size * (channels + size + 2)
                channels = ways * size
            elif norm:
                weights = 2 * channels
            else:
                weights = (channels + 1) * int(labels)
                channels = int(labels)
            layers.append((weights, height * width))
        elif not _WITHOUT_WEIGHTS.fullmatch(block):
            return None
    return layers


def columns_needed(text: str, alphabet: Collection[str] = ()) -> int:
    """How many columns CTC needs for a text: one a label, one more between equal neighbours.

    Two equal labels side by side are told apart by a blank between them (Graves et al., "Connectionist Temporal
    Classification", ICML 2006, section 3.1).

    Args:
        text: as kraken trains on it.
        alphabet: of the base model; what it has several code points for one label of, is one.
    """
    labels: list[str] = list(text)
    longest = max(map(len, alphabet), default=1)
    if longest > 1:
        labels, known, at = [], set(alphabet), 0
        while at < len(text):
            size = next((size for size in range(longest, 1, -1) if text[at : at + size] in known), 1)
            labels.append(text[at : at + size])
            at += size
    return len(labels) + sum(one == other for one, other in pairwise(labels))
