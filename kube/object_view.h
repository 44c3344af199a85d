// ObjectView: an object of the API server, or a part of one, where the parser has put it: nothing
// is copied until it is asked for. What is not there, or not of the kind, is empty, as in
// model::parse_json()'s reading of the same text; of members with one name the last counts. Also of
// JSON that somebody else holds. For .cc files only (heavy). Threads: a view belongs to the thread
// that parsed it. Lifetime: until that thread's next view_object().
#pragma once

#include <simdjson.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flexai::kube {

class ObjectView {
 public:
  class Iterator;
  using Members = std::vector<std::pair<std::string_view, ObjectView>>;

  ObjectView() = default;                                   // null
  ObjectView(const nlohmann::json& json) : json_(&json) {}  // NOLINT: implicit by design
  explicit ObjectView(simdjson::dom::element element) : element_(element), parsed_(true) {}

  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_null() const;
  bool is_boolean() const;
  bool is_number_integer() const;
  bool is_number_unsigned() const;  // all that are not negative

  // REQUIRES: it is one.
  std::string_view text() const;
  bool truth() const;
  int64_t number() const;

  ObjectView find(std::string_view key) const;  // null: it is no object, or has no such member
  std::optional<ObjectView> member(std::string_view key) const;  // nullopt: as above
  ObjectView operator[](size_t index) const;  // REQUIRES: an array that is longer
  size_t size() const;                        // of an array; 0 of anything else
  bool empty() const { return size() == 0; }
  bool operator==(std::string_view text) const { return is_string() && this->text() == text; }

  // Of an array; nothing of anything else.
  Iterator begin() const;
  Iterator end() const;
  Members members() const;  // of an object, in any order; those of one name in theirs

  nlohmann::json copy() const;

 private:
  const nlohmann::json* json_ = nullptr;
  simdjson::dom::element element_;
  bool parsed_ = false;
};

class ObjectView::Iterator {
 public:
  Iterator() = default;
  explicit Iterator(nlohmann::json::const_iterator json) : json_(json), of_json_(true) {}
  explicit Iterator(simdjson::dom::array::iterator parsed) : parsed_(parsed) {}
  ObjectView operator*() const { return of_json_ ? ObjectView(*json_) : ObjectView(*parsed_); }
  Iterator& operator++() {
    if (of_json_)
      ++json_;
    else
      ++parsed_;
    return *this;
  }
  bool operator!=(const Iterator& other) const {
    return of_json_ ? json_ != other.json_ : parsed_ != other.parsed_;
  }

 private:
  nlohmann::json::const_iterator json_;
  simdjson::dom::array::iterator parsed_;
  bool of_json_ = false;
};

inline ObjectView::Iterator ObjectView::begin() const {
  if (!is_array()) return {};
  return json_ != nullptr ? Iterator(json_->cbegin())
                          : Iterator(element_.get_array().value_unsafe().begin());
}
inline ObjectView::Iterator ObjectView::end() const {
  if (!is_array()) return {};
  return json_ != nullptr ? Iterator(json_->cend())
                          : Iterator(element_.get_array().value_unsafe().end());
}

// The same texts and bounds as parse_object(); with the same errors.
base::Result<ObjectView> view_object(std::string_view text);

}  // namespace flexai::kube
