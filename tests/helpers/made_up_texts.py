"""Texts of pages, made up, and what another transcription would make of them."""

from __future__ import annotations

import random
import re

WORDS = re.findall(
    r"\w+",
    "abbas abbatia absque actum adhuc aeterna amen anima animarum annus apostolus aqua beneficium carta castellum causa "
    "civitas clericus comes concilium confirmatio consensus dominus ecclesia episcopus facere fidelis filius forum "
    "frater gratia homines honor imperator iudex iustitia lex libertas manus mater mensis miles monasterium nomen notum "
    "omnibus ordo pacem pater peccatum populus potestas praesens princeps quod regnum rex salus sanctus sigillum "
    "spiritus successor tempus terra testamentum testis universis vicarius villa virgo voluntas",
)


def page(seed: int, words: int = 60) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(words))


def noisy(text: str, share: float, seed: int = 0) -> str:
    """Change, drop or double so many of the characters."""
    chance = random.Random(seed)
    out = []
    for character in text:
        if chance.random() >= share:
            out.append(character)
        else:
            out.append(chance.choice(["", character * 2, chance.choice("abcdefghilmnopqrstu")]))
    return "".join(out)
