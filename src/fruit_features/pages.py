"""HTML pages from Jinja2's templates, with everything escaped that is no markup of the template itself."""

from __future__ import annotations

import base64
import json
from typing import Any

import jinja2


def render_page(package: str, template: str, **values: Any) -> str:
    """Render a template.

    Args:
        package: The package in whose folder `templates` it lies.
        template: Name of the file.
        values: What the template names. Text is escaped; `markupsafe.Markup` is taken as it is.

    Raises:
        jinja2.UndefinedError: The template names something that is not among the values.

    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    environment.filters["file_name"] = lambda path: path.rsplit("/", 1)[-1]
    environment.filters["to_json"] = json.dumps
    environment.filters["thousands"] = lambda number: f"{int(number):,}"
    return environment.get_template(template).render(**values)
