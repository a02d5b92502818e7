"""Pages as files."""

from pipeline.console import page


def test_a_name_that_is_no_unicode_keeps_no_page_from_being_written(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "_rendered", lambda *_: "of \udcff and é")
    page.write(str(tmp_path / "page.html"), "", "", "none")
    assert (tmp_path / "page.html").read_text("utf-8") == r"of \udcff and é"
