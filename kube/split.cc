#include "kube/split.h"

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

// How many bytes of an object change neither nesting nor whether this is a text: nearly all.
size_t ItemSplitter::plain_run(std::string_view bytes) const {
  if (depth_ < 3 || !items_ || escape_) return 0;
  size_t n = 0;
  if (string_) {
    while (n < bytes.size() && bytes[n] != '"' && bytes[n] != '\\') ++n;
    return n;
  }
  for (; n < bytes.size(); ++n) {
    char c = bytes[n];
    if (c == '"' || c == '{' || c == '}' || c == '[' || c == ']') break;
  }
  return n;
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
  if (items_ && depth_ == 2) items_ = false;
  const bool item = items_ && depth_ == 3;
  FLEXAI_TRY(keep({&c, 1}));
  nesting_.pop_back();
  --depth_;
  done_ = item;
  if (depth_ == 0) state_ = State::kAfter;
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

base::Status ItemSplitter::feed(std::string_view bytes,
                                const std::function<bool(ObjectText)>& item) {
  for (size_t at = 0; at < bytes.size(); ++at) {
    if (size_t run = plain_run(bytes.substr(at)); run != 0) {
      FLEXAI_TRY(keep(bytes.substr(at, run)));
      if ((at += run) == bytes.size()) return {};
    }
    const char c = bytes[at];
    if (state_ == State::kAfter) {
      if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
      return corrupt("there is text behind the list");
    }
    if (state_ == State::kBefore) {
      if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
      if (c != '{') return corrupt("the answer is no list");
      state_ = State::kInside;
    }
    FLEXAI_TRY(string_ ? text(c) : structure(c));
    if (!done_) continue;
    done_ = false;
    bool more = item(padded(item_));
    clear(item_);
    if (!more) return {};
  }
  return {};
}

}  // namespace flexai::kube
