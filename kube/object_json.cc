#include "kube/object_json.h"

#include <simdjson.h>

#include <nlohmann/json.hpp>

#include "kube/object_view.h"
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

// What is left out is known by its place in an object.
constexpr int kInside = 2;

}  // namespace

bool ObjectView::is_object() const {
  return json_ != nullptr ? json_->is_object() : parsed_ && element_.is_object();
}
bool ObjectView::is_array() const {
  return json_ != nullptr ? json_->is_array() : parsed_ && element_.is_array();
}
bool ObjectView::is_string() const {
  return json_ != nullptr ? json_->is_string() : parsed_ && element_.is_string();
}
bool ObjectView::is_null() const {
  return json_ != nullptr ? json_->is_null() : !parsed_ || element_.is_null();
}
bool ObjectView::is_boolean() const {
  return json_ != nullptr ? json_->is_boolean() : parsed_ && element_.is_bool();
}
bool ObjectView::is_number_integer() const {
  if (json_ != nullptr) return json_->is_number_integer();
  if (!parsed_) return false;
  const dom::element_type type = element_.type();
  return type == dom::element_type::INT64 || type == dom::element_type::UINT64;
}
bool ObjectView::is_number_unsigned() const {
  return json_ != nullptr ? json_->is_number_unsigned() : parsed_ && element_.is_uint64();
}

std::string_view ObjectView::text() const {
  return json_ != nullptr ? std::string_view(json_->get_ref<const std::string&>())
                          : element_.get_string().value_unsafe();
}
bool ObjectView::truth() const {
  return json_ != nullptr ? json_->get<bool>() : element_.get_bool().value_unsafe();
}
int64_t ObjectView::number() const {
  if (json_ != nullptr) return json_->get<int64_t>();
  return element_.is_int64() ? element_.get_int64().value_unsafe()
                             : static_cast<int64_t>(element_.get_uint64().value_unsafe());
}

std::optional<ObjectView> ObjectView::member(std::string_view key) const {
  std::optional<ObjectView> found;
  if (!is_object()) return found;
  if (json_ != nullptr) {
    if (const auto at = json_->find(key); at != json_->end()) found = ObjectView(*at);
    return found;
  }
  const dom::object members = element_.get_object().value_unsafe();
  for (const dom::key_value_pair member : members)
    if (member.key == key) found = ObjectView(member.value);
  return found;
}

ObjectView ObjectView::find(std::string_view key) const {
  return member(key).value_or(ObjectView());
}

ObjectView ObjectView::operator[](size_t index) const {
  if (json_ != nullptr) return ObjectView((*json_)[index]);
  return ObjectView(element_.get_array().value_unsafe().at(index).value_unsafe());
}

size_t ObjectView::size() const {
  if (!is_array()) return 0;
  return json_ != nullptr ? json_->size() : element_.get_array().value_unsafe().size();
}

ObjectView::Members ObjectView::members() const {
  Members all;
  if (!is_object()) return all;
  if (json_ != nullptr) {
    for (const auto& [name, value] : json_->items()) all.emplace_back(name, value);
    return all;
  }
  const dom::object members = element_.get_object().value_unsafe();
  for (const dom::key_value_pair member : members)
    all.emplace_back(member.key, ObjectView(member.value));
  return all;
}

json ObjectView::copy() const {
  json copied;
  if (json_ != nullptr)
    copied = *json_;
  else if (parsed_)
    kube::copy(element_, kInside, {}, &copied);
  return copied;
}

base::Result<ObjectView> view_object(std::string_view text) {
  thread_local dom::parser parser(kLargest + 1);
  thread_local json usual;
  // The outermost is one of them, and an innermost that is empty is not looked at.
  if (parser.max_depth() != kDeepest && parser.allocate(kLargest + 1, kDeepest) != 0)
    return base::fail(base::Code::kExhausted, "no memory to parse an object");
  dom::element root;
  if (text.size() <= kLargest && parser.parse(text.data(), text.size()).get(root) == 0)
    return ObjectView(root);
  FLEXAI_TRY_ASSIGN(usual, model::parse_json(text));
  return ObjectView(usual);
}

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
