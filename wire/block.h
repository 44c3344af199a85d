// Block: an owned byte string that is not cleared before it is filled. Movable, not copyable.
#pragma once

#include <cstring>
#include <memory>
#include <utility>

#include "wire/codec.h"

namespace flexai::wire {

class Block {
 public:
  Block() = default;
  explicit Block(size_t size) : data_(new std::byte[size]), size_(size) {}
  explicit Block(Bytes bytes) : Block(bytes.size()) {
    if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  Block(Block&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  Block& operator=(Block&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  std::byte* data() { return data_.get(); }
  size_t size() const { return size_; }
  std::span<std::byte> space() { return {data_.get(), size_}; }
  Bytes bytes() const { return {data_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> data_;
  size_t size_ = 0;
};

}  // namespace flexai::wire
