#!/usr/bin/env python3
"""Each rule of tidy finds what it must find, and leaves alone what it must leave alone."""

import unittest

import lengths
import tidy
from source_tree import SourceTree, masked

# Rule -> (small trees it must report, with the number of findings; small trees it must accept).
# Words that would break a rule in this very file are put together from parts.
CASES = {
    "layers": (
        [({"schema/a.cc": '#include "storage/b.h"\n', "storage/b.h": ""}, 1),
         ({"base/a.h": '#include "missing.h"\n'}, 1),
         ({"gateway/a.cc": '#include "actors/b.h"\n', "actors/b.h": ""}, 1),
         ({"cli/call.cc": '#include "storage/b.h"\n', "storage/b.h": ""}, 1),
         ({"bench/load/a.cc": '#include "storage/b.h"\n', "storage/b.h": ""}, 1),
         ({"runtime/a.cc": '#include "tests/runtime/f.h"\n', "tests/runtime/f.h": ""}, 1),
         ({"cellar/a.cc": ""}, 1)],
        [{"storage/a.cc": '#include "schema/b.h"\n#include <map>\n', "schema/b.h": ""},
         {"schema/a.cc": '// #include "storage/b.h"\n/*\n#include "storage/b.h"\n*/\n'},
         {"gateway/a.cc": '#include "actors/messages.h"\n', "actors/messages.h": ""},
         {"gateway/actor_bridge.cc": '#include "actors/b.h"\n', "actors/b.h": ""},
         {"cli/start.cc": '#include "storage/b.h"\n', "storage/b.h": ""},
         {"tests/query/a.cc": '#include "tests/query/f.h"\n', "tests/query/f.h": ""}]),
    "deterministic": (
        [({"replication/a.cc": "auto t = std::chrono::steady_clock::now();\n"}, 1),
         ({"replication/node/a.h": "std::thread thread_;\nstd::random_device chance_;\n"}, 2),
         ({"tests/simulation/a.cc": "std::random_device device;\n"}, 1)],
        [{"replication/a.cc": "// Never steady_clock.\nstd::chrono::microseconds t{1};\n"},
         {"replication/transport/a.cc": "std::thread thread_;\n"},
         {"tests/simulation/runner.cc": "using Clock = std::chrono::steady_clock;\n"},
         {"storage/a.cc": "std::thread thread_;\n"}]),
    "firewall": (
        [({"runtime/a.cc": "#include <v8.h>\n"}, 1),
         ({"runtime/a.cc": "#include <node/v8-isolate.h>\n"}, 1),
         ({"storage/log/a.cc": "#include <rocksdb/db.h>\n"}, 1),
         ({"gateway/a.cc": "#include <caf/actor.hpp>\n"}, 1),
         ({"actors/a.cc": "#include <caf/all.hpp>\n"}, 1),
         ({"cli/publish.cc": "#include <boost/beast/http.hpp>\n"}, 1),
         ({"cli/a.cc": "#include <iostream>\n#include <regex>\n"}, 2),
         ({"actors/a.h": "#include <spdlog/spdlog.h>\n"}, 1),
         ({"base/bytes.h": "#include <fmt/core.h>\n"}, 1),
         ({"schema/a.h": "#include <nlohmann/json.hpp>\n"}, 1),
         ({"schema/a.h": "#include <absl/types/span.h>\n"}, 1),
         ({"gateway/a.h": "#include <boost/beast/http.hpp>\n",
           "cli/a.cc": '#include "gateway/a.h"\n'}, 1),
         ({"replication/transport/a.h": "#include <proto/replication.pb.h>\n"}, 1),
         ({"actors/a.cc": "#include <proto/replication.grpc.pb.h>\n"}, 1),
         ({"replication/transport/a.h": "#include <grpcpp/alarm.h>\n",
           "actors/a.cc": '#include "replication/transport/a.h"\n'}, 1),
         ({"base/a.cc": "#include <gtest/gtest.h>\n"}, 1)],
        [{"runtime/v8/a.h": "#include <v8.h>\n#include <libplatform/libplatform.h>\n"},
         {"storage/rocksdb/a.h": "#include <rocksdb/db.h>\n"},
         {"tests/storage/a.cc": "#include <gtest/gtest.h>\n#include <rocksdb/db.h>\n"},
         {"tests/runtime/a.cc": "#include <v8.h>\n"},
         {"replication/transport/a.cc": "#include <proto/replication.pb.h>\n"},
         {"replication/transport/a.h": "#include <grpcpp/alarm.h>\n",
          "replication/transport/a.cc": '#include "replication/transport/a.h"\n'},
         {"tests/replication/transport/a.h": "#include <proto/replication.pb.h>\n"},
         {"gateway/actor_bridge.cc": "#include <caf/actor.hpp>\n"},
         {"gateway/a.cc": "#include <boost/asio.hpp>\n#include <spdlog/spdlog.h>\n"},
         {"gateway/a.h": "#include <boost/beast/http.hpp>\n",
          "tests/gateway/a.cc": '#include "gateway/a.h"\n'},
         {"cli/http_client.cc": "#include <boost/beast/http.hpp>\n"},
         {"base/status.h": "#include <fmt/core.h>\n#include <string>\n"},
         {"schema/a.h": "#include <cstdint>\n#include <span>\n#include <sys/types.h>\n"}]),
    "examples": (
        [({"examples/a.cc": '#include "base/status.h"\n', "base/status.h": ""}, 1),
         ({"docs/a.cc": "#include <storage/transaction.h>\n"}, 1)],
        [{"examples/a.cc": "#include <vector>\n"}, {"base/a.cc": '#include "base/b.h"\n'}]),
    "vocabulary": (
        [({"a.cc": "int mas" "ter_node;\n"}, 1), ({"a.cc": "// asks the Sl" "ave\n"}, 1),
         ({"a.h": "struct Writ" "eSet;\n"}, 1), ({"a.cc": "int seq" "no;\n"}, 1),
         ({"base/string_ut" "ils.cc": ""}, 1), ({"scripts/comm" "on.sh": ""}, 1)],
        [{"a.cc": 'find_index("mas' 'ter"); int writer_settings; int leader;\n'},
         {"a.cc": "int remastered; // the write, set by the caller\n"},
         {"docs/common.md": ""}, {"base/utility.h": ""}]),
    "todo_form": (
        [({"a.cc": "// TO" "DO: later\n"}, 1), ({"a.cc": "// FIX" "ME\n"}, 1),
         ({"s.sh": "# TO" "DO(me): x\n"}, 1), ({"a.cc": "TEST(A, DIS" "ABLED_Works) {}\n"}, 1),
         ({"a.cc": "#if 0\n#endif\n"}, 1), ({"a.cc": "  // store.commit(tx);\n"}, 1)],
        [{"a.cc": "// TO" "DO(#12): no ICU, so names of two scripts are refused\n"},
         {"a.cc": "#if 1\n#endif\n// Calls commit(), then waits.\n"},
         {"a.h": "// store.commit(tx);\n"}]),
    "ascii_only": (
        [({"a.cc": "// \u00fcber\n"}, 1), ({"cmake/a.cmake": "# \u2026\n"}, 1),
         ({"a.py": "x = '\u2192'\n"}, 1)],
        [{"a.cc": "// ueber\n\tint a;\n"}, {"docs/a.md": "\u2192\n"},
         {"tests/vectors/a.js": "'\u00fc'\n"}]),
    "no_machine_paths": (
        [({"a.sh": "cd /wor" "k/main\n"}, 1), ({"README.md": "see /ho" "me/ann/x\n"}, 1),
         ({"package-lock.json": '"https://registry.npm' 'js.org/a.tgz"\n'}, 1)],
        [{"a.sh": "cd $root/wor" "k/main /usr/bin /tmp/x\n"}, {"a.cc": "// net" "work/x\n"},
         {"package-lock.json": '"integrity": "sha512-x"\n'}]),
    "one_title": (
        [({"a.md": "text\n"}, 1), ({"a.md": "# One\n\n# Two\n"}, 1)],
        [{"a.md": "# One\n\n## Two\n```sh\n# not a title\n```\n"},
         {"docs/changes/features/a.md": "A sentence.\n"}]),
    "links_resolve": (
        [({"docs/a.md": "[b](b.md)\n"}, 1), ({"a.md": "# A\n[x](#missing)\n"}, 1),
         ({"a.md": "![p](p.png)\n"}, 1)],
        [{"docs/a.md": "# A b\n[b](../c/d.md#the-top) [c](../c) [me](#a-b)\n",
          "c/d.md": "# The top\n"},
         {"a.md": "[w](https://example.org/x)\n```\n[b](b.md)\n```\n"}]),
    "named_functions_exist": (
        [({"a.md": "`x/a.cc` \u2192 `run`\n", "x/a.cc": "// run\n"}, 1),
         ({"a.md": "`x/b.cc` -> `run`\n"}, 1)],
        [{"a.md": "`x/a.cc` \u2192 `run`, `Loop::stop`\n", "x/a.cc": "void run(); void stop();\n"},
         {"a.md": "`x/b.cc` and `run`\n"}]),
    "in_a_target": (
        [({"base/a.cc": ""}, 1), ({"base/a.h": ""}, 1), ({"base/CMakeLists.txt": "f(a.cc)\n"}, 1),
         ({"base/a.cc": "", "base/CMakeLists.txt": "# f(a.cc)\n"}, 1)],
        [{"base/a.cc": "", "base/b/c.h": "", "base/CMakeLists.txt": "f(SOURCES a.cc b/c.h)\n"},
         {"tests/x/a.cc": '#include "tests/x/f.h"\n', "tests/x/f.h": "",
          "x/CMakeLists.txt": "f(${PROJECT_SOURCE_DIR}/tests/x/a.cc)\n"}]),
    "no_global_cmake": (
        [({"CMakeLists.txt": "include_directories(x)\n"}, 1),
         ({"a/CMakeLists.txt": "file(GLOB x *.cc)\nset(CMAKE_CXX_FLAGS -O3)\n"}, 2)],
        [{"CMakeLists.txt": "target_include_directories(t x)\n# link_libraries(x)\n"}]),
    "header_shape": (
        [({"base/a.h": "// a.h\n#pragma once\n"}, 1), ({"base/a.h": "// base/a.h\n"}, 1)],
        [{"base/a.h": "// base/a.h\n//\n#pragma once\n"}]),
    "file_lengths": (
        [({"a.cc": "\n" * 801}, 1), ({"a.h": "\n" * 301}, 1), ({"a.py": "\n" * 801}, 1)],
        [{"a.cc": "\n" * 800, "a.h": "\n" * 300, "a.md": "\n" * 900}]),
    "line_lengths": (
        [({"a.cc": "x" * 101 + "\n"}, 1)],
        [{"a.cc": "x" * 100 + "\n", "a.md": "x" * 200}]),
    "function_lengths": (
        [({"a.cc": "void f() {" + "\n" * 60 + "}\n"}, 1),
         ({"a.cc": "class A {\n int g() const {" + "\n" * 70 + "}\n};\n"}, 1),
         ({"a.cc": "A::A(int x) : b_{x}, c_(x) {" + "\n" * 60 + "}\n"}, 1),
         ({"a.cc": "namespace n {\nTEST(A, B) {" + "\n" * 60 + "}\n}\n"}, 1)],
        [{"a.cc": "void f() {" + "\n" * 59 + "}\n"},
         {"a.cc": "class A {\n" + "int f() { return 1; }\n" * 80 + "};\n"},
         {"a.cc": "constexpr int kTable[] = {" + "\n1," * 90 + "};\n"},
         {"a.cc": "void f() {\n// {{{ \"\n}\n" + "int a;\n" * 80 + 'auto s = R"({)";\n'}]),
}


