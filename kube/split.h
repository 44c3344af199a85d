// Splitting what the server streams, in pieces of any size, with bounded memory: the lines of a
// watch, the objects of a list. A piece is handed over with room behind it, as simdjson wants.
// Threads: one.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flexai::kube {

// JSON text of one object. At least kPadding bytes behind its end may be read, though they mean
// nothing.
struct ObjectText {
  std::string_view json;
};
inline constexpr size_t kPadding = 64;

struct SplitLimits {
  size_t line = 8 << 20;       // of a watch, or one object of a list
  size_t envelope = 64 << 10;  // of a list, what is around its objects
};

class LineSplitter {
 public:
  explicit LineSplitter(size_t most) : most_(most) {}
  // Calls `line` for every whole one that is not empty, while it returns true. kCorrupt: one is too
  // long.
  base::Status feed(std::string_view bytes, const std::function<bool(ObjectText)>& line);
  bool inside() const { return !line_.empty(); }  // a line has begun

 private:
  const size_t most_;
  std::string line_;
};

// Of {"kind":..., "metadata": {...}, "items": [OBJECT, ...]}: each OBJECT, and the rest without
// them. Looks only at nesting and texts; whether an object is right JSON is seen when it is parsed.
class ItemSplitter {
 public:
  explicit ItemSplitter(const SplitLimits& limits) : limits_(limits) {}
  // As above. kCorrupt also when this is no list.
  base::Status feed(std::string_view bytes, const std::function<bool(ObjectText)>& item);
  bool whole() const { return state_ == State::kAfter; }
  // REQUIRES: whole(). {"kind":...,"metadata":{...},"items":[]}
  const std::string& envelope() const { return envelope_; }

 private:
  enum class State { kBefore, kInside, kAfter };
  base::Result<size_t> scan_item(std::string_view bytes);
  base::Status around(char c);
  base::Status text(char c);
  base::Status structure(char c);
  base::Status open(char c);
  base::Status close(char c);
  base::Status keep(std::string_view bytes);
  bool in_items() const { return items_ && depth_ >= 2; }

  const SplitLimits limits_;
  State state_ = State::kBefore;
  int depth_ = 0;
  bool string_ = false, escape_ = false;
  bool items_ = false;   // inside the array of that name
  bool done_ = false;    // an object is whole
  std::string nesting_;  // of open brackets
  std::string key_;      // the last text directly inside the list's object
  std::string envelope_;
  std::string item_;
};

}  // namespace flexai::kube
