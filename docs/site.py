"""Hooks of the documentation site: pages that lie at the top of the repository, and links out of `docs`."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "CODE_OF_CONDUCT.md": "code_of_conduct.md",
    "config/README.md": "configuration.md",
}
"""Files outside of `docs`, and the pages that they become."""
LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s]+)\)")
SOURCE = re.compile(r'(?:src|srcset)="(docs/[^"]+)"')


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from the top of the repository."""
    for source, page in PAGES.items():
        if (ROOT / source).exists():
            files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to files of the repository into links to pages, or into plain names of files."""
    origin = next((source for source, name in PAGES.items() if name == page.file.src_uri), None)
    folder = (ROOT / origin).parent if origin else (ROOT / "docs" / page.file.src_uri).parent

    def link(match: re.Match[str]) -> str:
        text, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match.group()
        file = (folder / path).resolve()
        if not file.is_relative_to(ROOT):
            return match.group()
        name = file.relative_to(ROOT).as_posix()
        if name in PAGES:
            return f"{text}({PAGES[name]}{'#' + anchor if anchor else ''})"
        if name.startswith("docs/") and file.is_file():
            return f"{text}({name.removeprefix('docs/')}{'#' + anchor if anchor else ''})"
        return f"{text[1:-1]} (`{name}`)" if text[1:-1].strip("`") != name else text[1:-1]

    markdown = SOURCE.sub(lambda match: match.group().replace("docs/", ""), markdown)
    return LINK.sub(link, markdown)
