"""Who may include whom: the table of rooms, and the firewall around third parties.

A row names the folders a room may include and the third parties it may see. Public headers see
only what the row's `headers` says, because a header drags its includes into every other room.
"""

import re

from source_tree import Finding, line_of

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)

# Folder prefix -> prefixes it may include. The longest matching prefix decides.
LAYERS = {
    "base/": ("base/",),
    "schema/": ("base/", "schema/"),
    "storage/": ("base/", "schema/", "storage/"),
    "replication/": ("base/", "storage/log/", "replication/", "proto/"),
    "query/": ("base/", "schema/", "storage/", "query/"),
    "runtime/": ("base/", "schema/", "storage/", "query/", "runtime/"),
    "actors/": ("base/", "schema/", "storage/", "replication/", "query/", "runtime/", "actors/",
                "proto/"),
    "gateway/": ("base/", "schema/", "gateway/", "actors/messages.h", "proto/"),
    "gateway/actor_bridge.cc": ("base/", "schema/", "gateway/", "actors/"),
    "cli/": ("base/", "schema/", "cli/", "proto/"),
    "cli/bench.cc": ("base/", "schema/", "cli/", "bench/load/bench_command.h"),
    "cli/start.cc": ("base/", "schema/", "storage/", "replication/", "query/", "runtime/",
                     "actors/", "gateway/", "cli/"),
    "cli/recover_group.cc": ("base/", "storage/", "replication/", "cli/"),
    "bench/load/": ("base/", "schema/", "bench/load/"),
    "bench/": ("base/", "schema/", "storage/", "replication/", "query/", "runtime/", "actors/",
               "gateway/", "bench/"),
    "tests/": ("",),
    "proto/": (),
    "examples/": (),
    "deploy/": (),
    "docs/": (),
}
# Targets inside a room that see less than the room.
LAYERS["replication/raft_core"] = ("base/", "replication/")

# Third party (prefix of the include) -> folders that may name it. Tests and microbenchmarks of the
# same room may too.
FIREWALL = {
    "V8": (r"(node/)?v8[-.\w]*\.h$|(node/)?libplatform/|node/|cppgc/", ("runtime/v8/",)),
    "RocksDB": (r"rocksdb/", ("storage/rocksdb/",)),
    "CAF": (r"caf/", ("actors/", "gateway/actor_bridge.cc")),
    "Asio and Beast": (r"boost/", ("gateway/", "cli/http_client", "bench/load/")),
    "TLS": (r"openssl/", ("gateway/", "replication/transport/")),
    "compression": (r"brotli/|zlib\.h$|zstd", ("gateway/",)),
    "gRPC": (r"grpc", ("replication/transport/", "gateway/admin/")),
    "protobuf": (r"google/protobuf/", ("replication/transport/", "gateway/admin/")),
    "code made of proto/": (r"proto/", ("replication/transport/", "gateway/admin/")),
    "ICU": (r"unicode/", ("schema/", "query/", "runtime/v8/")),
    "Crypto++": (r"crypto(\+\+|pp)/", ("schema/",)),
    "BLAKE3": (r"blake3", ("schema/",)),
    "CLI11": (r"CLI/", ("cli/", "bench/load/")),
    "toml++": (r"toml\+\+/", ("cli/",)),
    "spdlog": (r"spdlog/", ("actors/", "gateway/", "cli/", "bench/load/")),
    "GoogleTest": (r"g(test|mock)/", ("tests/",)),
    "Google Benchmark": (r"benchmark/", ("bench/",)),
    "prometheus-cpp": (r"prometheus/", ("gateway/", "actors/")),
}
# Never in a header of ours: each costs more than the compile-time budget of a header allows.
SOURCES_ONLY = (r"spdlog/", r"nlohmann/", r"unicode/", r"crypto(\+\+|pp)/",
                r"openssl/", r"CLI/", r"brotli/", r"zlib\.h$", r"blake3", r"toml\+\+/",
                r"google/protobuf/", r"proto/")
# In a header only if nobody outside its room includes that header.
INSIDE_A_ROOM = (r"boost/beast", r"grpc")
HEADERS_WITHOUT_THIRD_PARTIES = ("schema/", "query/", "replication/", "storage/")
NOWHERE = {
    "caf/all.hpp": "include the CAF header that is meant: this one has 149k lines",
    "iostream": "use fmt or spdlog",
    "regex": "write a parser: <regex> is slow to compile and recurses over its input",
}
# What decides the same for the same seed: the core, the rules of a node, and what simulates them.
DETERMINISTIC = ("replication/", "tests/simulation/", "tests/replication_node/")
NOT_DETERMINISTIC = ("replication/transport/", "tests/simulation/runner.cc")  # It tells speed.
CHANCE = re.compile(r"\b(steady_clock|system_clock|high_resolution_clock|random_device|getrandom"
                    r"|secure_random|std::j?thread|std::async|sleep_for)\b")
