"""Documents: one title each, links that resolve, functions where they are said to be."""

import posixpath
import re

from source_tree import Finding, line_of

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
# `gateway/websocket_session.cc` -> `on_frame`, with an arrow of either kind.
_PLACE = re.compile(r"`([\w/.]+\.(?:cc|h))`\s*(?:\u2192|->)\s*((?:`[\w:~]+`(?:\s*,\s*)?)+)")


def one_title(tree):
    """Exactly one H1 in each document; fragments of the change log have none or one."""
    findings = []
    for path in _documents(tree):
        titles = re.findall(r"^# \S", _prose(tree.files[path]), re.MULTILINE)
        if path.startswith("docs/changes/") and not titles:
            continue
        if len(titles) != 1:
            findings.append(Finding(path, 1, f"has {len(titles)} titles of the first level"))
    return findings


def links_resolve(tree):
    """A relative link names a file or folder of the repository, and an anchor a heading in it."""
    findings = []
    folders = {posixpath.dirname(path) for path in tree.files}
    folders |= {parent for folder in folders for parent in _parents(folder)}
    for path in _documents(tree):
        prose = _prose(tree.files[path])
        for match in _LINK.finditer(prose):
            target = match.group(1) or match.group(2)
            if not re.match(r"[a-z]+:", target):
                findings += [Finding(path, line_of(prose, match.start()), text)
                             for text in _link_faults(tree, path, target, folders)]
    return findings


def named_functions_exist(tree):
    """`file.cc` -> `function` in a document: the file is there and has that word in its code."""
    findings = []
    for path in _documents(tree):
        for match in _PLACE.finditer(_prose(tree.files[path])):
            line = line_of(tree.files[path], match.start())
            place = match.group(1)
            if place not in tree.files:
                findings.append(Finding(path, line, f"names {place}, which does not exist"))
                continue
            for name in re.findall(r"`([\w:~]+)`", match.group(2)):
                if not re.search(rf"\b{re.escape(name.split('::')[-1])}\b", tree.code(place)):
                    findings.append(Finding(path, line, f"{place} has no {name}"))
    return findings


def _link_faults(tree, path, target, folders):
    place, _, anchor = target.partition("#")
    full = posixpath.normpath(posixpath.join(posixpath.dirname(path), place)) if place else path
    if full not in tree.files and full not in folders and full != ".":
        yield f"links to {target}, which does not exist"
    elif anchor and full.endswith(".md") and anchor not in _anchors(tree.files[full]):
        yield f"links to {target}: no such heading"


def _anchors(text):
    headings = re.findall(r"^#+ (.*)$", _prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in headings}


def _prose(text):
    """The document without its code fences, of the same shape."""
    return _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def _parents(folder):
    while folder:
        folder = posixpath.dirname(folder)
        yield folder


def _documents(tree):
    return tree.paths((".md",))
