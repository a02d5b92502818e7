"""HTML pages that need nothing but themselves: no script, no other file, no network."""

import jinja2

from pipeline.console.figures import CLASS_COLOURS
from pipeline.console.texts import bytes_text, counted


def render(package: str, template: str, **values: object) -> str:
    """Fills in a template of a package's `templates/` folder, which may extend `page.html`.

    Args:
      package: the room that has the template, such as `trainer.report`.
      template: file name of the template.
      **values: what it shows; text is escaped. A name that is missing is an error.
    """
    folders = [jinja2.PackageLoader(name) for name in dict.fromkeys((package, "pipeline.console"))]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["colours"] = CLASS_COLOURS
    environment.filters["bytes"] = bytes_text
    environment.filters["counted"] = counted
    environment.filters["thousands"] = "{:,}".format
    environment.filters["percent"] = "{:.1%}".format
    environment.filters["sentence"] = lambda text: f"{text[:1].upper()}{text[1:]}."
    return environment.get_template(template).render(**values)
