"""The glossary: its entries, and the links that the build makes of terms in running text."""

import re
from collections.abc import Callable
from types import ModuleType

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from sphinx import addnodes

from tools.api import HEADING, anchor
from tools.chapters import ROOT, chapters

PAGE = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def glossary(sphinx_extension: Callable[[str], ModuleType]) -> ModuleType:
    return sphinx_extension("glossary")


KNOWN = {"target network": "target network", "target networks": "target network", "actor": "actor"}
KNOWN |= {"network": "network", "td3": "TD3", "td3+bc": "TD3+BC"}
TEXT = """
An actor above
==============

The *Actor* has a target
networks, not a ``TD3``; another actor and a network. factor, actor-like.

.. figure:: a.png

   TD3 in a caption

TD3+BC is more than TD3, a `network TD3 <https://elsewhere.org>`__ says.
"""


def links(document: nodes.document) -> list[tuple[str, str]]:
    """(shown, term) of each link to a term."""
    found = document.findall(addnodes.pending_xref)
    return [(" ".join(link.astext().split()), link["reftarget"]) for link in found]


def test_first_uses_in_running_text_are_linked(glossary: ModuleType) -> None:
    document = publish_doctree(TEXT, settings_overrides={"report_level": 5})
    text = document.astext()
    used = glossary.link_first_uses(document, KNOWN)
    assert links(document) == [
        ("Actor", "actor"),
        ("target networks", "target network"),
        ("network", "network"),
        ("TD3+BC", "TD3+BC"),
        ("TD3", "TD3"),
    ]
    assert used == [term for _, term in links(document)]
    assert document.astext() == text  # not a letter of it changed


@pytest.mark.parametrize("kind", [{"classes": ["cell"]}, {"design_component": "card"}])
def test_outputs_and_cards_are_left_alone(glossary: ModuleType, kind: dict) -> None:
    document = publish_doctree("")
    document += nodes.container("", nodes.paragraph("", "actor"), **kind)
    assert glossary.link_first_uses(document, KNOWN) == []


def test_a_form_of_two_terms_is_refused(glossary: ModuleType) -> None:
    with pytest.raises(ValueError, match="'critics' stands for two terms"):
        glossary.forms("```{glossary}\ncritic | critics\n  A.\n\ntwin | critics\n  B.\n```\n")


def test_forms_do_not_show(glossary: ModuleType) -> None:
    shown = glossary.without_forms(PAGE)
    assert "|" not in "".join(glossary.FENCE.findall(shown))
    assert set(glossary.forms(shown).values()) == set(glossary.forms(PAGE).values())


def test_entries_are_in_order_and_lead_to_where_they_are_taught(glossary: ModuleType) -> None:
    terms = list(dict.fromkeys(glossary.forms(PAGE).values()))
    assert 40 <= len(terms) <= 100
    assert terms == sorted(terms, key=lambda term: re.sub(r"[^\w ]", " ", term).lower())
    sections = {
        f"../{chapter.name}.ipynb#{anchor(heading)}"
        for chapter in chapters()
        for cell in chapter.cells
        if cell.cell_type == "markdown"
        for heading in HEADING.findall(cell.source)
    }
    (block,) = glossary.FENCE.findall(PAGE)
    entries = re.findall(r"^(?! )(.+)\n((?:  .+\n)+)", block, re.MULTILINE)
    assert len(entries) == len(terms)
    for term, text in entries:
        leads = re.findall(r"\]\(([^)]+)\)", text)
        assert leads and set(leads) <= sections, f"{term}: {leads}"


# The field's names for what the chapters say in plainer words.
NOT_IN_A_CHAPTER = {"Q function"}


def test_every_other_term_is_met_in_a_chapter(glossary: ModuleType) -> None:
    words, known = glossary.pattern(glossary.forms(PAGE)), glossary.forms(PAGE)
    cells = [cell for chapter in chapters() for cell in chapter.cells]
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    met = {known[" ".join(match.lower().split())] for match in words.findall(text)}
    assert set(known.values()) - met == NOT_IN_A_CHAPTER
