"""The files a tidy rule looks at, as one plain value: path -> text.

Rules never touch the disk, so that each of them is tested on trees of two or three files. Paths
are relative to the repository and use '/'. A file that is not UTF-8 is held with its bytes
replaced, so that the ASCII rule still reports it.
"""

import os
import subprocess
from dataclasses import dataclass
from functools import lru_cache

SKIPPED_FOLDERS = ("build/", "third_party/", "node_modules/", ".git/")
CPP = (".h", ".cc")
SCRIPTS = (".py", ".mjs", ".js", ".ts", ".sh")
ROOMS = ("base", "schema", "storage", "replication", "query", "runtime", "actors", "gateway",
         "cli", "proto", "bench")


@dataclass(frozen=True, order=True)
class Finding:
    """One broken rule; `key` and `size` serve the ratchets and are empty elsewhere."""

    path: str
    line: int
    text: str
    key: str = ""
    size: int = 0

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


class SourceTree:
    def __init__(self, files):
        self.files = dict(sorted(files.items()))

    @staticmethod
    def load(root):
        files = {}
        for path in _listed(root):
            full = os.path.join(root, path)
            if os.path.isfile(full) and not os.path.islink(full) and os.path.getsize(full) < 2**22:
                with open(full, encoding="utf-8", errors="replace") as handle:
                    files[path] = handle.read()
        return SourceTree(files)

    def paths(self, suffixes, below=()):
        for path in self.files:
            if path.endswith(tuple(suffixes)) and (not below or path.startswith(tuple(below))):
                yield path

    def cpp(self):
        return self.paths(CPP)

    def code(self, path):
        return masked(self.files[path])[0]

    def comments(self, path):
        return masked(self.files[path])[1]


def is_test_data(path):
    # bench/keynote/dist holds the generated bundle that the benchmark carries.
    return (path.startswith(("tests/vectors/", "tests/golden/", "bench/keynote/dist/"))
            or "/testdata/" in path)


def is_script(path, text):
    return path.endswith(SCRIPTS) or text.startswith("#!")


def is_cmake(path):
    return path.endswith(".cmake") or path.rsplit("/", 1)[-1] == "CMakeLists.txt"


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def _listed(root):
    """Tracked files and new ones that git would track; a plain walk where there is no git."""
    command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        output = subprocess.run(command, check=True, capture_output=True).stdout.decode()
        paths = [path for path in output.split("\0") if path]
    except (OSError, subprocess.CalledProcessError):
        paths = [os.path.relpath(os.path.join(folder, name), root)
                 for folder, _, names in os.walk(root) for name in names]
    return [path for path in sorted(set(paths))
            if not any(skipped in "/" + path for skipped in ("/" + s for s in SKIPPED_FOLDERS))]


@lru_cache(maxsize=None)
def masked(text):
    """Two texts of the shape of `text`: code without comments and literals, and comments alone.

    Everything masked becomes a blank, line ends stay, so positions and line numbers agree.
    """
    code, comments = list(_blank(text)), list(_blank(text))
    position = 0
    while position < len(text):
        end, kind = _token(text, position)
        target = comments if kind == "comment" else code if kind == "code" else None
        if target is not None:
            target[position:end] = text[position:end]
        elif kind == "literal":  # The quotes stay, so that `f("x")` and `f()` differ.
            code[position] = text[position]
            code[end - 1] = text[end - 1]
        position = end
    return "".join(code), "".join(comments)


def _blank(text):
    return ("\n" if c == "\n" else " " for c in text)


def _token(text, position):
    """The end and kind of what starts at `position`: comment, literal or one code character."""
    if text.startswith("//", position):
        return _end(text, text.find("\n", position)), "comment"
    if text.startswith("/*", position):
        found = text.find("*/", position)
        return (len(text) if found < 0 else found + 2), "comment"
    char = text[position]
    if char == '"' and position and text[position - 1] == "R":
        opening = text.find("(", position)
        closing = ")" + text[position + 1:opening] + '"'
        found = text.find(closing, position)
        return (len(text) if found < 0 else found + len(closing)), "literal"
    if char == '"' or (char == "'" and not (position and text[position - 1].isalnum())):
        return _quoted_end(text, position), "literal"
    return position + 1, "code"


def _quoted_end(text, position):
    end = position + 1
    while end < len(text) and text[end] not in (text[position], "\n"):
        end += 2 if text[end] == "\\" else 1
    return min(end + 1, len(text))


def _end(text, found):
    return len(text) if found < 0 else found
