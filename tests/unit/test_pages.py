"""Pages: text is escaped, markup is not, and a value that is missing is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jinja2
import pytest
from markupsafe import Markup

from fruit_features import pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def render(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Renders a template of one line, out of a package made for this test."""
    package = tmp_path / f"package_of_{tmp_path.name}"  # a name that no other test has imported
    (package / "templates").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def render_line(line: str, **values: object) -> str:
        (package / "templates" / "line.j2").write_text(line)
        return pages.render_page(package.name, "line.j2", **values)

    return render_line


def test_text_is_escaped_and_markup_is_not(render: Callable[..., str]) -> None:
    assert render("{{ text }}{{ html }}", text="<b>", html=Markup("<i>")) == "&lt;b&gt;<i>"


def test_a_missing_value_is_an_error(render: Callable[..., str]) -> None:
    with pytest.raises(jinja2.UndefinedError, match="label"):
        render("{{ label }}")


def test_filters(render: Callable[..., str]) -> None:
    assert render("{{ 22688 | thousands }}") == "22,688"
    assert render("{{ path | file_name }}", path="file:/photos/Pear/<1>.jpg") == "&lt;1&gt;.jpg"
    assert render("{{ content | base64 }}", content=b"jpeg") == "anBlZw=="
    assert render("{{ value | to_json }}", value={"a": None}) == "{&#34;a&#34;: null}"
