#include "remote/opencl/worker/watches.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/futex.h"

namespace flexai::remote::opencl {

using base::MutexLock;

namespace {

constexpr base::Nanos kPause = 100 * base::kMillisecond;
// More than these are not looked through in a callback.
constexpr size_t kFew = 4;
// Where ends are farther apart, holding the next command up costs less than another thread's turn.
constexpr base::Nanos kSeldom = 300 * base::kMicrosecond;

// Where ends follow each other so closely, they are told of together, but none later than so.
constexpr base::Nanos kClose = 500 * base::kMicrosecond;
constexpr base::Nanos kLongestHeld = 600 * base::kMicrosecond;
// After that long without one they no longer do.
constexpr base::Nanos kCloseMemory = 2 * base::kMillisecond;

thread_local bool t_among_others = false;

}  // namespace

// What the driver's callbacks go through: it outlives the Watches, and their end waits for those
// that are inside.
class Watches::Door {
 public:
  bool enter() {
    if ((inside_.fetch_add(1, std::memory_order_acquire) & kClosed) == 0) return true;
    leave();
    return false;
  }
  void leave() {
    if (inside_.fetch_sub(1, std::memory_order_release) == kClosed + 1)
      base::futex_wake(&inside_, 1);
  }
  void close() {
    for (uint32_t now = inside_.fetch_or(kClosed) | kClosed; now != kClosed;
         now = inside_.load(std::memory_order_acquire))
      base::futex_wait(&inside_, now, 0);
  }

 private:
  static constexpr uint32_t kClosed = 1u << 31;
  std::atomic<uint32_t> inside_{0};  // futex
};

struct Watches::Ticket {
  Watches* watches;  // behind the door
  std::shared_ptr<Door> door;
  uint64_t id;
};

Watches::Watches(const driver::opencl::Table& table, std::function<void()> flush)
    : table_(table), flush_(std::move(flush)), door_(std::make_shared<Door>()) {}

bool Watches::among_others() { return t_among_others; }

void Watches::add(cl_event event, Then then) { add({event, std::move(then), false}); }

void Watches::add_apart(cl_event event, std::function<void()> done) {
  add({event, [done = std::move(done)](cl_event, cl_int) { done(); }, true});
}

void Watches::add(Watch watch) {
  const cl_event event = watch.event;
  table_.clRetainEvent(event);
  uint64_t id = 0;
  bool sleeps = false;
  {
    MutexLock lock(mutex_);
    id = ++last_;
    apart_ += watch.apart;
    watches_[id] = std::move(watch);
    if (!stopping_ && !thread_.joinable()) thread_ = std::thread([this] { run(); });
    sleeps = std::exchange(sleeps_, false);
  }
  if (sleeps) wake();
  auto* ticket = new Ticket{this, door_, id};
  const cl_int code = table_.clSetEventCallback(event, CL_COMPLETE, on_event, ticket);
  if (code == CL_SUCCESS) return;
  delete ticket;
  end(id, code);
}

void CL_CALLBACK Watches::on_event(cl_event, cl_int status, void* data) {
  std::unique_ptr<Ticket> ticket(static_cast<Ticket*>(data));
  if (!ticket->door->enter()) return;
  ticket->watches->told(ticket->id, status);
  ticket->door->leave();
}

// Nothing that ended before it is still to be done, and nothing else could begin behind it, or it
// ends long after the one before.
bool Watches::may_do_at_once(uint64_t id) {
  const base::Nanos since = std::exchange(told_at_, base::monotonic_now());
  close_ = told_at_ - since < kClose;
  if (!told_.empty() || ending_ != 0) return false;
  if (told_at_ - since > kSeldom) return true;
  if (watches_.size() - apart_ > kFew) return false;
  auto found = watches_.find(id);
  return found == watches_.end() ||
         std::all_of(watches_.begin(), watches_.end(), [&](const auto& other) {
           return other.second.apart || other.second.event == found->second.event;
         });
}

// As many are still under way, so that the program has time to say what comes after them; and the
// thread will look by itself before long.
bool Watches::may_hold() const {
  return close_ && naps_ && 2 * told_.size() <= watches_.size() - apart_ &&
         told_at_ - held_since_ < kLongestHeld;
}

void Watches::told(uint64_t id, cl_int status) {
  bool waits = false;
  {
    MutexLock lock(mutex_);
    const auto found = watches_.find(id);
    const bool apart = found != watches_.end() && found->second.apart;
    if (!apart && !may_do_at_once(id)) {
      if (told_.empty()) held_since_ = told_at_;
      told_.push_back({id, status});
      if (!may_hold()) waits = std::exchange(waits_, false);
      id = 0;
    }
  }
  if (id != 0) return end(id, status);
  if (waits) wake();
}

void Watches::wake() {
  changed_.fetch_add(1, std::memory_order_release);
  base::futex_wake(&changed_, 1);
}

void Watches::end(uint64_t id, cl_int status) {
  Watch watch;
  {
    MutexLock lock(mutex_);
    auto found = watches_.find(id);
    if (found == watches_.end()) return;
    watch = std::move(found->second);
    watches_.erase(found);
    apart_ -= watch.apart;
    ++(watch.apart ? ending_apart_ : ending_);
  }
  watch.then(watch.event, status);
  table_.clReleaseEvent(watch.event);
  MutexLock lock(mutex_);
  --(watch.apart ? ending_apart_ : ending_);
}

void Watches::end_all(const std::vector<Told>& all) {
  t_among_others = true;
  for (const Told& one : all) end(one.id, one.status);
  t_among_others = false;
  flush_();
}

bool Watches::quiet() {
  MutexLock lock(mutex_);
  return watches_.empty() && ending_ == 0 && ending_apart_ == 0;
}

void Watches::sweep() {
  std::vector<std::pair<uint64_t, cl_event>> all;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, watch] : watches_) {
      table_.clRetainEvent(watch.event);  // it may end while we look
      all.emplace_back(id, watch.event);
    }
  }
  std::sort(all.begin(), all.end());
  for (const auto& [id, event] : all) {
    cl_int status = CL_QUEUED;
    if (table_.clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status,
                              nullptr) == CL_SUCCESS &&
        status <= CL_COMPLETE)
      end(id, status);
    table_.clReleaseEvent(event);
  }
}

// Who has just added something will again: woken by the clock, the thread is not woken by that.
void Watches::run() {
  uint64_t seen_last = 0;
  for (;;) {
    const uint32_t seen = changed_.load(std::memory_order_acquire);
    std::vector<Told> all;
    bool idle = false, close = false;
    base::Nanos now = 0;
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      all.swap(told_);
      idle = sleeps_ = all.empty() && watches_.empty() && last_ == seen_last;
      waits_ = all.empty();
      now = base::monotonic_now();
      naps_ = close = now - told_at_ < kCloseMemory;
    }
    if (!all.empty()) {
      end_all(all);
      continue;
    }
    const base::Nanos pause = close ? kLongestHeld : kPause;
    if (base::futex_wait(&changed_, seen, idle ? 0 : now + pause) || idle || close) continue;
    {
      MutexLock lock(mutex_);
      seen_last = last_;
    }
    sweep();
  }
}

void Watches::close() {
  door_->close();
  std::thread thread;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    thread.swap(thread_);
  }
  wake();
  if (thread.joinable()) thread.join();
  std::unordered_map<uint64_t, Watch> left;
  {
    MutexLock lock(mutex_);
    left.swap(watches_);
  }
  for (auto& [id, watch] : left) table_.clReleaseEvent(watch.event);
}

Watches::~Watches() { close(); }

}  // namespace flexai::remote::opencl
