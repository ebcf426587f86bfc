"""Text of somebody else inside LaTeX: what has a meaning there is written as a character."""

from __future__ import annotations

_MEANINGS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
}


def escaped(text: str) -> str:
    """A text as LaTeX prints it."""
    return "".join(_MEANINGS.get(character, character) for character in text)
