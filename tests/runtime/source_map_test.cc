// tests/runtime/source_map_test.cc: positions through source maps, whole and damaged.
#include "runtime/source_map.h"

#include <gtest/gtest.h>

namespace worldline::runtime {
namespace {

// Line 1: columns 1 and 11 of the script come from a.ts 1:1 and 3:5; line 3 from b.ts 1:1.
constexpr const char* kMappings = "AAAA,UAEI;;ACFJ";

TEST(SourceMap, FindsTheSegmentThatCoversAPosition) {
  const SourceMap map = SourceMap::parse(kMappings, {"a.ts", "b.ts"});
  const auto first = map.find(1, 5);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->source, "a.ts");
  EXPECT_EQ(first->line, 1u);
  const auto second = map.find(1, 11);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->line, 3u);
  EXPECT_EQ(second->column, 5u);
  EXPECT_FALSE(map.find(2, 1));
  ASSERT_TRUE(map.find(3, 1));
  EXPECT_EQ(map.find(3, 1)->source, "b.ts");
  EXPECT_FALSE(map.find(4, 1));
  EXPECT_FALSE(map.find(0, 1));
  EXPECT_FALSE(map.find(1, 0));
}

TEST(SourceMap, DamageEndsTheMapButKeepsWhatCameBefore) {
  EXPECT_TRUE(SourceMap::parse("AAAA,!!!", {"a.ts"}).find(1, 1));
  EXPECT_FALSE(SourceMap::parse("AAA", {"a.ts"}).find(1, 1));
  EXPECT_FALSE(SourceMap::parse("ADAA", {"a.ts"}).find(1, 1)) << "negative source";
  const auto beyond = SourceMap::parse("ACAA", {"a.ts"}).find(1, 1);
  ASSERT_TRUE(beyond);
  EXPECT_EQ(beyond->source, "") << "source beyond the list";
  EXPECT_TRUE(SourceMap::parse("", {}).empty());
  EXPECT_TRUE(SourceMap::parse("gggggggggggggggg", {}).empty());
}

TEST(SourceMap, InlineMapIsTheLastCommentWithABase64Url) {
  const std::string script =
      "code();\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,eyJhIjoxfQ==\n";
  EXPECT_EQ(inline_source_map(script), "{\"a\":1}");
  EXPECT_EQ(without_inline_source_map(script), "code();\n");
  EXPECT_EQ(inline_source_map("code();\n//# sourceMappingURL=bundle.js.map"), "");
  EXPECT_EQ(inline_source_map("code();"), "");
  EXPECT_EQ(without_inline_source_map("code();"), "code();");
  const std::string middle = "//# sourceMappingURL=x\ncode();\n";
  EXPECT_EQ(without_inline_source_map(middle), middle);
}

}  // namespace
}  // namespace worldline::runtime
