"""The search knows the book's words: either spelling, the glossary first, chapters before code.

Sphinx's own search remains; `book/_static/search.js` changes how it ranks. Words are brought to one
spelling in the index, here, and in what a reader types, there, by the same list.
"""

from __future__ import annotations

import json
import re
import sys
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.search.en import SearchEnglish

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # Jupyter Book's own command does not put the repository there

from glossary import FENCE, GLOSSARY

from tools.api import HEADING, anchor
from tools.chapters import chapters

# American beginnings and endings of words, and what stands for them in this book. Python and
# JavaScript read these patterns alike.
SPELLINGS = [
    (r"^(behavi|col|fav|hon|lab|neighb)or", r"\1our"),
    (r"([a-z]{3}[iy])z(?=e[drs]?$|ers$|ing$|able$|ation)", r"\1s"),
    (r"^(cent|fib|met)er(?=s?$)", r"\1re"),
    (r"^center(?=ed$|ing$)", "centr"),
    (r"^(cancel|label|model|signal|total|travel)(?=e[dr]$|ing$)", r"\1l"),
    (r"^(anal|catal|dial)og(?=s?$)", r"\1ogue"),
    (r"^(defen|licen)se", r"\1ce"),
    (r"^gray", "grey"),
    (r"^artifact", "artefact"),
    (r"^judgment", "judgement"),
    (r"^learnt$", "learned"),  # the book has both
]
ENTRY = re.compile(r"^(?! )(.+)\n((?:  .+\n)+)", re.MULTILINE)
TAUGHT = re.compile(r"\]\(\.\./(notebooks/[^)#]+)\.ipynb#([^)]+)\)")
MARKUP = re.compile(r"\[([^]]+)\]\([^)]+\)|[`*$]")  # links, of which the words stay; other marks


def british(word: str) -> str:
    """A word, in lower case, as this book spells it; for the index, also where that is no word."""
    for american, here in SPELLINGS:
        word = re.sub(american, here, word)
    return word


class English(SearchEnglish):
    """English whose two spellings are one."""

    def stem(self, word: str) -> str:
        return super().stem(british(word.lower()))


def headings() -> dict[tuple[str, str], str]:
    """The heading of each section of the chapters, by the page and the end of its address."""
    return {
        (chapter.name, anchor(heading)): MARKUP.sub(r"\1", heading)
        for chapter in chapters()
        for cell in chapter.cells
        if cell.cell_type == "markdown"
        for heading in HEADING.findall(cell.source)
    }


def explained(env: BuildEnvironment) -> list[dict[str, Any]]:
    """For each term of the glossary: its forms, and what the search shows first for any of them.

    A place is a page, the end of its address, a title and, unless the page has to be fetched for
    it, a description; the last two are HTML.
    """
    page = Path(env.doc2path(GLOSSARY)).read_text(encoding="utf-8")
    terms, sections, found = env.get_domain("std").objects, headings(), []
    for block in FENCE.findall(page):
        for line, text in ENTRY.findall(block):
            forms = [form.strip() for form in line.split("|")]
            _, place = terms["term", forms[0]]
            said = " ".join(MARKUP.sub(r"\1", text.split("Taught ")[0]).split())
            places = [[GLOSSARY, f"#{place}", f"Glossary &gt; {escape(forms[0])}", escape(said)]]
            for name, end in TAUGHT.findall(text):
                title = f"{env.titles[name].astext()} > {sections[name, end]}"
                places.append([name, f"#{end}", escape(title), None])
            found.append({"forms": forms, "places": places})
    return found


def literal(value: object) -> str:
    """JavaScript that cannot end the script around it."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")


def change_search(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: object
) -> None:
    """Gives the search's page the list of spellings and of terms, and the script that uses them."""
    if page == "search":
        spellings = [[here, to.replace("\\", "$")] for here, to in SPELLINGS]
        body = f"const SPELLINGS = {literal(spellings)}, EXPLAINED = {literal(explained(app.env))};"
        app.add_js_file(None, body=body)
        app.add_js_file("search.js", defer="defer")  # after Sphinx's, before the search begins


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_search_language(English)
    app.connect("html-page-context", change_search)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
