// JsonReader: strict reading of one JSON object from a stranger. Each field is asked for by name
// and type; finish() refuses what nobody asked for. The first error is kept, and after it nothing
// more is read. What a reader allows is said once, in its JsonRules. Threads: one. Keeps a
// reference to the object. For .cc files only (heavy).
#pragma once

#include <concepts>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flexai::model {

struct JsonRules {
  size_t longest_text = 4096;            // bytes
  uint64_t largest_number = UINT64_MAX;  // of those that are not negative
  bool null_is_absent = true;            // otherwise null is a value, of the wrong type
  const char* object = "a JSON object";  // as a message calls what was expected
};

inline constexpr size_t kMostItems = 64;  // of a list that get() reads

class JsonReader {
 public:
  // `where` names the object at the start of each message; nullopt: messages start with the field.
  explicit JsonReader(const nlohmann::json& object, const JsonRules& rules = {},
                      std::optional<std::string> where = std::nullopt);

  // Into *out, which keeps its value when the field is absent.
  template <typename T>
  JsonReader& get(const char* name, T* out, bool required = false) {
    const nlohmann::json* value = take(name);
    if (value == nullptr) {
      if (required) note("field \"" + std::string(name) + "\" is missing");
    } else if (!read(*value, out)) {
      note("field \"" + std::string(name) + "\" has the wrong type or is out of range");
    }
    return *this;
  }

  // A list of objects, each read by read_one(item, its place, &T) -> base::Status.
  template <typename T, typename Read>
  JsonReader& list(const char* name, std::vector<T>* out, Read read_one) {
    const nlohmann::json* items = take(name);
    if (items == nullptr) return *this;
    if (!items->is_array()) return note("field \"" + std::string(name) + "\" must be a list");
    for (size_t i = 0; i < items->size(); ++i) {
      T item;
      const std::string where = where_.value_or("") + name + "[" + std::to_string(i) + "]";
      const base::Status done = read_one((*items)[i], where, &item);
      if (!done.ok()) {
        error_ = done.error().message;
        return *this;
      }
      out->push_back(std::move(item));
    }
    return *this;
  }

  // Absent, or of the wrong kind (which is noted): nullopt. A text with a zero byte is refused.
  std::optional<std::string> text(const char* name, size_t longest);
  std::optional<uint64_t> number(const char* name, uint64_t most);
  std::optional<bool> truth(const char* name);
  std::optional<std::vector<std::string>> texts(const char* name, size_t most);
  const nlohmann::json* object(const char* name);

  // A field that the caller reads itself.
  JsonReader& later(const char* name);
  // An error of the caller's about this object; the first one counts.
  JsonReader& note(const std::string& message);
  base::Status finish();

 private:
  const nlohmann::json* take(const char* name);  // null: absent, or an error came before
  void must_be(const char* name, const std::string& what);

  bool read(const nlohmann::json& value, std::string* out) const;
  static bool read(const nlohmann::json& value, bool* out);
  template <std::integral T>
  bool read(const nlohmann::json& value, T* out) const {
    if (!value.is_number_integer()) return false;
    if (!value.is_number_unsigned()) return narrow(value.get<int64_t>(), out);
    const auto wide = value.get<uint64_t>();
    return wide <= rules_.largest_number && narrow(wide, out);
  }
  template <typename T>
  bool read(const nlohmann::json& value, std::vector<T>* out) const {
    if (!value.is_array() || value.size() > kMostItems) return false;
    out->clear();
    for (const nlohmann::json& item : value) {
      T one{};
      if (!read(item, &one)) return false;
      out->push_back(std::move(one));
    }
    return true;
  }
  template <typename Wide, typename T>
  static bool narrow(Wide wide, T* out) {
    if (!std::in_range<T>(wide)) return false;
    *out = static_cast<T>(wide);
    return true;
  }

  const nlohmann::json& object_;
  const JsonRules rules_;
  const std::optional<std::string> where_;
  std::set<std::string> known_;
  std::string error_;
};

// Whether brackets outside of strings are nested deeper than `levels`. To be asked before a text is
// parsed: the library recurses when it frees nested values.
bool nested_deeper(std::string_view text, int levels);

}  // namespace flexai::model
