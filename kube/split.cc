#include "kube/split.h"

#include <utility>

namespace flexai::kube {
namespace {

using base::Code;

constexpr int kDeepest = 512;
constexpr size_t kKeep = 64 << 10;  // room that is kept for the next one

base::Error corrupt(const std::string& what) { return base::fail(Code::kCorrupt, what); }

// The text with room behind it.
ObjectText padded(std::string& text) {
  text.reserve(text.size() + kPadding);
  return {text};
}

void clear(std::string& text) {
  if (text.capacity() > kKeep)
    text = {};
  else
    text.clear();
}

}  // namespace

base::Status LineSplitter::feed(std::string_view bytes,
                                const std::function<bool(ObjectText)>& line) {
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    std::string_view part = bytes.substr(0, end);
    if (line_.size() + part.size() > most_)
      return corrupt("a line of the watch is longer than " + std::to_string(most_) + " bytes");
    line_ += part;
    if (end == bytes.npos) return {};
    bytes.remove_prefix(end + 1);
    bool more = line_.empty() || line(padded(line_));
    clear(line_);
    if (!more) return {};
  }
  return {};
}

base::Status ItemSplitter::keep(std::string_view bytes) {
  std::string& to = in_items() ? item_ : envelope_;
  size_t most = in_items() ? limits_.line : limits_.envelope;
  if (to.size() + bytes.size() > most)
    return corrupt("a part of the list is longer than " + std::to_string(most) + " bytes");
  to += bytes;
  return {};
}

// As far as the present object goes, or the bytes. Nearly all of a list is here.
base::Result<size_t> ItemSplitter::scan_item(std::string_view bytes) {
  bool string = string_, escape = escape_;  // members would be written back at every byte
  size_t at = 0;
  while (at < bytes.size() && !done_) {
    if (string && !escape) {
      while (at < bytes.size() && bytes[at] != '"' && bytes[at] != '\\') ++at;
      if (at == bytes.size()) break;
    }
    const char c = bytes[at++];
    if (string) {
      const bool escaped = std::exchange(escape, false);
      if (escaped) continue;
      if (c == '\\') escape = true;
      if (c == '"') string = false;
    } else if (c == '"') {
      string = true;
    } else if (c == '{' || c == '[') {
      if (++depth_ > kDeepest) return corrupt("the list is nested deeper than 512 levels");
      nesting_ += c;
    } else if (c == '}' || c == ']') {
      if (nesting_.back() != (c == '}' ? '{' : '['))
        return corrupt("the brackets of the list do not match");
      nesting_.pop_back();
      done_ = --depth_ == 2;
    }
  }
  string_ = string;
  escape_ = escape;
  return at;
}

base::Status ItemSplitter::text(char c) {
  if (escape_)
    escape_ = false;
  else if (c == '\\')
    escape_ = true;
  else if (c == '"')
    string_ = false;
  if (string_ && depth_ == 1 && key_.size() < 64) key_ += c;
  return keep({&c, 1});
}

base::Status ItemSplitter::open(char c) {
  if (depth_ >= kDeepest) return corrupt("the list is nested deeper than 512 levels");
  if (in_items() && depth_ == 2 && c != '{') return corrupt("an item of the list is no object");
  FLEXAI_TRY(keep({&c, 1}));
  nesting_ += c;
  ++depth_;
  if (depth_ == 2 && c == '[' && key_ == "items") items_ = true;
  return {};
}

base::Status ItemSplitter::close(char c) {
  if (depth_ == 0 || nesting_.back() != (c == '}' ? '{' : '['))
    return corrupt("the brackets of the list do not match");
  if (depth_ == 2) items_ = false;
  FLEXAI_TRY(keep({&c, 1}));
  nesting_.pop_back();
  if (--depth_ == 0) state_ = State::kAfter;
  return {};
}

base::Status ItemSplitter::structure(char c) {
  switch (c) {
    case '"':
      string_ = true;
      if (depth_ == 1) key_.clear();
      if (in_items() && depth_ == 2) return corrupt("an item of the list is no object");
      return keep({&c, 1});
    case '{':
    case '[':
      return open(c);
    case '}':
    case ']':
      return close(c);
    case ' ':
    case '\n':
    case '\r':
    case '\t':
      return item_.empty() && in_items() ? base::Status() : keep({&c, 1});
    case ',':
      if (items_ && depth_ == 2) return {};
      return keep({&c, 1});
    default:
      if (in_items() && depth_ == 2) return corrupt("an item of the list is no object");
      return keep({&c, 1});
  }
}

// Outside of the objects.
base::Status ItemSplitter::around(char c) {
  const bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
  if (state_ == State::kAfter)
    return blank ? base::Status() : base::Status(corrupt("there is text behind the list"));
  if (state_ == State::kBefore) {
    if (blank) return {};
    if (c != '{') return corrupt("the answer is no list");
    state_ = State::kInside;
  }
  return string_ ? text(c) : structure(c);
}

base::Status ItemSplitter::feed(std::string_view bytes,
                                const std::function<bool(ObjectText)>& item) {
  for (size_t at = 0; at < bytes.size();) {
    if (!items_ || depth_ < 3) {
      FLEXAI_TRY(around(bytes[at++]));
      continue;
    }
    FLEXAI_TRY_ASSIGN(size_t size, scan_item(bytes.substr(at)));
    FLEXAI_TRY(keep(bytes.substr(at, size)));
    at += size;
    if (!std::exchange(done_, false)) return {};
    bool more = item(padded(item_));
    clear(item_);
    if (!more) return {};
  }
  return {};
}

}  // namespace flexai::kube
