// tests/runtime/js_loading_test.cc: how JavaScript modules are resolved, evaluated and registered
// [S 03/3.1-3.3], and what they are refused for.
#include <gtest/gtest.h>

#include "tests/runtime/runtime_fixture.h"

namespace worldline::runtime {
namespace {

Status load_status(std::string_view source, const ModuleLimits& limits = {}) {
  RecordingLog log;
  auto loaded = load_module(test_runtime(), js_program(source), limits, log);
  return loaded.ok() ? loaded.value()->describe().status() : loaded.status();
}

struct RefusalCase {
  const char* name;
  const char* source;
  const char* text;  // The error contains it.
};
const RefusalCase kRefusals[] = {
    {"SyntaxErrorsNameThePlace", "export default {\n  a: = 1 };", "SyntaxError"},
    {"UnknownSpecifier", "import 'node:fs'; export default {};",
     "TypeError: Could not find module"},
    {"NewerSysVersion", "import 'spacetime:sys@2.2'; export default {};",
     "TypeError: Could not import \"spacetime:sys@2.2\", likely because this module was built for "
     "a newer version of SpacetimeDB.\nIt requires sys module v2.2, but that version is not "
     "supported by the database."},
    {"NewerMajorVersion", "import 'spacetime:sys@3.0'; export default {};",
     "It requires sys module v3.0"},
    {"UnparsableVersion", "import 'spacetime:sys@two'; export default {};",
     "TypeError: Invalid version in module spec"},
    {"VersionWithTail", "import 'spacetime:sys@2.0.1'; export default {};",
     "TypeError: Invalid version in module spec"},
    {"MissingExportOfSys", "import { fly } from 'spacetime:sys@2.0'; export default {};",
     "SyntaxError: The requested module 'spacetime:sys@2.0' does not provide an export named "
     "'fly'"},
    {"ClearIsNotInVersion20", "import { datastore_clear } from 'spacetime:sys@2.0';",
     "does not provide an export named 'datastore_clear'"},
    {"NoDefaultExport", "export const a = 1;", "must export schema as default export"},
    {"NullDefaultExport", "export default null;", "must export schema as default export"},
    {"NumberAsDefaultExport", "export default 5;", "default export is not a Schema object"},
    {"ObjectWithoutHooks", "export default {};", "default export is not a Schema object"},
    {"PendingTopLevelAwait", "await new Promise(() => {}); export default {};",
     "TypeError: module has top-level await and is pending"},
    {"ThrowWhileEvaluating", "throw new RangeError('no start');",
     "Uncaught RangeError: no start\n\tat spacetimedb_module:1:7"},
    {"RejectedTopLevelAwait", "await Promise.reject(new Error('later'));", "Uncaught Error: later"},
    {"ThrowingHookGetter",
     "import { moduleHooks } from 'spacetime:sys@2.0';\n"
     "export default { get [moduleHooks]() { throw new Error('from the getter'); } };",
     "Uncaught Error: from the getter"},
    {"HooksAreNoObject",
     "import { moduleHooks } from 'spacetime:sys@2.0';\n"
     "export default { [moduleHooks]() { return 1; } };",
     "default export is not a Schema object"},
    {"MissingHook",
     "import { moduleHooks } from 'spacetime:sys@2.0';\n"
     "export default { [moduleHooks]() { return { __describe_module__() {} }; } };",
     "TypeError: Expected module function hook `__get_error_constructor__`, got undefined"},
    {"WrongHook",
     "import { register_hooks } from 'spacetime:sys@1.0';\n"
     "register_hooks({ __describe_module__: 5, __call_reducer__() {} });",
     "TypeError: Expected module function hook `__describe_module__`, got number"},
    {"RegisteringTwice",
     "import { register_hooks } from 'spacetime:sys@1.0';\n"
     "const h = { __describe_module__() {}, __call_reducer__() {} };\n"
     "register_hooks(h); register_hooks(h);",
     "TypeError: cannot call `register_hooks` multiple times"},
    {"OnlyViewHooksOfVersion1",
     "import { register_hooks } from 'spacetime:sys@1.1';\n"
     "register_hooks({ __call_view__() {}, __call_view_anon__() {} });",
     "Expected module function hook `__describe_module__`"},
    {"MathRandom", "Math.random();",
     "TypeError: Math.random is not available in SpacetimeDB modules. Use ctx.random instead."},
    {"DatastoreOutsideOfACall",
     "import { table_id_from_name } from 'spacetime:sys@2.0'; table_id_from_name('x');",
     "Uncaught Error: ABI call can only be made while in a transaction"},
    {"DynamicImport", "await import('spacetime:sys@2.0');", "Uncaught"},
};
class RefusalTest : public testing::TestWithParam<RefusalCase> {};
TEST_P(RefusalTest, IsRefusedWithItsText) {
  const Status status = load_status(GetParam().source);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find(GetParam().text), std::string::npos) << status.message();
}
INSTANTIATE_TEST_SUITE_P(S03, RefusalTest, testing::ValuesIn(kRefusals),
                         [](const auto& test) { return test.param.name; });

TEST(JsLoading, NotUtf8IsRefused) {
  const Status status = load_status("export default '\xff\xfe';");
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
}

TEST(JsLoading, TheRawExampleOfTheSpecificationDescribesItself) {
  RecordingLog log;
  auto described =
      describe_module(test_runtime(), js_program(read_test_file("say_raw_2_0.bundle")), {}, log);
  ASSERT_TRUE(described.ok()) << described.status().message();
  ASSERT_EQ(described->def->tables().size(), 1u);
  EXPECT_EQ(described->def->tables()[0].full_name, "msg");
  ASSERT_NE(described->def->find_reducer("say"), nullptr);
}

TEST(JsLoading, ResolvedTopLevelAwaitIsFine) {
  EXPECT_TRUE(load_status(raw_module("await Promise.resolve(1); reducer('r', () => {});")).ok());
}

TEST(JsLoading, EndlessEvaluationEndsWithTheBudget) {
  ModuleLimits limits;
  limits.call_budget = std::chrono::milliseconds(50);
  EXPECT_EQ(load_status("for (;;) {}", limits).code(), StatusCode::kTimeout);
  EXPECT_EQ(
      load_status("export default 1; Promise.resolve().then(() => { for (;;); });", limits).code(),
      StatusCode::kTimeout);
}

TEST(JsLoading, HeapLimitEndsEvaluation) {
  ModuleLimits limits;
  limits.heap_bytes = 32 * limits::MiB;
  const Status status =
      load_status("const a = []; for (;;) a.push(new Array(1000).fill({}));", limits);
  EXPECT_EQ(status.code(), StatusCode::kModuleFatal);
  EXPECT_TRUE(status.message().starts_with("Javascript module exceeded memory limit (current"))
      << status.message();
}

TEST(JsLoading, ArrayBuffersBeyondTheLimitAreARangeError) {
  ModuleLimits limits;
  limits.heap_bytes = 32 * limits::MiB;
  const Status status = load_status("new ArrayBuffer(64 * 1024 * 1024);", limits);
  EXPECT_NE(status.message().find("RangeError: Array buffer allocation failed"), std::string::npos)
      << status.message();
}

// Each script must evaluate to true in a module with the prelude and the bounds.
struct PreludeCase {
  const char* name;
  const char* expression;
};
const PreludeCase kPrelude[] = {
    {"SymbolDispose",
     "typeof Symbol.dispose === 'symbol' && typeof Symbol.asyncDispose === "
     "'symbol' && !Object.keys(Symbol).length"},
    {"SubsetAndSuperset",
     "new Set([1]).isSubsetOf(new Set([1, 2])) && "
     "!new Set([1, 3]).isSubsetOf(new Set([1, 2])) && "
     "new Set([1, 2]).isSupersetOf(new Set([2])) && "
     "new Set([1]).isDisjointFrom(new Set([2]))"},
    {"SetAlgebra",
     "[...new Set([1, 2]).union(new Set([2, 3]))].join() === '1,2,3' && "
     "[...new Set([1, 2]).intersection(new Map([[2, 0]]))].join() === '2' && "
     "[...new Set([1, 2]).difference(new Set([2]))].join() === '1' && "
     "[...new Set([1, 2]).symmetricDifference(new Set([2, 3]))].join() === '1,3'"},
    {"CopyingArrayMethods",
     "[3, 1, 2].toSorted().join() === '1,2,3' && "
     "[1, 2].toReversed().join() === '2,1' && "
     "[1, 2].with(-1, 9).join() === '1,9' && "
     "[1, 2, 3].toSpliced(1, 1, 7, 8).join() === '1,7,8,3'"},
    {"CopyingTypedArrays",
     "new Uint8Array([3, 1]).toSorted().join() === '1,3' && "
     "new Float64Array([1, 2]).toReversed()[0] === 2 && "
     "new Uint16Array([1]).with(0, 5)[0] === 5"},
    {"Grouping",
     "Object.groupBy([1, 2, 3], x => x % 2 ? 'odd' : 'even').odd.length === 2 && "
     "Map.groupBy([1, 2, 3], x => x % 2).get(0)[0] === 2"},
    {"Promises",
     "typeof Promise.withResolvers().resolve === 'function' && "
     "await Promise.try(() => 5) === 5"},
    {"IteratorHelpers",
     "[1, 2, 3, 4].values().filter(x => x % 2).map(x => x * 2).toArray()"
     ".join() === '2,6' && [1, 2, 3].values().drop(1).take(1).toArray()[0] "
     "=== 2 && [1, 2].values().flatMap(x => [x, x]).reduce((a, b) => a + b) "
     "=== 6 && [1, 2].values().some(x => x > 1) && "
     "![1, 2].values().every(x => x > 1) && [1, 2].values().find(x => x > 1) "
     "=== 2 && Iterator.from({ next: () => ({ done: true }) }).toArray()"
     ".length === 0"},
    {"IteratorHelpersCloseTheirSource",
     "(() => { let closed = 0; const source = { __proto__: Iterator.prototype, "
     "next: () => ({ done: false, value: 1 }), return() { ++closed; return {}; } }; "
     "source.take(2).toArray(); for (const x of source.map(x => x)) break; "
     "source.some(() => true); return closed === 3; })()"},
    {"FromAsync", "(await Array.fromAsync([1, Promise.resolve(2)], x => x * 2)).join() === '2,4'"},
    {"WellFormedStrings",
     "!'a\\ud800'.isWellFormed() && 'a\\ud800b'.toWellFormed() === "
     "'a\\ufffdb' && '\\u{1f600}'.isWellFormed()"},
    {"ErrorIsError", "Error.isError(new TypeError('x')) && !Error.isError({})"},
    {"HexAndBase64",
     "new Uint8Array([1, 255]).toHex() === '01ff' && "
     "Uint8Array.fromHex('01FF')[1] === 255 && "
     "new Uint8Array([1, 2, 3, 4]).toBase64() === 'AQIDBA==' && "
     "Uint8Array.fromBase64('AQIDBA==').join() === '1,2,3,4'"},
    {"RegExpEscape",
     "new RegExp(RegExp.escape('a.b*c-d e')).test('a.b*c-d e') && "
     "!new RegExp('^' + RegExp.escape('a.b') + '$').test('axb')"},
    {"DisposableStack",
     "(() => { const order = []; const s = new DisposableStack(); "
     "s.defer(() => order.push(1)); s.adopt(2, x => order.push(x)); "
     "s.dispose(); return order.join() === '2,1' && s.disposed; })()"},
    {"TextEncoder",
     "new TextEncoder().encode('\\u00e9\\ud800').join() === "
     "'195,169,239,191,189' && new TextEncoder().encoding === 'utf-8' && "
     "!('encodeInto' in new TextEncoder())"},
    {"TextDecoder",
     "new TextDecoder().decode(new Uint8Array([195, 169, 255])) === "
     "'\\u00e9\\ufffd' && new TextDecoder().decode() === '' && "
     "new TextDecoder().decode(new Uint8Array([0, 97, 98]).subarray(1)) === 'ab'"},
    {"TextDecoderOptions",
     "[() => new TextDecoder('latin1'), () => new TextDecoder('utf-8', { ignoreBOM: true }), "
     "() => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])), "
     "() => new TextDecoder().decode(new Uint8Array(1), { stream: true })].map(f => { try { f(); "
     "return 'fine'; } catch (e) { return e.name; } }).join() === "
     "'RangeError,TypeError,TypeError,TypeError'"},
    {"AbsentGlobals",
     "['performance', 'crypto', 'setTimeout', 'setInterval', 'queueMicrotask', "
     "'structuredClone', 'URL', 'fetch', 'atob', 'process', 'require', 'window', "
     "'global'].every(name => !(name in globalThis))"},
    {"PresentGlobals",
     "['console', 'Intl', 'WebAssembly', 'SharedArrayBuffer', 'Atomics', "
     "'eval'].every(name => name in globalThis) && "
     "typeof console.log === 'function'"},
    {"NothingOfThePreludeIsEnumerable",
     "[Set.prototype, Array.prototype, Object, Map, Promise, Iterator, Iterator.prototype, "
     "String.prototype, Symbol, RegExp, Uint8Array].every(o => Object.keys(o).length === "
     "0)"},
    {"SysFunctionsAreNoConstructors",
     "(() => { try { new sys.table_id_from_name('x'); } catch (e) { return e.name === 'TypeError' "
     "&& !('prototype' in sys.table_id_from_name) && sys.identity.name === 'identity'; } })()"},
    {"ModuleHooksIsNotInTheSymbolRegistry",
     "sys.moduleHooks !== Symbol.for('SpacetimeDB.moduleHooks.v2') && typeof sys.moduleHooks === "
     "'symbol'"},
    {"BoundedBuiltInsLookAndWorkAsBefore",
     "'a,b'.split(',').join('|') === 'a|b' && 'a1b'.split(/\\d/).length === 2 && "
     "'abab'.match(/a/g).length === 2 && 'ab'.replace('a', 'x') === 'xb' && "
     "'aab'.replace(/a/g, (m, at) => at) === '01b' && 'aab'.replaceAll('a', 'c') === 'ccb' && "
     "[3, 1].sort().slice(0, 1)[0] === 1 && [1, 2].reduce((a, b) => a + b) === 3 && "
     "[[1], [2]].flat().includes(2) && Object.entries({ length: 2 ** 40 }).length === 1 && "
     "Array.from('ab', x => x + x).join() === 'aa,bb' && "
     "'s'.split.name === 'split' && 's'.split.length === 2 && [].reduce.length === 1 && "
     "/x/[Symbol.match].name === '[Symbol.match]' && !('prototype' in [].map)"},
    {"DefaultLocaleIsNotTheProcesses",
     "new Intl.NumberFormat().resolvedOptions().locale === 'en-001' && "
     "new Intl.DateTimeFormat().resolvedOptions().locale === 'en-001' && "
     "new Date(0).toLocaleDateString(undefined, { timeZone: 'UTC' }) === '01/01/1970'"},
    {"SharedWasmMemoriesAreNotToBeHad",
     "(() => { try { return !(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })"
     ".buffer instanceof SharedArrayBuffer); } catch { return true; } })()"},
    {"StacksHaveUpTo1024Frames", "Error.stackTraceLimit === 1024"},
};
class PreludeTest : public testing::TestWithParam<PreludeCase> {};
TEST_P(PreludeTest, Works) {
  const std::string body =
      std::string("if (!(") + GetParam().expression + ")) throw new Error('it does not hold');";
  const Status status = load_status(raw_module(body));
  EXPECT_TRUE(status.ok()) << status.message();
}
INSTANTIATE_TEST_SUITE_P(S03, PreludeTest, testing::ValuesIn(kPrelude),
                         [](const auto& test) { return test.param.name; });

TEST(JsLoading, WebAssemblyIsRefusedWithAnErrorList) {
  RecordingLog log;
  ModuleProgram program = js_program(std::string_view("\0asm\1\0\0\0", 8));
  program.kind = ProgramKind::kWasm;
  const auto described = describe_module(test_runtime(), program, {}, log);
  ASSERT_FALSE(described.ok());
  EXPECT_TRUE(described.status().message().starts_with("Errors occurred:\nWebAssembly modules"));
}

TEST(JsLoading, UnsupportedDeclarationsAreAllNamed) {
  RecordingLog log;
  const auto described = describe_module(
      test_runtime(), js_program(read_test_file("unsupported_2_10.bundle")), {}, log);
  ASSERT_FALSE(described.ok());
  const std::string text = described.status().message();
  EXPECT_TRUE(text.starts_with("Errors occurred:\n")) << text;
  for (const char* part : {"view `my_notes`: views are not supported yet\n\n",
                           "procedure `add_both`: procedures are not supported yet\n\n"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

}  // namespace
}  // namespace worldline::runtime
