#include "wire/stripe.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "wire/crc32c.h"
#include "wire/greeting.h"
#include "wire/patience.h"

namespace flexai::wire {

using base::Code;
using base::fail;
using base::kMillisecond;
using base::kSecond;
using base::monotonic_now;
using base::MutexLock;
using base::Nanos;

namespace {

constexpr Nanos kPause = 20 * kMillisecond;
// In the middle of a chunk bytes are due; a connection without any is given up.
constexpr Nanos kPatience = 3 * kSecond;

void put_prefix(std::span<std::byte> place, const FrameHeader& header, uint64_t id,
                uint64_t offset) {
  HeaderBytes bytes = encode_header(header);
  std::memcpy(place.data(), bytes.data(), bytes.size());
  std::memcpy(place.data() + kHeaderBytes, &id, 8);
  std::memcpy(place.data() + kHeaderBytes + 8, &offset, 8);
}

}  // namespace

Stripe::Stripe(Bulk& bulk, uint8_t number, std::unique_ptr<Transport> transport, uint32_t epoch)
    : bulk_(bulk),
      number_(number),
      transport_(std::move(transport)),
      epoch_(epoch),
      thread_([this] { run(); }) {}

Stripe::~Stripe() {
  stop();
  thread_.join();
}

void Stripe::wake() {
  MutexLock lock(mutex_);
  if (transport_ != nullptr) transport_->wake();
}

void Stripe::cut() {
  MutexLock lock(mutex_);
  if (transport_ != nullptr) transport_->shutdown();
}

void Stripe::cut_epoch(uint64_t epoch) {
  if (epoch_.load(std::memory_order_acquire) == epoch) cut();
}

void Stripe::stop() {
  stopping_.store(true, std::memory_order_release);
  cut();
}

void Stripe::run() {
  bool client = static_cast<bool>(bulk_.session_.connector());
  while (!stopping_.load(std::memory_order_acquire) && !bulk_.session_.ended()) {
    if (transport_ == nullptr && !connect().ok()) {
      ::usleep(static_cast<unsigned>(kPause / base::kMicrosecond));
      continue;
    }
    serve();
    reset();
    if (client) continue;
    if (!bulk_.session_.ended() && !stopping_.load(std::memory_order_acquire))
      bulk_.lost_stripe(number_, epoch_.load(std::memory_order_relaxed));
    break;
  }
  reset();
  done_.store(true, std::memory_order_release);
}

void Stripe::serve() {
  Patience patience(monotonic_now() + kPatience, monotonic_now());
  base::Status status;
  while (status.ok() && !stopping_.load(std::memory_order_acquire)) {
    bool moved = false;
    status = move(moved);
    if (!status.ok()) return;
    const Nanos now = monotonic_now();
    const bool due = prefix_have_ != 0 || !in_flight_.empty() || !parts_.empty();
    // Of a peer that is merely stopped nothing is given up.
    if (moved || !due || transport_->tells_end()) patience = Patience(now + kPatience, now);
    if (moved) continue;
    if (patience.over(now)) return;
    if (!due && bulk_.session_.ended()) return;
    transport_->wait(kReadable | (parts_.empty() ? 0 : kWritable),
                     due ? patience.next(now) : now + kSecond);
  }
}

base::Status Stripe::connect() {
  Nanos deadline = monotonic_now() + bulk_.session_.options().handshake;
  const uint64_t moves = bulk_.session_.moves();
  FLEXAI_TRY_ASSIGN(auto transport, bulk_.session_.connector()(Purpose::kBulk, deadline));
  bool refused = false;
  FLEXAI_TRY(greet(*transport, bulk_.session_.bulk_hello(number_, epoch_.fetch_add(1) + 1),
                   deadline, refused));
  MutexLock lock(mutex_);
  transport_ = std::move(transport);
  // One to where the session was before would take chunks, and they would be lost.
  const bool elsewhere = bulk_.session_.moves() != moves;
  if (elsewhere || stopping_.load(std::memory_order_acquire)) transport_->shutdown();
  return {};
}

void Stripe::reset() {
  if (transport_ != nullptr) transport_->shutdown();
  if (placed_) bulk_.left_place(id_, offset_, false);
  if (has_chunk_) {
    bulk_.sent_chunk(chunk_);
    in_flight_.push_back(chunk_);
  }
  bulk_.lost_chunks(in_flight_);
  placed_ = has_chunk_ = false;
  prefix_have_ = have_ = first_part_ = 0;
  in_flight_.clear();
  parts_.clear();
  acks_.clear();
  MutexLock lock(mutex_);
  transport_.reset();
}

base::Status Stripe::move(bool& moved) {
  FLEXAI_TRY(receive(moved));
  return send(moved);
}

base::Status Stripe::receive(bool& moved) {
  std::span<std::byte> place = std::span(prefix_).subspan(std::min(prefix_have_, kPrefix));
  if (prefix_have_ == kPrefix) place = into_.subspan(have_);
  FLEXAI_TRY_ASSIGN(size_t got, transport_->receive(place));
  if (got == 0) return {};
  moved = true;
  if (prefix_have_ < kPrefix) {
    prefix_have_ += got;
    return prefix_have_ == kPrefix ? begin_chunk() : base::Status{};
  }
  have_ += got;
  return have_ == into_.size() ? finish_chunk() : base::Status{};
}

base::Status Stripe::begin_chunk() {
  std::span<const std::byte, kHeaderBytes> header(prefix_.data(), kHeaderBytes);
  FLEXAI_TRY_ASSIGN(header_, decode_header(header));
  Reader reader(Bytes(prefix_).subspan(kHeaderBytes));
  id_ = reader.u64("id");
  offset_ = reader.u64("offset");
  if (header_.type == FrameType::kChunkAck && header_.length == 16) {
    bulk_.acked_chunk(id_, offset_ / kMaxChunk);
    std::erase_if(in_flight_, [this](const Bulk::Chunk& chunk) {
      return chunk.id == id_ && chunk.index == offset_ / kMaxChunk;
    });
    prefix_have_ = 0;
    return {};
  }
  if (header_.type != FrameType::kChunk || header_.length <= 16 || header_.length > 16 + kMaxChunk)
    return fail(Code::kCorrupt, "no chunk on a bulk connection");
  size_t size = header_.length - 16;
  FLEXAI_TRY_ASSIGN(into_, bulk_.place_of(*this, id_, offset_, size));
  placed_ = !into_.empty();
  have_ = 0;
  if (!placed_) {
    scratch_.resize(size);
    into_ = scratch_;
  }
  return {};
}

base::Status Stripe::finish_chunk() {
  prefix_have_ = 0;
  if (!transport_->keeps_bytes()) {
    FrameHeader blank = header_;
    blank.check = 0;
    uint32_t sum = crc32c(Bytes(prefix_).subspan(kHeaderBytes), crc32c(encode_header(blank)));
    if (crc32c(into_, sum) != header_.check)
      return fail(Code::kCorrupt, "a chunk with a wrong checksum");
  }
  if (placed_) bulk_.left_place(id_, offset_, true);
  placed_ = false;
  FrameHeader ack{.type = FrameType::kChunkAck, .length = 16};
  size_t old = acks_.size();
  acks_.resize(old + kPrefix);
  put_prefix(std::span(acks_).subspan(old), ack, id_, offset_);
  return {};
}

bool Stripe::build() {
  first_part_ = 0;
  if (!acks_.empty()) {
    sending_acks_.swap(acks_);
    acks_.clear();
    parts_.push_back({sending_acks_.data(), sending_acks_.size()});
    return true;
  }
  if (in_flight_.size() >= kInFlight || !bulk_.take_chunk(chunk_)) return false;
  has_chunk_ = true;
  FrameHeader header{.type = FrameType::kChunk,
                     .lane = number_,
                     .length = static_cast<uint32_t>(16 + chunk_.bytes.size())};
  uint64_t offset = chunk_.index * kMaxChunk;
  if (!transport_->keeps_bytes()) {
    header.flags = kChecked;
    put_prefix(out_prefix_, header, chunk_.id, offset);
    header.check = crc32c(chunk_.bytes, crc32c(out_prefix_));
  }
  put_prefix(out_prefix_, header, chunk_.id, offset);
  parts_.push_back({out_prefix_.data(), out_prefix_.size()});
  parts_.push_back({const_cast<std::byte*>(chunk_.bytes.data()), chunk_.bytes.size()});
  return true;
}

base::Status Stripe::send(bool& moved) {
  while (!parts_.empty() || build()) {
    FLEXAI_TRY_ASSIGN(size_t sent, transport_->send(std::span(parts_).subspan(first_part_)));
    if (sent == 0) return {};
    moved = true;
    while (sent != 0) {
      iovec& part = parts_[first_part_];
      size_t size = std::min(sent, part.iov_len);
      part.iov_base = static_cast<std::byte*>(part.iov_base) + size;
      part.iov_len -= size;
      sent -= size;
      if (part.iov_len == 0) ++first_part_;
    }
    if (first_part_ < parts_.size()) return {};  // receive in between
    parts_.clear();
    if (has_chunk_) {
      has_chunk_ = false;
      in_flight_.push_back(chunk_);
      bulk_.sent_chunk(chunk_);
    }
  }
  return {};
}

}  // namespace flexai::wire
