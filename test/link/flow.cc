#include "test/link/flow.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

namespace flexai::link {

using base::Nanos;

Flow::State Flow::read(int from, const Conditions& conditions, Nanos now) {
  size_t most = 64u << 10;
  if (conditions.read_rate > 0)
    most = std::clamp<size_t>(static_cast<size_t>(conditions.read_rate / 100), 1, most);
  Parcel parcel{0, std::vector<std::byte>(most)};
  ssize_t n = ::recv(from, parcel.bytes.data(), most, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? State::kOpen : State::kBroken;
  if (n == 0) {
    ended_ = true;
    return State::kEnded;
  }
  parcel.bytes.resize(static_cast<size_t>(n));
  line_free_ = std::max(line_free_, now);
  if (conditions.bandwidth > 0)
    line_free_ += static_cast<Nanos>(static_cast<double>(n) / conditions.bandwidth * 1e9);
  if (conditions.read_rate > 0)
    read_at_ = now + static_cast<Nanos>(static_cast<double>(n) / conditions.read_rate * 1e9);
  parcel.due = line_free_ + conditions.delay;
  held_ += parcel.bytes.size();
  parcels_.push_back(std::move(parcel));
  return State::kOpen;
}

bool Flow::wants_write(Nanos now) const {
  return !at_limit() && !parcels_.empty() && parcels_.front().due <= now;
}

Flow::State Flow::write(int to, Nanos now) {
  while (wants_write(now)) {
    Parcel& parcel = parcels_.front();
    size_t size = static_cast<size_t>(
        std::min<uint64_t>(parcel.bytes.size() - parcel.begin, limit_ - passed_));
    ssize_t n = ::send(to, parcel.bytes.data() + parcel.begin, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR ? State::kOpen : State::kBroken;
    parcel.begin += static_cast<size_t>(n);
    passed_ += static_cast<uint64_t>(n);
    held_ -= static_cast<size_t>(n);
    if (parcel.begin < parcel.bytes.size()) return State::kOpen;
    parcels_.pop_front();
  }
  if (!ended_ || !parcels_.empty()) return State::kOpen;
  if (!told_) ::shutdown(to, SHUT_WR);
  told_ = true;
  return State::kEnded;
}

Nanos Flow::next(Nanos now) const {
  Nanos at = 0;
  auto sooner = [&](Nanos when) { at = at == 0 ? when : std::min(at, when); };
  if (!parcels_.empty() && parcels_.front().due > now) sooner(parcels_.front().due);
  if (read_at_ > now) sooner(read_at_);
  return at;
}

}  // namespace flexai::link
