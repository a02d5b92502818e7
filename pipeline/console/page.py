"""HTML pages that need nothing but themselves: no script, no other file, no network."""

from typing import Any

import jinja2

from pipeline.console.exhibits import Exhibits, folder_of, replace_files
from pipeline.console.figures import CLASS_COLOURS
from pipeline.console.texts import bytes_text, counted
from tfrecords_schema.storage import atomic_write


def render(package: str, template: str, **values: object) -> str:
    """Fills in a template of a package's `templates/` folder, which may extend `page.html`.

    Args:
      package: the room that has the template, such as `trainer.report`.
      template: file name of the template.
      **values: what it shows; text is escaped. A name that is missing is an error.
    """
    return _rendered(Exhibits(), package, template, values)


def write(path: str, package: str, template: str, paper: str, **values: object) -> str:
    """Writes a page, and beside it all that it shows as files if that is asked for.

    Args:
      path: of the page.
      package: see `render`.
      template: see `render`.
      paper: formats of the pictures with commas between them; `none` for no files, then those of
        an earlier page are removed.
      **values: see `render`.

    Returns:
      Where everything is, for people.
    """
    exhibits = Exhibits()
    text = _rendered(exhibits, package, template, values)
    atomic_write(path, text.encode(errors="backslashreplace"))
    files = [*exhibits.files(text, () if paper == "none" else paper.split(","))]
    replace_files(folder_of(path), files)
    return f"{path}, as files in {folder_of(path)}" if files else path


def _rendered(exhibits: Exhibits, package: str, template: str, values: dict[str, Any]) -> str:
    folders = [jinja2.PackageLoader(name) for name in dict.fromkeys((package, "pipeline.console"))]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=exhibits.finalize,
    )
    environment.globals["exhibit"] = exhibits
    environment.globals["colours"] = CLASS_COLOURS
    environment.filters["bytes"] = bytes_text
    environment.filters["counted"] = counted
    environment.filters["thousands"] = "{:,}".format
    environment.filters["percent"] = "{:.1%}".format
    environment.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:]}."
    return environment.get_template(template).render(**values)
