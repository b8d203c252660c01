#!/usr/bin/env python3
"""Checks the house style that a machine can check. Standard library only.

    tests/tidy/tidy.py                  all rules over the repository, as `ctest -L tidy` runs them
    tests/tidy/tidy.py --rule layers    one rule
    tests/tidy/tidy.py --rebaseline     write down what is left of the old exceptions

The rules about lengths are ratchets: baseline.json lists the exceptions with their size, and an
exception that shrank or went away must be written down, so that it cannot come back. --rebaseline
does that; it refuses to add or enlarge an exception unless --force is given too.
"""

import argparse
import json
import os
import sys

import building
import documents
import layers
import lengths
import wording
from source_tree import SourceTree

RULES = {rule.__name__: rule for rule in (
    layers.layers, layers.firewall, layers.examples, layers.deterministic,
    wording.vocabulary, wording.todo_form, wording.ascii_only, wording.no_machine_paths,
    documents.one_title, documents.links_resolve, documents.named_functions_exist,
    building.in_a_target, building.no_global_cmake, building.header_shape)}
RATCHETS = {rule.__name__: rule for rule in (
    lengths.file_lengths, lengths.line_lengths, lengths.function_lengths)}
HERE = os.path.dirname(os.path.abspath(__file__))
BASELINE = os.path.join(HERE, "baseline.json")


def ratchet(findings, baseline):
    """(texts of what is wrong, the baseline as it ought to be)."""
    sizes = {finding.key: finding.size for finding in findings}
    texts = [str(finding) for finding in findings if finding.size > baseline.get(finding.key, 0)]
    texts += [f"baseline.json: '{key}' is {sizes.get(key, 'gone')}, not {size}: run --rebaseline"
              for key, size in baseline.items() if sizes.get(key, 0) < size]
    return texts, dict(sorted(sizes.items()))


def run(tree, names, baseline):
    """(number of rules, texts of what is wrong) over the named rules."""
    texts = []
    for name in names:
        if name in RULES:
            texts += [f"{finding} [{name}]" for finding in RULES[name](tree)]
        else:
            wrong, _ = ratchet(RATCHETS[name](tree), baseline.get(name, {}))
            texts += [f"{text} [{name}]" for text in wrong]
    return texts


def rebaseline(tree, baseline, force):
    """The new baseline, or the exceptions that would have grown."""
    fresh = {name: ratchet(rule(tree), {})[1] for name, rule in RATCHETS.items()}
    grown = [f"{name}: {key} {baseline.get(name, {}).get(key, 0)} -> {size}"
             for name, sizes in fresh.items() for key, size in sizes.items()
             if size > baseline.get(name, {}).get(key, 0)]
    return (None, grown) if grown and not force else (fresh, grown)


def main():
    parser = argparse.ArgumentParser(description="Checks the house style.")
    parser.add_argument("--root", default=os.path.dirname(os.path.dirname(HERE)))
    parser.add_argument("--rule", action="append", choices=[*RULES, *RATCHETS])
    parser.add_argument("--rebaseline", action="store_true", help="write the ratchets' baseline")
    parser.add_argument("--force", action="store_true", help="let the baseline grow")
    options = parser.parse_args()
    tree = SourceTree.load(options.root)
    baseline = {}
    if os.path.exists(BASELINE):
        with open(BASELINE, encoding="utf-8") as handle:
            baseline = json.load(handle)
    if options.rebaseline:
        fresh, grown = rebaseline(tree, baseline, options.force)
        print("\n".join(grown))
        if fresh is None:
            print("refused: the baseline may only shrink")
            return 1
        with open(BASELINE, "w", encoding="utf-8") as handle:
            json.dump(fresh, handle, indent=1, sort_keys=True)
            handle.write("\n")
        return 0
    names = options.rule or [*RULES, *RATCHETS]
    texts = run(tree, names, baseline)
    print("\n".join(texts))
    print(f"tidy: {len(names)} rules over {len(tree.files)} files, {len(texts)} findings")
    return 1 if texts else 0


if __name__ == "__main__":
    sys.exit(main())
