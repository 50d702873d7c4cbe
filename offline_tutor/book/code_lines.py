"""Count the lines of code in a module, so that the book can show the number."""

import ast
import inspect
import io
import tokenize
from types import ModuleType

_NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
_NOT_CODE |= {tokenize.ENCODING, tokenize.ENDMARKER}


def code_lines(module: ModuleType) -> list[str]:
    """Return the lines of a module that define or compute something.

    Comments, docstrings, blank lines and imports are left out: imports only say where the rest
    comes from. A module that replaces one loss of its parent imports the parent and contains only
    the difference, so `len(code_lines(td3_bc))` is what TD3+BC adds to TD3.
    """
    source = inspect.getsource(module)
    lines = source.splitlines()
    silent = {number for node in ast.walk(ast.parse(source)) for number in _silent_lines(node)}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {
        number
        for token in tokens
        if token.type not in _NOT_CODE
        for number in range(token.start[0], token.end[0] + 1)
    }
    return [lines[number - 1] for number in sorted(code - silent)]


def _silent_lines(node: ast.AST) -> range:
    """Return the line numbers of an import or a docstring, and none for other nodes."""
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        return range(0)
    if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
        return range(0)
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)
