// Writer and Reader: little-endian values in byte strings. Both keep the first failure and go on
// harmlessly, so that a record is written or read in one go and checked once.
// Threads: one at a time. Neither throws; a Reader never looks outside its span, and what it hands
// out after a failure is zero or empty. The bytes must be private: a record in shared memory is
// copied out first, or it could change between check and use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flexai::wire {

using Bytes = std::span<const std::byte>;

inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Grows as needed. ok() turns false, for good, when memory ran out or a blob has 4 GiB.
class Writer {
 public:
  Writer() = default;
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void u8(uint8_t value) { number(value, 1); }
  void u16(uint16_t value) { number(value, 2); }
  void u32(uint32_t value) { number(value, 4); }
  void u64(uint64_t value) { number(value, 8); }
  void i32(int32_t value) { number(static_cast<uint32_t>(value), 4); }
  void i64(int64_t value) { number(static_cast<uint64_t>(value), 8); }
  void handle(uint64_t id) { number(id, 8); }
  void raw(Bytes bytes);   // the bytes alone
  void blob(Bytes bytes);  // u32 length, bytes
  void text(std::string_view text) { blob(bytes_of(text)); }
  // A place of `size` bytes to be filled by the caller before the next call; empty on failure.
  std::span<std::byte> space(size_t size);

  bool ok() const { return ok_; }
  Bytes bytes() const { return {data_, size_}; }
  void clear() { size_ = 0, ok_ = true; }

 private:
  void number(uint64_t value, size_t width);

  std::byte* data_ = nullptr;
  size_t size_ = 0, capacity_ = 0;
  bool ok_ = true;
};

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  // `field` names what is read, for the message of a failure; it must be a literal.
  uint8_t u8(const char* field) { return static_cast<uint8_t>(number(field, 1)); }
  uint16_t u16(const char* field) { return static_cast<uint16_t>(number(field, 2)); }
  uint32_t u32(const char* field) { return static_cast<uint32_t>(number(field, 4)); }
  uint64_t u64(const char* field) { return number(field, 8); }
  int32_t i32(const char* field) { return static_cast<int32_t>(number(field, 4)); }
  int64_t i64(const char* field) { return static_cast<int64_t>(number(field, 8)); }
  uint64_t handle(const char* field) { return number(field, 8); }
  Bytes raw(const char* field, size_t size);
  Bytes blob(const char* field, size_t most);  // fails when longer than `most`
  std::string_view text(const char* field, size_t most) { return text_of(blob(field, most)); }
  // Makes the record bad: for values that are there but not allowed.
  void refuse(const char* field, const char* why);

  bool ok() const { return field_ == nullptr; }
  size_t left() const { return bytes_.size() - at_; }
  base::Status status() const;  // the first failure, naming the field
  base::Status finish() const;  // status(), and bytes left over are a failure too

 private:
  uint64_t number(const char* field, size_t width);

  Bytes bytes_;
  size_t at_ = 0;
  const char* field_ = nullptr;
  const char* why_ = nullptr;
};

base::Result<size_t> read_count(Reader& reader, size_t most, const char* what);

// A record that is a counted list: u16 number of items, then each, written by write_one(item,
// writer) and read by read_one(reader) -> Item.
template <typename Item, typename WriteOne>
void write_list(const std::vector<Item>& items, Writer& writer, WriteOne write_one) {
  writer.u16(static_cast<uint16_t>(items.size()));
  for (const Item& item : items) write_one(item, writer);
}

// From 1 to `most` items and nothing after them; `what` names the record in a failure.
template <typename Item, typename ReadOne>
base::Result<std::vector<Item>> read_list(Bytes bytes, size_t most, const char* what,
                                          ReadOne read_one) {
  Reader reader(bytes);
  FLEXAI_TRY_ASSIGN(const size_t count, read_count(reader, most, what));
  std::vector<Item> items;
  for (size_t i = 0; i < count && reader.ok(); ++i) items.push_back(read_one(reader));
  FLEXAI_TRY(reader.finish().with_context(what));
  return items;
}

}  // namespace flexai::wire
