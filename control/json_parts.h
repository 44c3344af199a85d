// Looking into JSON that may be anything: what is not there, or not of the kind, is empty. For .cc
// files only (heavy). Threads: any; pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "kube/object_view.h"

namespace flexai::control {

using Json = nlohmann::json;

// The member, or a null value.
inline const Json& at(const Json& object, const char* key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}
template <typename... Keys>
const Json& at(const Json& object, const char* key, Keys... keys) {
  return at(at(object, key), keys...);
}
inline std::string text_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}
inline bool true_at(const Json& object, const char* key) {
  const Json& value = at(object, key);
  return value.is_boolean() && value.get<bool>();
}
inline int64_t number_at(const Json& object, const char* key, int64_t usual = 0) {
  const Json& value = at(object, key);
  return value.is_number_integer() ? value.get<int64_t>() : usual;
}
// A list to walk over; empty when it is none.
inline const Json& list_at(const Json& object, const char* key) {
  static const Json kEmpty = Json::array();
  const Json& value = at(object, key);
  return value.is_array() ? value : kEmpty;
}
inline const Json& object_at(const Json& object, const char* key) {
  static const Json kEmpty = Json::object();
  const Json& value = at(object, key);
  return value.is_object() ? value : kEmpty;
}

// The same of an object where it was parsed.
using View = kube::ObjectView;

inline View at(const View& object, const char* key) { return object.find(key); }
template <typename... Keys>
View at(const View& object, const char* key, Keys... keys) {
  return at(object.find(key), keys...);
}
inline std::string text_at(const View& object, const char* key) {
  const View value = object.find(key);
  return value.is_string() ? std::string(value.text()) : std::string();
}
inline bool true_at(const View& object, const char* key) {
  const View value = object.find(key);
  return value.is_boolean() && value.truth();
}
inline int64_t number_at(const View& object, const char* key, int64_t usual = 0) {
  const View value = object.find(key);
  return value.is_number_integer() ? value.number() : usual;
}
inline View list_at(const View& object, const char* key) {
  const View value = object.find(key);
  return value.is_array() ? value : View();
}

// As short as it gets; what is no UTF-8 is replaced.
inline std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

inline std::string dump(const View& value) { return dump(value.copy()); }
// A list, also where there is none.
inline std::string dump_list(const View& list) { return list.empty() ? "[]" : dump(list); }

}  // namespace flexai::control
