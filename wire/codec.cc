#include "wire/codec.h"

#include <cstdlib>
#include <cstring>

namespace flexai::wire {

using base::Code;
using base::fail;

Writer::~Writer() { std::free(data_); }

std::span<std::byte> Writer::space(size_t size) {
  if (!ok_) return {};
  if (size > capacity_ - size_) {
    size_t wanted = capacity_ < 256 ? 256 : capacity_ * 2;
    if (wanted < size_ + size) wanted = size_ + size;
    void* grown = wanted < size ? nullptr : std::realloc(data_, wanted);
    if (grown == nullptr) {
      ok_ = false;
      return {};
    }
    data_ = static_cast<std::byte*>(grown);
    capacity_ = wanted;
  }
  std::span<std::byte> place{data_ + size_, size};
  size_ += size;
  return place;
}

void Writer::number(uint64_t value, size_t width) {
  auto place = space(width);
  for (size_t i = 0; i < place.size(); ++i) place[i] = static_cast<std::byte>(value >> (8 * i));
}

void Writer::raw(Bytes bytes) {
  auto place = space(bytes.size());
  if (!place.empty()) std::memcpy(place.data(), bytes.data(), place.size());
}

void Writer::blob(Bytes bytes) {
  if (bytes.size() > UINT32_MAX) {
    ok_ = false;
    return;
  }
  u32(static_cast<uint32_t>(bytes.size()));
  raw(bytes);
}

uint64_t Reader::number(const char* field, size_t width) {
  Bytes bytes = raw(field, width);
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

Bytes Reader::raw(const char* field, size_t size) {
  if (!ok()) return {};
  if (size > left()) {
    refuse(field, "runs past the end of the record");
    return {};
  }
  Bytes bytes = bytes_.subspan(at_, size);
  at_ += size;
  return bytes;
}

Bytes Reader::blob(const char* field, size_t most) {
  size_t size = u32(field);
  if (ok() && size > most) refuse(field, "is longer than allowed");
  return raw(field, size);
}

void Reader::refuse(const char* field, const char* why) {
  if (!ok()) return;
  field_ = field;
  why_ = why;
}

base::Status Reader::status() const {
  if (ok()) return {};
  return fail(Code::kCorrupt, std::string("field ") + field_ + " " + why_);
}

base::Status Reader::finish() const {
  FLEXAI_TRY(status());
  if (left() != 0)
    return fail(Code::kCorrupt, std::to_string(left()) + " bytes follow the last field");
  return {};
}

base::Result<size_t> read_count(Reader& reader, size_t most, const char* what) {
  const size_t count = reader.u16("count");
  FLEXAI_TRY(reader.status().with_context(what));
  if (count == 0 || count > most)
    return fail(Code::kCorrupt,
                std::string(what) + ": field count is not from 1 to " + std::to_string(most));
  return count;
}

}  // namespace flexai::wire
