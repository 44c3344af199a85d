#include "base/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace flexai::base {

Result<std::unique_ptr<Loop>> Loop::make() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return fail_errno("epoll_create1");
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return fail_errno("eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake.get();
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0)
    return fail_errno("epoll_ctl");
  return std::unique_ptr<Loop>(new Loop(std::move(epoll), std::move(wake)));
}

Loop::Loop(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
Loop::~Loop() = default;

Status Loop::watch(int fd, uint32_t events, OnReady on_ready) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  int op = watches_.count(fd) != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_.get(), op, fd, &event) != 0) return fail_errno("epoll_ctl");
  watches_[fd] = std::make_shared<Watch>(Watch{fd, std::move(on_ready)});
  return {};
}

void Loop::unwatch(int fd) {
  if (watches_.erase(fd) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::at(Nanos when, Task task) {
  TimerId id = next_timer_++;
  timers_.emplace(std::pair(when, id), std::move(task));
  return id;
}

void Loop::cancel(TimerId id) {
  auto it = std::find_if(timers_.begin(), timers_.end(),
                         [id](const auto& t) { return t.first.second == id; });
  if (it != timers_.end()) timers_.erase(it);
}

void Loop::post(Task task) {
  {
    MutexLock lock(mutex_);
    posted_.push_back(std::move(task));
  }
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

void Loop::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

void Loop::run_posted() {
  std::vector<Task> tasks;
  {
    MutexLock lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

int Loop::run_timers() {
  while (!timers_.empty()) {
    auto first = timers_.begin();
    Nanos left = first->first.first - monotonic_now();
    if (left > 0)
      return static_cast<int>(std::min<Nanos>((left + kMillisecond - 1) / kMillisecond, 60000));
    Task task = std::move(first->second);
    timers_.erase(first);
    task();
  }
  return -1;
}

void Loop::run() {
  for (;;) {
    run_posted();
    int timeout = run_timers();
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      if (!posted_.empty()) timeout = 0;
    }
    epoll_event events[64];
    int n = ::epoll_wait(epoll_.get(), events, 64, timeout);
    for (int i = 0; i < n; ++i) {
      int fd = events[i].data.fd;
      if (fd == wake_.get()) {
        uint64_t count = 0;
        [[maybe_unused]] ssize_t got = ::read(fd, &count, sizeof count);
        continue;
      }
      auto it = watches_.find(fd);  // an earlier callback of this round may have unwatched it
      if (it == watches_.end()) continue;
      auto watch = it->second;
      watch->on_ready(events[i].events);
    }
  }
}

}  // namespace flexai::base
