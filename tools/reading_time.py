"""How long a chapter takes to read: `python -m tools.reading_time` writes it where it is said.

The rule: 200 words a minute, 4 seconds for a line of code that the page shows unfolded, 20 for a
formula on a line of its own, 3 for one within a sentence, and 20 for a figure; rounded to five
minutes. What a page leaves out or folds away (the answers to the exercises, too) takes no time.
"""

from __future__ import annotations

import json
import re

from tools.chapters import Chapter, chapters, tags

SAID = re.compile(r"Reading: about (\d+) minutes")
FOLDED = re.compile(r"<details>.*?</details>|<!--.*?-->", re.DOTALL)
CODE = re.compile(r"```.*?```", re.DOTALL)
DISPLAYED, INLINE = re.compile(r"\$\$.+?\$\$", re.DOTALL), re.compile(r"\$[^$\n]+\$")
DRAWS = re.compile(
    r"figures\.(show|slider|learning_curves|interval_plot|results_table|playable_maze|try_out)\("
)
HIDDEN = {"remove-cell", "remove-input", "hide-cell", "hide-input"}


def prose(chapter: Chapter) -> str:
    """The Markdown of a chapter without what is folded away."""
    texts = (cell.source for cell in chapter.cells if cell.cell_type == "markdown")
    return FOLDED.sub(" ", "\n\n".join(texts))


def seconds(chapter: Chapter) -> float:
    """How long it takes to read a chapter, by the rule above."""
    text = prose(chapter)
    code = "\n".join(CODE.findall(text))
    text = CODE.sub(" ", text)
    formulas = len(DISPLAYED.findall(text))
    text = DISPLAYED.sub(" ", text)
    symbols = len(INLINE.findall(text))
    words = len(re.findall(r"[^\W_][\w'-]*", INLINE.sub(" ", text)))
    shown = [cell for cell in chapter.code_cells if not tags(cell) & HIDDEN]
    code += "\n".join(cell.source for cell in shown)
    lines = sum(bool(line.strip()) for line in code.splitlines())
    drawn = (cell for cell in chapter.code_cells if "remove-cell" not in tags(cell))
    pictures = sum(len(DRAWS.findall(cell.source)) for cell in drawn)
    return 0.3 * words + 4 * lines + 20 * formulas + 3 * symbols + 20 * pictures


def minutes(chapter: Chapter) -> int:
    """The minutes that a chapter should promise."""
    return 5 * round(seconds(chapter) / 300)


def main() -> None:
    for chapter in chapters():
        text = chapter.path.read_text(encoding="utf-8")
        said = SAID.sub(f"Reading: about {minutes(chapter)} minutes", text)
        print(f"{chapter.name}: {minutes(chapter)} minutes")
        if said != text:
            json.loads(said)  # still a notebook
            chapter.path.write_text(said, encoding="utf-8")


if __name__ == "__main__":
    main()
