#include "cli/json_tree.h"

#include <charconv>

#include <nlohmann/json.hpp>

namespace worldline::cli {
namespace {

using Kind = JsonTree::Kind;

// Builds the tree from nlohmann's events: only they hand over the digits of long numbers.
class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit TreeBuilder(JsonTree& root) : root_(root) {}

  const std::string& error() const { return error_; }

  bool null() override { return place({}) != nullptr; }
  bool boolean(bool value) override {
    JsonTree tree;
    tree.kind = Kind::kBool;
    tree.boolean = value;
    return place(std::move(tree)) != nullptr;
  }
  bool number_integer(number_integer_t value) override { return number(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return number(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& digits) override { return number(digits); }
  bool string(string_t& value) override {
    JsonTree tree;
    tree.kind = Kind::kString;
    tree.text = std::move(value);
    return place(std::move(tree)) != nullptr;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Kind::kObject); }
  bool start_array(std::size_t) override { return open(Kind::kArray); }
  bool key(string_t& name) override {
    key_ = std::move(name);
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    error_ = error.what();
    return false;
  }

 private:
  bool number(std::string digits) {
    JsonTree tree;
    tree.kind = Kind::kNumber;
    tree.text = std::move(digits);
    return place(std::move(tree)) != nullptr;
  }

  // Pointers into open containers stay valid: only the innermost one grows.
  JsonTree* place(JsonTree tree) {
    if (open_.empty()) {
      root_ = std::move(tree);
      return &root_;
    }
    JsonTree& parent = *open_.back();
    if (parent.kind == Kind::kArray) return &parent.items.emplace_back(std::move(tree));
    parent.members.push_back({std::move(key_), std::move(tree)});
    return &parent.members.back().value;
  }

  bool open(Kind kind) {
    if (open_.size() >= kJsonDepthMax) {
      error_ = fmt::format("nesting deeper than {}", kJsonDepthMax);
      return false;
    }
    JsonTree tree;
    tree.kind = kind;
    open_.push_back(place(std::move(tree)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  JsonTree& root_;  // Borrowed; outlives this.
  std::vector<JsonTree*> open_;
  std::string key_;
  std::string error_;
};

void print_to(const JsonTree& tree, int indent, int depth, std::string& out);

void print_children(const JsonTree& tree, int indent, int depth, std::string& out) {
  const bool object = tree.is_object();
  const size_t count = object ? tree.members.size() : tree.items.size();
  for (size_t i = 0; i < count; ++i) {
    if (i != 0) out += ',';
    if (indent > 0) out.append(1, '\n').append(static_cast<size_t>(indent * (depth + 1)), ' ');
    if (object) {
      out += json_quote(tree.members[i].name) + (indent > 0 ? ": " : ":");
      print_to(tree.members[i].value, indent, depth + 1, out);
    } else {
      print_to(tree.items[i], indent, depth + 1, out);
    }
  }
  if (indent > 0 && count > 0) out.append(1, '\n').append(static_cast<size_t>(indent * depth), ' ');
}

// Recursion is bounded: parse() refuses more than kJsonDepthMax levels.
// NOLINTNEXTLINE(misc-no-recursion)
void print_to(const JsonTree& tree, int indent, int depth, std::string& out) {
  switch (tree.kind) {
    case Kind::kNull:
      out += "null";
      return;
    case Kind::kBool:
      out += tree.boolean ? "true" : "false";
      return;
    case Kind::kNumber:
      out += tree.text;
      return;
    case Kind::kString:
      out += json_quote(tree.text);
      return;
    case Kind::kArray:
      out += '[';
      print_children(tree, indent, depth, out);
      out += ']';
      return;
    case Kind::kObject:
      out += '{';
      print_children(tree, indent, depth, out);
      out += '}';
      return;
  }
}

}  // namespace

Result<JsonTree> JsonTree::parse(std::string_view text) {
  JsonTree root;
  TreeBuilder builder(root);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder))
    return Status::invalid_argument("not valid JSON: {}", builder.error());
  return root;
}

const JsonTree* JsonTree::find(std::string_view name) const {
  for (const auto& [key, value] : members)
    if (key == name) return &value;
  return nullptr;
}

std::string JsonTree::text_of(std::string_view name) const {
  const JsonTree* found = find(name);
  return found != nullptr && found->is_string() ? found->text : std::string();
}

int64_t JsonTree::int_of(std::string_view name, int64_t fallback) const {
  const JsonTree* found = find(name);
  if (found == nullptr || found->kind != Kind::kNumber) return fallback;
  int64_t value = 0;
  const char* end = found->text.data() + found->text.size();
  const auto [stop, error] = std::from_chars(found->text.data(), end, value);
  return error == std::errc() && stop == end ? value : fallback;
}

std::string JsonTree::print() const {
  std::string out;
  print_to(*this, 0, 0, out);
  return out;
}

std::string JsonTree::print_pretty() const {
  std::string out;
  print_to(*this, 2, 0, out);
  return out;
}

std::string json_quote(std::string_view text) {
  using nlohmann::json;
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace worldline::cli
