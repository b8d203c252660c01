"""Lengths of files, lines and functions. Each is a ratchet: the baseline may only shrink."""

import re

from source_tree import Finding, is_cmake, is_script, is_test_data, line_of

SOURCE_LINES_MAX = 800
HEADER_LINES_MAX = 300
COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 60
_LONG_LINE_EXCEPTED = re.compile(r"https?://\S+|#include|NOLINT")
_CONTAINER = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
_CONTROL = re.compile(r"\s*(if|for|while|switch|catch|else|do|try)\b")
_NAME = re.compile(r"(operator\s*(?:\(\)|[^\s\w(]+|\w+)|[\w:~]+)\s*\(")


def file_lengths(tree):
    """300 lines for a header, 800 for any other source."""
    findings = []
    for path, text in tree.files.items():
        if not _is_source(path, text):
            continue
        limit = HEADER_LINES_MAX if path.endswith(".h") else SOURCE_LINES_MAX
        size = text.count("\n")
        if size > limit:
            findings.append(Finding(path, limit, f"has {size} lines, the limit is {limit}: split "
                                                 "by concept", f"file {path}", size))
    return findings


def line_lengths(tree):
    """100 columns; an include or an address that cannot be broken is excepted."""
    findings = []
    for path, text in tree.files.items():
        if not _is_source(path, text):
            continue
        long = [(number, len(line)) for number, line in enumerate(text.split("\n"), 1)
                if len(line) > COLUMNS_MAX and not _LONG_LINE_EXCEPTED.search(line)]
        for number, columns in long:
            findings.append(Finding(path, number, f"{columns} columns, the limit is {COLUMNS_MAX}",
                                    f"columns {path}", len(long)))
    return findings


def function_lengths(tree):
    """60 lines from the opening brace of a function to its closing one."""
    findings = {}
    for path in tree.cpp():
        for name, line, size in functions(tree.code(path)):
            key = f"function {path} {name}"
            if size > FUNCTION_LINES_MAX and size > findings.get(key, Finding("", 0, "")).size:
                findings[key] = Finding(path, line, f"{name} has {size} lines, the limit is "
                                                    f"{FUNCTION_LINES_MAX}", key, size)
    return list(findings.values())


def functions(code):
    """(name, first line, lines) of each function in masked C++.

    A brace is judged by the text since the last ';', '{' or '}': a container is entered, a
    function measured, and an initialiser skipped together with its contents.
    """
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", _blank_match, code, flags=re.MULTILINE)
    position, head, parens = 0, 0, 0
    while position < len(code):
        char = code[position]
        parens += (char == "(") - (char == ")")
        if char == "{":
            kind = "initialiser" if parens > 0 else _kind(code[head:position])
            if kind != "container":
                end = _closing(code, position)
                if kind == "function":
                    yield (_name(code[head:position]), line_of(code, position),
                           code.count("\n", position, end) + 1)
                    head = end + 1
                position = end
            else:
                head = position + 1
        elif char in ";}" and parens <= 0:
            head, parens = position + 1, 0
        position += 1


def _kind(head):
    text = re.sub(r"\[\[.*?\]\]|template\s*<[^{};]*?>(?=\s*[\w\[])", " ", head, flags=re.DOTALL)
    text = re.sub(r"\b(public|private|protected)\s*:", " ", text)
    if re.search(r"=\s*\[[^\]]*\]\s*(\(.*\))?[^()]*$", text, re.DOTALL):
        return "function"  # A named lambda.
    if "(" not in text:
        return "container" if _CONTAINER.search(text) else "initialiser"
    if _CONTAINER.match(text.lstrip()) and not re.search(r"\)\s*[\w\s&]*$", text):
        return "container"
    if _CONTROL.match(text):
        return "function"
    if re.search(r"=\s*[\w:<>, ]*$", text) and "operator" not in text:
        return "initialiser"
    if re.search(r"\)\s*(noexcept\b[^:]*)?:(?!:).*[\w>]\s*$", text, re.DOTALL) \
            and not re.search(r"\)\s*$", text):
        return "initialiser"  # `: member_{...}` of a constructor; its body follows.
    return "function"


def _name(head):
    found = _NAME.search(re.sub(r"\[\[.*?\]\]|__attribute__\s*\(\(.*?\)\)", " ", head,
                                flags=re.DOTALL))
    name = found.group(1) if found else "lambda"
    if name.startswith("TEST"):
        arguments = head[head.index("(") + 1:head.rindex(")")] if ")" in head else ""
        return f"{name}({' '.join(arguments.split())})"
    return name


def _closing(code, position):
    depth = 0
    while position < len(code):
        depth += (code[position] == "{") - (code[position] == "}")
        if depth == 0:
            return position
        position += 1
    return len(code) - 1


def _blank_match(match):
    return re.sub(r"[^\n]", " ", match.group())


def _is_source(path, text):
    return not is_test_data(path) and (path.endswith((".h", ".cc", ".proto")) or is_cmake(path)
                                       or is_script(path, text))
