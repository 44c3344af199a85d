#include "kube/packed.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "kube/time_text.h"
#include "model/json.h"

namespace flexai::kube {
namespace {

using base::Code;
using base::fail;
using As = PackedField::As;

constexpr int kDeepest = 64;
constexpr size_t kMostPieces = 1 << 20;
constexpr size_t kKeep = 64 << 10;

base::Error corrupt(const char* what) {
  return fail(Code::kCorrupt, std::string("not the protobuf expected: ") + what);
}

enum Wire : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::optional<uint64_t> varint(std::string_view* bytes) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

struct Raw {
  uint64_t number = 0, wire = 0, value = 0;
  std::string_view bytes;
};

// The next field of a message; false: it is none.
bool next(std::string_view* bytes, Raw* raw) {
  const auto tag = varint(bytes);
  if (!tag || *tag >> 3 == 0) return false;
  raw->number = *tag >> 3;
  raw->wire = *tag & 7;
  size_t size = raw->wire == kFixed64 ? 8 : raw->wire == kFixed32 ? 4 : 0;
  if (raw->wire == kVarint || raw->wire == kBytes) {
    const auto value = varint(bytes);
    if (!value) return false;
    raw->value = *value;
    if (raw->wire == kBytes) size = *value;
  } else if (size == 0) {
    return false;
  }
  if (size > bytes->size()) return false;
  raw->bytes = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return true;
}

// Of a message with a text or bytes in field 1: quantities and the like.
std::optional<std::string_view> first_of(std::string_view bytes) {
  std::string_view found;
  for (Raw raw; !bytes.empty();) {
    if (!next(&bytes, &raw)) return std::nullopt;
    if (raw.number == 1 && raw.wire == kBytes) found = raw.bytes;
  }
  return found;
}

std::optional<int64_t> seconds_of(std::string_view bytes) {
  uint64_t seconds = 0;
  for (Raw raw; !bytes.empty();) {
    if (!next(&bytes, &raw)) return std::nullopt;
    if (raw.number == 1 && raw.wire == kVarint) seconds = raw.value;
  }
  return static_cast<int64_t>(seconds);
}

bool in_bytes(As as) { return as != As::kBool && as != As::kInt; }

bool several(As as) { return as >= As::kTexts; }

bool zero(const PackedField& field, uint64_t number, std::string_view bytes) {
  switch (field.as) {
    case As::kText:
      return bytes.empty();
    case As::kBool:
    case As::kInt:
      return number == 0;
    case As::kTime:
      return seconds_of(bytes) == 0;
    default:
      return false;
  }
}

// How long the UTF-8 character at the beginning is; 0: it is none.
size_t character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const size_t size = byte(0) < 0x80                      ? 1
                      : byte(0) >= 0xc2 && byte(0) < 0xe0 ? 2
                      : byte(0) >= 0xe0 && byte(0) < 0xf0 ? 3
                      : byte(0) >= 0xf0 && byte(0) < 0xf5 ? 4
                                                          : 0;
  if (size == 0 || size > text.size()) return 0;
  for (size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if (size == 3 && ((byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xed && byte(1) >= 0xa0)))
    return 0;
  if (size == 4 && ((byte(0) == 0xf0 && byte(1) < 0x90) || (byte(0) == 0xf4 && byte(1) >= 0x90)))
    return 0;
  return size;
}

}  // namespace

void Unpacker::text(std::string_view bytes) {
  text_ += '"';
  while (!bytes.empty()) {
    size_t plain = 0;
    while (plain < bytes.size() && bytes[plain] >= 0x20 && bytes[plain] < 0x7f &&
           bytes[plain] != '"' && bytes[plain] != '\\')
      ++plain;
    text_ += bytes.substr(0, plain);
    bytes.remove_prefix(plain);
    if (bytes.empty()) break;
    const auto c = static_cast<uint8_t>(bytes.front());
    size_t size = 1;
    if (c == '"' || c == '\\') {
      (text_ += '\\') += static_cast<char>(c);
    } else if (c < 0x20) {
      static constexpr char kDigits[] = "0123456789abcdef";
      ((text_ += "\\u00") += kDigits[c >> 4]) += kDigits[c & 15];
    } else if ((size = character(bytes)) != 0) {
      text_ += bytes.substr(0, size);
    } else {
      text_ += "\xef\xbf\xbd";
      size = 1;
    }
    bytes.remove_prefix(size);
  }
  text_ += '"';
}

// What users put there in protobuf nobody has looked at: it must not end the text around it.
base::Status Unpacker::json(std::string_view bytes) {
  if (model::parse_json(bytes).ok())
    text_ += bytes;
  else
    text(bytes);
  return {};
}

base::Status Unpacker::value(const PackedField& field, const Piece& piece, int depth) {
  switch (field.as) {
    case As::kBool:
      text_ += piece.number != 0 ? "true" : "false";
      return {};
    case As::kInt:
      text_ += std::to_string(static_cast<int64_t>(piece.number));
      return {};
    case As::kText:
    case As::kTexts:
      text(piece.bytes);
      return {};
    case As::kQuantity:
    case As::kQuantities:
    case As::kJson: {
      const auto inner = first_of(piece.bytes);
      if (!inner) return corrupt(field.name);
      if (field.as == As::kJson) return json(*inner);
      text(*inner);
      return {};
    }
    case As::kTime: {
      const auto seconds = seconds_of(piece.bytes);
      if (const std::string plain = seconds ? text_of_seconds(*seconds) : ""; !plain.empty()) {
        text(plain);
        return {};
      }
      std::tm tm{};
      const time_t at = seconds.value_or(0);
      char words[40];
      if (!seconds || gmtime_r(&at, &tm) == nullptr || tm.tm_year > 9999 - 1900)
        return corrupt(field.name);
      text({words, strftime(words, sizeof words, "%Y-%m-%dT%H:%M:%SZ", &tm)});
      return {};
    }
    case As::kMessage:
    case As::kMessages:
      return message(*field.of, piece.bytes, depth + 1);
    case As::kTextMap:
    case As::kQuantityMap:
    case As::kMessageMap:
      return entry(field, piece.bytes, depth);
    case As::kInline:
      break;
  }
  return corrupt(field.name);
}

base::Status Unpacker::entry(const PackedField& field, std::string_view bytes, int depth) {
  std::string_view key, value;
  for (Raw raw; !bytes.empty();) {
    if (!next(&bytes, &raw) || raw.wire != kBytes) return corrupt(field.name);
    if (raw.number == 1) key = raw.bytes;
    if (raw.number == 2) value = raw.bytes;
  }
  text(key);
  text_ += ':';
  if (field.as == As::kMessageMap) return message(*field.of, value, depth + 1);
  if (field.as == As::kQuantityMap) {
    const auto inner = first_of(value);
    if (!inner) return corrupt(field.name);
    value = *inner;
  }
  text(value);
  return {};
}

base::Status Unpacker::scan(const Shape& shape, std::string_view bytes) {
  for (Raw raw; !bytes.empty();) {
    if (!next(&bytes, &raw)) return corrupt(shape.name);
    for (size_t i = 0; i < shape.fields.size(); ++i) {
      if (shape.fields[i].number != raw.number) continue;
      if ((raw.wire == kBytes) != in_bytes(shape.fields[i].as) ||
          (raw.wire != kBytes && raw.wire != kVarint) || pieces_.size() >= kMostPieces)
        return corrupt(shape.fields[i].name);
      pieces_.push_back({i, raw.value, raw.bytes});
      break;
    }
  }
  return {};
}

// What of the pieces from `begin` to `end` is the field.
base::Status Unpacker::field(const PackedField& field, size_t begin, size_t end, size_t number,
                             int depth, bool* first) {
  const bool many = several(field.as);
  size_t last = end, count = 0;
  for (size_t i = begin; i < end; ++i)
    if (pieces_[i].field == number) last = i, ++count;
  if (count == 0) return {};
  const Piece only = pieces_[last];
  if (field.as == As::kInline) return fields(*field.of, only.bytes, depth + 1, first);
  if (!many && !field.kept && zero(field, only.number, only.bytes)) return {};
  if (!std::exchange(*first, false)) text_ += ',';
  ((text_ += '"') += field.name) += "\":";
  if (!many) return value(field, only, depth);
  const bool map = field.as >= As::kTextMap;
  text_ += map ? '{' : '[';
  for (size_t i = begin; i <= last; ++i) {
    if (pieces_[i].field != number) continue;
    FLEXAI_TRY(value(field, Piece(pieces_[i]), depth));
    if (i != last) text_ += ',';
  }
  text_ += map ? '}' : ']';
  return {};
}

base::Status Unpacker::fields(const Shape& shape, std::string_view bytes, int depth, bool* first) {
  if (depth > kDeepest) return corrupt("it is nested too deeply");
  const size_t begin = pieces_.size();
  FLEXAI_TRY(scan(shape, bytes));
  const size_t end = pieces_.size();
  for (size_t i = 0; i < shape.fields.size(); ++i)
    FLEXAI_TRY(field(shape.fields[i], begin, end, i, depth, first));
  pieces_.resize(begin);
  return {};
}

base::Status Unpacker::message(const Shape& shape, std::string_view bytes, int depth) {
  bool first = true;
  text_ += '{';
  FLEXAI_TRY(fields(shape, bytes, depth, &first));
  text_ += '}';
  return {};
}

base::Result<ObjectText> Unpacker::object(const Shape& shape, std::string_view bytes) {
  if (text_.capacity() > kKeep) text_ = {};
  text_.clear();
  pieces_.clear();
  FLEXAI_TRY(message(shape, bytes, 0));
  text_.reserve(text_.size() + kPadding);
  return ObjectText{text_};
}

base::Status PackedSplitter::sized(uint64_t size) {
  if (inside_ && size > left_) return corrupt("a part of the list is longer than the list");
  if (!inside_ && field_ == 2) {
    if (listed_) return corrupt("two lists");
    inside_ = size != 0;
    listed_ = size == 0;
    left_ = size;
    state_ = State::kTag;
    return {};
  }
  into_ = !inside_ ? nullptr : field_ == 1 ? &meta_ : field_ == 2 ? &item_ : nullptr;
  const size_t most = into_ == &item_ ? limits_.line : limits_.envelope;
  if ((into_ != nullptr || !inside_) && size > most)
    return fail(Code::kCorrupt,
                "a part of the list is longer than " + std::to_string(most) + " bytes");
  if (into_ != nullptr) into_->clear();
  body_ = size;
  state_ = State::kBody;
  return {};
}

base::Status PackedSplitter::tagged(uint64_t tag) {
  field_ = tag >> 3;
  if (field_ == 0) return corrupt("a field without a number");
  switch (tag & 7) {
    case kVarint:
      state_ = State::kNumber;
      return {};
    case kBytes:
      state_ = State::kLength;
      return {};
    default:
      if ((inside_ && field_ <= 2) || ((tag & 7) != kFixed64 && (tag & 7) != kFixed32))
        return corrupt("a field of a kind that is not known");
      into_ = nullptr;
      body_ = (tag & 7) == kFixed64 ? 8 : 4;
      if (inside_ && body_ > left_) return corrupt("a part of the list is longer than the list");
      state_ = State::kBody;
      return {};
  }
}

// A byte of what is not the body of a field.
base::Status PackedSplitter::header(char c) {
  header_ += c;
  if (state_ == State::kMagic) {
    if (header_.size() < 4) return {};
    if (header_ != std::string_view("k8s\0", 4)) return corrupt("how it begins");
    header_.clear();
    state_ = State::kTag;
    return {};
  }
  if (static_cast<uint8_t>(c) >= 0x80) {
    if (header_.size() >= 10) return corrupt("a number");
    return {};
  }
  std::string_view bytes = header_;
  const auto number = varint(&bytes);
  header_.clear();
  if (!number) return corrupt("a number");
  if (state_ == State::kTag) return tagged(*number);
  if (state_ == State::kLength) return sized(*number);
  state_ = State::kTag;
  return {};
}

base::Status PackedSplitter::feed(std::string_view bytes,
                                  const std::function<bool(std::string_view)>& item) {
  while (!bytes.empty() || (state_ == State::kBody && body_ == 0)) {
    const size_t used =
        state_ == State::kBody ? static_cast<size_t>(std::min<uint64_t>(body_, bytes.size())) : 1;
    if (inside_) left_ -= used;
    if (state_ == State::kBody) {
      if (into_ != nullptr) *into_ += bytes.substr(0, used);
      body_ -= used;
    } else {
      FLEXAI_TRY(header(bytes.front()));
    }
    bytes.remove_prefix(used);
    bool more = true;
    if (state_ == State::kBody && body_ == 0) {
      state_ = State::kTag;
      if (into_ == &item_) more = item(item_);
      if (item_.capacity() > kKeep) item_ = {};
    }
    if (inside_ && left_ == 0) {
      if (state_ != State::kTag || !header_.empty()) return corrupt("the list ends too early");
      inside_ = false;
      listed_ = true;
    }
    if (!more) return {};
  }
  return {};
}

base::Result<ListEnvelope> PackedSplitter::envelope() const {
  ListEnvelope envelope;
  std::string_view bytes = meta_;
  for (Raw raw; !bytes.empty();) {
    if (!next(&bytes, &raw)) return corrupt("the list's metadata");
    if (raw.number == 2 && raw.wire == kBytes) envelope.resource_version = raw.bytes;
    if (raw.number == 3 && raw.wire == kBytes) envelope.continue_token = raw.bytes;
  }
  if (envelope.resource_version.empty())
    return fail(Code::kCorrupt, "the list has no resourceVersion");
  return envelope;
}

}  // namespace flexai::kube
