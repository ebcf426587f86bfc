"""HTML pages that need nothing else: they can be mailed, printed, and opened without a network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from htr_exp.core.text import counted, thousands


def rendered(
    template: Path,
    values: Mapping[str, Any],
    *,
    filters: Mapping[str, Callable[..., Any]],
    finalize: Callable[[Any], Any] | None = None,
) -> str:
    """A page. What it shows is of somebody else: all is escaped.

    Args:
        template: of jinja2; it has the filters `counted` and `thousands`.
        values: what it shows, by name.
        filters: more of them.
        finalize: what is done to each value before it is escaped.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"counted": counted, "thousands": thousands, **filters}
    return environment.get_template(template.name).render(values)


def jpeg_uri(data: bytes) -> str:
    """A JPEG file as a part of the page."""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
