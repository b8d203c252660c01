"""Words: the banned terms that can be matched safely, the form of a TODO, and plain ASCII.

Only words that never mean anything else are listed. `primary` (key), `server`, `record`, `offset`
and their like are banned for one meaning each, which a reader judges and a pattern cannot.
"""

import re

from source_tree import Finding, is_cmake, is_script, is_test_data, line_of

# Whole words of an identifier or a comment (camel and snake case are split first).
BANNED = {
    "master": "leader", "masters": "leaders",
    "slave": "follower", "slaves": "followers",
    "standby": "follower",
    "shard": "group", "shards": "groups", "sharded": "grouped", "sharding": "grouping",
    "lsn": "log index", "seqno": "log index", "seq no": "log index",
    "write set": "TxData", "writeset": "TxData", "mutation": "TxData", "mutations": "TxData",
    "acked": "confirmed",
    "stored procedure": "procedure",
    "plugin": "module", "plugins": "modules",
    "blacklist": "block list", "whitelist": "allow list",
}
BANNED_STEMS = ("utils", "util", "helpers", "helper", "common", "misc")
TODO = re.compile(r"\bTODO\b(?!\(#\d+\): \S)|\b(FIXME|XXX|HACK)\b")
DISABLED = re.compile(r"\bDISABLED_\w+|^[ \t]*#[ \t]*if[ \t]+0\b", re.MULTILINE)
DEAD_CALL = re.compile(r"^[ \t]*//[ \t]*[\w:.>-]+\([^()]*\);[ \t]*$", re.MULTILINE)
# Assembled from parts, so that this file does not break its own rule.
MACHINE = re.compile(r"(?<![\w.})-])/(?:wor" r"k|home/\w+|roo" r"t/\w+|tmp/d" r"l)(?=[/\s\"'`)]|$)",
                     re.MULTILINE)
HOSTS = re.compile(r"\b(?:registry\.npm" r"js\.org|registry\.yarn" r"pkg\.com|deb\.deb" r"ian\.org"
                   r"|security\.deb" r"ian\.org|deb\.node" r"source\.com|py" r"pi\.org"
                   r"|static\.crates\.i" r"o|proxy\.gola" r"ng\.org)")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def vocabulary(tree):
    """Identifiers and comments of C++ use the fixed terms; no file is called utils."""
    findings = []
    for path in tree.files:
        stem = path.rsplit("/", 1)[-1].split(".")[0]
        if (path.endswith((".h", ".cc")) or is_script(path, tree.files[path])) \
                and set(re.split(r"[_-]", stem)) & set(BANNED_STEMS):
            findings.append(Finding(path, 1, f"is called {stem}: split it by concept"))
    for path in tree.cpp():
        text = "\n".join(a.rstrip() + " " + b.strip() for a, b in zip(
            tree.code(path).split("\n"), tree.comments(path).split("\n")))
        for number, line in enumerate(text.split("\n"), 1):
            findings += [Finding(path, number, f"says '{word}'; the term is '{BANNED[word]}'")
                         for word in _banned_words(line)]
    return findings


def todo_form(tree):
    """A TODO names its issue; nothing is disabled, commented out or left to be fixed."""
    findings = []
    for path, text in tree.files.items():
        if path.startswith("tests/tidy/") or not (path.endswith((".h", ".cc")) or is_cmake(path)
                                                  or is_script(path, text)):
            continue
        for match in TODO.finditer(text):
            findings.append(Finding(path, line_of(text, match.start()),
                                    "write 'TODO(#123): what, and what hurts until then'"))
        if path.endswith((".h", ".cc")):
            findings += [Finding(path, line_of(text, match.start()), "a disabled test or code")
                         for match in DISABLED.finditer(tree.code(path))]
        if path.endswith(".cc"):
            findings += [Finding(path, line_of(text, match.start()), "commented-out code")
                         for match in DEAD_CALL.finditer(tree.comments(path))]
    return findings


def ascii_only(tree):
    """Sources are ASCII; test data is excepted, documents are not sources."""
    findings = []
    for path, text in tree.files.items():
        if is_test_data(path) or not (path.endswith((".h", ".cc", ".proto")) or is_cmake(path)
                                      or is_script(path, text)):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            odd = next((char for char in line if ord(char) > 126 or (ord(char) < 32
                                                                     and char != "\t")), None)
            if odd is not None:
                findings.append(Finding(path, number, f"has the character U+{ord(odd):04X}"))
    return findings


def no_machine_paths(tree):
    """No file knows the machine it was written on, nor a package registry by host."""
    findings = []
    for path, text in tree.files.items():
        if is_test_data(path):
            continue
        for pattern, what in ((MACHINE, "a path of one machine"), (HOSTS, "a registry's host")):
            findings += [Finding(path, line_of(text, match.start()),
                                 f"names {what}: {match.group().strip()}")
                         for match in pattern.finditer(text)]
    return findings


def _banned_words(line):
    found = list(_WORD.finditer(line))
    words = [match.group().lower() for match in found]
    words += [f"{a.group()} {b.group()}".lower() for a, b in zip(found, found[1:])
              if line[a.end():b.start()] in ("", " ", "_", "-")]
    return [word for word in words if word in BANNED]