class TidyRulesTest(unittest.TestCase):
    def test_every_rule_has_cases(self):
        self.assertEqual(set(CASES), set(tidy.RULES) | set(tidy.RATCHETS))

    def test_every_rule_reports_what_breaks_it(self):
        for name, (bad, _) in CASES.items():
            for files, count in bad:
                with self.subTest(rule=name, files=files):
                    found = self.run_rule(name, files)
                    self.assertEqual(len(found), count, [str(finding) for finding in found])

    def test_every_rule_accepts_what_keeps_it(self):
        for name, (_, good) in CASES.items():
            for files in good:
                with self.subTest(rule=name, files=files):
                    self.assertEqual([str(f) for f in self.run_rule(name, files)], [])

    def test_masking_keeps_the_shape_of_the_text(self):
        text = "a; // b\n/* c\n */ d(\"e // f\", 'g', 1'000); R\"x(h\n)x\" i;\n"
        code, comments = masked(text)
        self.assertEqual([len(line) for line in code.split("\n")],
                         [len(line) for line in text.split("\n")])
        self.assertEqual(code.split(), ["a;", 'd("', '",', "'", "',", "1'000);", 'R"', '"', "i;"])
        self.assertEqual(comments.split(), ["//", "b", "/*", "c", "*/"])

    def test_functions_are_named_and_measured(self):
        code = ("int A::f(int x) const {\n if (x) {\n }\n}\n"
                "struct B {\n B() : c{1} {\n }\n bool operator==(const B&) const {\n }\n};\n"
                "const auto g = [](int y) {\n return y;\n};\n")
        self.assertEqual(list(lengths.functions(code)),
                         [("A::f", 1, 4), ("B", 6, 2), ("operator==", 8, 2), ("lambda", 11, 3)])

    def test_the_ratchet_refuses_growth_and_asks_to_write_down_shrinkage(self):
        tree = SourceTree({"a.cc": "\n" * 900})
        findings = tidy.RATCHETS["file_lengths"](tree)
        self.assertEqual(tidy.ratchet(findings, {"file a.cc": 900})[0], [])
        self.assertEqual(len(tidy.ratchet(findings, {})[0]), 1)
        self.assertEqual(len(tidy.ratchet(findings, {"file a.cc": 899})[0]), 1)
        self.assertEqual(len(tidy.ratchet(findings, {"file a.cc": 901})[0]), 1)
        self.assertEqual(len(tidy.ratchet([], {"file a.cc": 900})[0]), 1)

    def test_rebaseline_shrinks_freely_and_grows_only_by_force(self):
        tree = SourceTree({"a.cc": "\n" * 900})
        old = {"file_lengths": {"file a.cc": 950, "file b.cc": 999}}
        fresh, grown = tidy.rebaseline(tree, old, force=False)
        self.assertEqual((fresh["file_lengths"], grown), ({"file a.cc": 900}, []))
        self.assertEqual(tidy.rebaseline(tree, {}, force=False)[0], None)
        self.assertEqual(tidy.rebaseline(tree, {}, force=True)[0]["file_lengths"],
                         {"file a.cc": 900})

    def run_rule(self, name, files):
        return {**tidy.RULES, **tidy.RATCHETS}[name](SourceTree(files))


if __name__ == "__main__":
    unittest.main()
