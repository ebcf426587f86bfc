"""Lines with more characters than the network leaves columns: nothing can be learnt from them, found before training."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from htr_exp.audit.alphabet import Form, trained_text
from htr_exp.kraken.vgsl import Network, columns_needed

if TYPE_CHECKING:
    from htr_exp.groundtruth.model import GroundTruthPage

CUT_HEIGHT = 1.2
"""How much higher than its polygon's mean height a line is once kraken has cut it out, from the highest to the lowest point.

Measured with kraken 7.1.1 on 901 lines of six manuscripts: median 1.20, one in twenty below 1.06 and above 1.33; its legacy
polygons the same within 2 %. The width is the baseline's: 1.004 times, one in twenty above 1.025. With a network so narrow that
273 of these lines did not fit, 276 were found, of which 83 % rightly; of the 61 found without this factor, every one.
"""


@dataclass(frozen=True, slots=True)
class CrowdedLine:
    """A line that does not fit.

    Attributes:
        page: its page's name.
        line: its id.
        characters: it has, as kraken trains on it.
        needed: columns for them: one more between equal neighbours.
        columns: that the network leaves of the line, about.
        certain: even if the line is no higher than its polygon's mean height.
    """

    page: str
    line: str
    characters: int
    needed: int
    columns: int
    certain: bool

    def to_json(self) -> dict[str, Any]:
        """As run folders record it."""
        return {
            "page": self.page,
            "line": self.line,
            "characters": self.characters,
            "needed": self.needed,
            "columns": self.columns,
            "certain": self.certain,
        }


def crowded_lines(
    pages: Iterable[GroundTruthPage],
    network: Network,
    *,
    pad: int,
    normalization: Form | None = None,
    normalize_whitespace: bool = True,
    alphabet: Collection[str] = (),
) -> tuple[CrowdedLine, ...]:
    """The lines that need more columns than a network leaves.

    How large kraken cuts a line out of its page is estimated from baseline and polygon: what is found is found with the
    certainty that `CUT_HEIGHT` tells.

    Args:
        pages: whose lines are trained on.
        network: as its specification says.
        pad: training.pad.
        normalization: training.normalization.
        normalize_whitespace: training.normalize_whitespace.
        alphabet: of the base model.
    """
    several = [one for one in alphabet if len(one) > 1]
    found = []
    for page in pages:
        for line in page.lines:
            if line.height <= 0 or line.width <= 0:
                continue
            columns = network.columns(line.width, CUT_HEIGHT * line.height, pad)
            # twice its length is the most that a text can need, and white space only ever goes
            if normalization is None and 2 * len(line.text) <= columns:
                continue
            text = trained_text(line.text, normalization=normalization, normalize_whitespace=normalize_whitespace)
            if 2 * len(text) > columns and (needed := columns_needed(text, several)) > columns:
                certain = needed > network.columns(line.width, line.height, pad)
                found.append(CrowdedLine(page.name, line.id, len(text), needed, columns, certain))
    return tuple(found)


def warning(found: Sequence[CrowdedLine], lines: int) -> str | None:
    """The warning about crowded lines, or None if there are none.

    Args:
        found: the lines.
        lines: how many lines are trained on.
    """
    if not found:
        return None
    worst = sorted(found, key=lambda one: one.columns - one.needed)[:3]
    shown = ", ".join(f"{one.page}:{one.line} ({one.characters} characters, {one.columns} columns)" for one in worst)
    certain = sum(one.certain for one in found)
    return (
        f"about {len(found)} of {lines} training lines ({certain} for certain) have more characters than the network leaves "
        f"columns, so that it cannot learn from them: {shown}; take a network that narrows lines less, or see whether these lines are drawn right"
    )
