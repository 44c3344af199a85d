#include "kube/object_json.h"

#include <simdjson.h>

#include <nlohmann/json.hpp>

#include "model/json.h"

namespace flexai::kube {
namespace {

namespace dom = simdjson::dom;
using nlohmann::json;

constexpr size_t kLargest = 1 << 20;  // both as model::parse_json() has them
constexpr int kDeepest = 64;

// What is left out; depth 0: the object itself.
bool unread(int depth, std::string_view key, std::string_view parent) {
  if (depth != 1) return false;
  if (parent == "metadata") return key == "managedFields";
  return parent == "status" && (key == "containerStatuses" || key == "images");
}

bool copy(dom::element from, int depth, std::string_view name, json* to);

bool copy_object(dom::object from, int depth, std::string_view name, json* to) {
  auto& members = to->get_ref<json::object_t&>();
  for (const dom::key_value_pair member : from) {
    if (unread(depth, member.key, name)) continue;
    // The server writes most of what it sends in order.
    const auto at = members.insert_or_assign(members.end(), std::string(member.key), json());
    if (!copy(member.value, depth + 1, member.key, &at->second)) return false;
  }
  return true;
}

// False: nested too deep, or a number that we would read otherwise.
bool copy(dom::element from, int depth, std::string_view name, json* to) {
  switch (from.type()) {
    case dom::element_type::OBJECT:
      *to = json::object();
      return depth < kDeepest && copy_object(from.get_object().value_unsafe(), depth, name, to);
    case dom::element_type::ARRAY: {
      *to = json::array();
      if (depth >= kDeepest) return false;
      const dom::array items = from.get_array().value_unsafe();
      auto& list = to->get_ref<json::array_t&>();
      list.reserve(items.size());
      for (const dom::element item : items)
        if (!copy(item, depth + 1, {}, &list.emplace_back())) return false;
      return true;
    }
    case dom::element_type::STRING:
      *to = std::string(from.get_string().value_unsafe());
      return true;
    case dom::element_type::INT64: {
      const int64_t value = from.get_int64().value_unsafe();
      if (value < 0)
        *to = value;
      else
        *to = static_cast<uint64_t>(value);
      return true;
    }
    case dom::element_type::UINT64:
      *to = from.get_uint64().value_unsafe();
      return true;
    case dom::element_type::DOUBLE:
      *to = from.get_double().value_unsafe();
      return true;
    case dom::element_type::BOOL:
      *to = from.get_bool().value_unsafe();
      return true;
    case dom::element_type::NULL_VALUE:
      return true;
  }
  return false;
}

}  // namespace

base::Result<json> parse_object(std::string_view text) {
  thread_local dom::parser parser(kLargest + 1);
  dom::element root;
  json object;
  if (text.size() <= kLargest && parser.parse(text.data(), text.size()).get(root) == 0 &&
      copy(root, 0, {}, &object))
    return object;
  return model::parse_json(text);
}

}  // namespace flexai::kube