STANDARD = re.compile(r"[a-z_0-9]+$|(sys|netinet|arpa|linux)/|(unistd|fcntl|errno|signal|pthread"
                      r"|immintrin|poll|dirent|stdint|stddef|string|math|time)\.h$")


def layers(tree):
    """A file includes only what its room's row allows."""
    findings = []
    for path in tree.cpp():
        allowed = LAYERS.get(_row_of(path))
        if allowed is None:
            findings.append(Finding(path, 1, "is in no room of the table"))
            continue
        for line, quote, target in includes(tree, path):
            if quote != '"':
                continue
            if target not in tree.files:
                findings.append(Finding(path, line, f"includes {target}, which is not a path "
                                                    "from the root"))
            elif not target.startswith(allowed):
                findings.append(Finding(path, line, f"may not include {target}"))
    return findings


def firewall(tree):
    """Third parties are named only where the table allows, and mostly not in headers."""
    findings = []
    shown = {target for path in tree.cpp() for _, quote, target in includes(tree, path)
             if quote == '"' and target.split("/")[0] not in path.split("/")[:2]}
    for path in tree.cpp():
        for line, quote, target in includes(tree, path):
            if quote == "<":
                findings += [Finding(path, line, text) for text in _faults(path, target)]
            if quote == "<" and path in shown and _matches(INSIDE_A_ROOM, target):
                findings.append(Finding(path, line, f"<{target}> reaches other rooms from here"))
    return findings


def examples(tree):
    """What users write knows nothing of the server's headers."""
    below = ("examples/", "deploy/", "docs/")
    return [Finding(path, line, f"includes the server header {target}")
            for path in tree.paths((".h", ".cc", ".c", ".cpp", ".hpp"), below)
            for line, quote, target in includes(tree, path)
            if quote == '"' or target.split("/")[0] in _rooms()]


def deterministic(tree):
    """No clock, thread or entropy where a seed must repeat a run exactly."""
    return [Finding(path, line_of(tree.files[path], match.start()),
                    f"{match.group()}: a seed would not repeat what this does")
            for path in tree.paths((".h", ".cc"), DETERMINISTIC)
            if not path.startswith(NOT_DETERMINISTIC)
            for match in CHANCE.finditer(tree.code(path))]


def includes(tree, path):
    """(line, quote, target) of each include that is not commented out."""
    text, code = tree.files[path], tree.code(path)
    for match in INCLUDE.finditer(text):
        if "#" in code[match.start():match.start(1)]:
            yield line_of(text, match.start(1)), match.group(1), match.group(2)


def _faults(path, target):
    if target in NOWHERE:
        yield f"<{target}> is used nowhere: {NOWHERE[target]}"
    for name, (pattern, folders) in FIREWALL.items():
        if re.match(pattern, target) and not _mirrored(path).startswith(folders) \
                and not path.startswith(folders):
            yield f"<{target}>: {name} belongs to {', '.join(folders)}"
    if not path.endswith(".h") or path.startswith("tests/"):
        return
    if _matches(SOURCES_ONLY, target):
        yield f"<{target}> may be included by a .cc only"
    elif target.startswith("fmt/") and (path, target) != ("base/status.h", "fmt/core.h"):
        yield f"<{target}> may be included by a .cc only (and fmt/core.h by base/status.h)"
    elif path.startswith(HEADERS_WITHOUT_THIRD_PARTIES) and not STANDARD.match(target) \
            and not path.startswith(("storage/rocksdb/", "replication/transport/")):
        yield f"<{target}>: this room's headers are free of third parties"


def _matches(patterns, target):
    return any(re.match(pattern, target) for pattern in patterns)


def _mirrored(path):
    """tests/storage/rocksdb_test.cc may see what any folder of storage may see."""
    parts = path.split("/")
    if parts[0] not in ("tests", "bench") or len(parts) < 3:
        return path
    room = parts[1] + "/"
    return _widest.get(room, room)


def _rooms():
    return {prefix.split("/")[0] for prefix in LAYERS} - {"tests", "examples", "deploy", "docs"}


def _row_of(path):
    rows = [prefix for prefix in LAYERS if path.startswith(prefix)]
    return max(rows, key=len) if rows else None


_widest = {"storage/": "storage/rocksdb/", "storage_log/": "storage/rocksdb/",
           "runtime/": "runtime/v8/", "replication/": "replication/transport/"}
