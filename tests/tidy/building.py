"""CMake: every source belongs to a target, and targets are described, not guessed."""

import posixpath
import re

from source_tree import Finding, is_cmake, line_of

_GLOBAL = re.compile(r"^[ \t]*(include_directories|link_libraries|add_definitions|link_directories"
                     r"|file[ \t]*\([ \t]*GLOB(?:_RECURSE)?\b|aux_source_directory"
                     r"|set[ \t]*\([ \t]*CMAKE_CXX_FLAGS\b)", re.MULTILINE | re.IGNORECASE)
_BELOW = ("base/", "schema/", "storage/", "replication/", "query/", "runtime/", "actors/",
          "gateway/", "cli/", "bench/", "tests/")


def in_a_target(tree):
    """Each .cc and .h of ours is named by a CMakeLists.txt of its folder or one above it."""
    listed = _listed(tree)
    included = {match for path in tree.cpp()
                for match in re.findall(r'#include "([^"]+)"', tree.files[path])}
    findings = []
    for path in tree.paths((".cc", ".h"), _BELOW):
        if path in listed or (path.endswith(".h") and path in included):
            continue  # Private headers and those of tests: being included is belonging.
        findings.append(Finding(path, 1, "belongs to no CMake target"))
    for path, (place, line) in listed.items():
        if path.endswith((".cc", ".h")) and path not in tree.files:
            findings.append(Finding(place, line, f"names {path}, which does not exist"))
    return findings


def no_global_cmake(tree):
    """Targets, not variables: nothing global, nothing globbed."""
    return [Finding(path, line_of(text, match.start()), f"uses {match.group(1).strip()}")
            for path, text in tree.files.items() if is_cmake(path)
            for match in _GLOBAL.finditer(_without_comments(text))]


def header_shape(tree):
    """A header opens with its own path and says #pragma once."""
    findings = []
    for path in tree.paths((".h",)):
        lines = tree.files[path].split("\n")
        if lines[0] != f"// {path}":
            findings.append(Finding(path, 1, f"must begin with '// {path}'"))
        if "#pragma once" not in lines:
            findings.append(Finding(path, 1, "has no #pragma once"))
    return findings


def _listed(tree):
    listed = {}
    for path, text in tree.files.items():
        if posixpath.basename(path) != "CMakeLists.txt":
            continue
        folder = posixpath.dirname(path)
        text = _without_comments(text)
        for match in re.finditer(r"[^\s()\"]+\.(?:cc|h|c|cpp)(?=[\s)\"]|$)", text):
            name = re.sub(r"^\$\{(PROJECT|CMAKE)_SOURCE_DIR\}/", "/", match.group())
            name = re.sub(r"^\$\{CMAKE_CURRENT_(SOURCE|LIST)_DIR\}/", "", name)
            if "$" in name or "<" in name:
                continue
            full = name[1:] if name.startswith("/") else posixpath.join(folder, name)
            listed.setdefault(posixpath.normpath(full), (path, line_of(text, match.start())))
    return {name: place for name, place in listed.items() if not name.startswith("third_party")}


def _without_comments(text):
    return re.sub(r"#[^\n]*", lambda match: " " * len(match.group()), text)
