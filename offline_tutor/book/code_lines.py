"""Count the lines of code in a module, so that the book can show the number."""

import ast
import inspect
import io
import tokenize
from types import ModuleType

_NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(module: ModuleType) -> list[str]:
    """Return the lines of a module that define or compute something, as they are written.

    They are Python's logical lines: a signature or a call that is broken over several rows to fit
    a page counts once. Comments, docstrings, blank lines and imports are left out: imports only
    say where the rest comes from. A module that replaces one loss of its parent imports the parent
    and contains only the difference, so `len(code_lines(td3_bc))` is what TD3+BC adds to TD3.
    """
    source = inspect.getsource(module)
    rows = source.splitlines()
    silent = {number for node in ast.walk(ast.parse(source)) for number in _silent_rows(node)}
    lines, first = [], None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NEWLINE and first is not None:
            if first not in silent:
                lines.append("\n".join(rows[first - 1 : token.start[0]]))
            first = None
        elif token.type not in _NOT_CODE and first is None:
            first = token.start[0]
    return lines


def _silent_rows(node: ast.AST) -> range:
    """Return the numbers of an import's or a docstring's rows, and none for other nodes."""
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        return range(0)
    if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
        return range(0)
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)
